package kube

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	authv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// Denied asks for each wanted right whether we have it and returns those we
// do not, in the order asked. Asking needs no right itself.
func (c *Client) Denied(ctx context.Context, wanted []reconcile.Permission) reconcile.Observed[[]reconcile.Permission] {
	allowed := make([]bool, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, p := range wanted {
		group.Go(func() error {
			review := &authv1.SelfSubjectAccessReview{}
			review.Spec.ResourceAttributes = c.attributes(p)
			answer, err := c.kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("ask whether we may %s %s: %w", p.Verb, p.Resource, err)
			}
			allowed[i] = answer.Status.Allowed
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return reconcile.CouldNot[[]reconcile.Permission](err)
	}
	denied := []reconcile.Permission{}
	for i, p := range wanted {
		if !allowed[i] {
			denied = append(denied, p)
		}
	}
	return reconcile.Found(denied)
}

func (c *Client) attributes(p reconcile.Permission) *authv1.ResourceAttributes {
	resource, sub, _ := strings.Cut(p.Resource, "/")
	out := &authv1.ResourceAttributes{Verb: p.Verb, Group: p.Group, Resource: resource, Subresource: sub}
	if !p.Cluster {
		out.Namespace = c.options.Namespace
	}
	return out
}
