package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Denied returns the wanted rights we do not have, in the order asked. One
// question lists our rights in the namespace; only what that list does not
// show, because it need not be complete, is asked for one by one. Asking needs
// no right itself.
func (c *Client) Denied(ctx context.Context, wanted []server.Permission) engine.Observed[[]server.Permission] {
	rules, err := c.rules(ctx)
	if err != nil {
		// It only saves calls; each right is asked for instead.
		c.log.DebugContext(ctx, "rights not listed", "error", err)
	}
	allowed := make([]bool, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, p := range wanted {
		// A rule of the namespace gives nothing outside it.
		if allowed[i] = !p.Cluster && grants(rules, p); allowed[i] {
			continue
		}
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
		return engine.CouldNot[[]server.Permission](err)
	}
	denied := []server.Permission{}
	for i, p := range wanted {
		if !allowed[i] {
			denied = append(denied, p)
		}
	}
	return engine.Found(denied)
}

func (c *Client) rules(ctx context.Context) ([]authv1.ResourceRule, error) {
	review := &authv1.SelfSubjectRulesReview{Spec: authv1.SelfSubjectRulesReviewSpec{Namespace: c.options.Namespace}}
	answer, err := c.kube.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask for our rights in namespace %s: %w", c.options.Namespace, err)
	}
	return answer.Status.ResourceRules, nil
}

// grants tells whether one of the rules gives the right for every object.
func grants(rules []authv1.ResourceRule, p server.Permission) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(rules, func(r authv1.ResourceRule) bool {
		return len(r.ResourceNames) == 0 && has(r.Verbs, p.Verb) && has(r.APIGroups, p.Group) && has(r.Resources, p.Resource)
	})
}

func (c *Client) attributes(p server.Permission) *authv1.ResourceAttributes {
	resource, sub, _ := strings.Cut(p.Resource, "/")
	out := &authv1.ResourceAttributes{Verb: p.Verb, Group: p.Group, Resource: resource, Subresource: sub}
	if !p.Cluster {
		out.Namespace = c.options.Namespace
	}
	return out
}
