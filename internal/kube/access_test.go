package kube

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	authv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// rights is an API server that lists rules and grants some rights besides.
func rights(rules []authv1.ResourceRule, fail error, besides ...string) (*Client, *[]string) {
	clientset, asked := fake.NewClientset(), &[]string{}
	clientset.PrependReactor("create", "selfsubjectrulesreviews", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, &authv1.SelfSubjectRulesReview{Status: authv1.SubjectRulesReviewStatus{ResourceRules: rules, Incomplete: true}}, fail
	})
	clientset.PrependReactor("create", "selfsubjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		review := a.(k8stesting.CreateAction).GetObject().(*authv1.SelfSubjectAccessReview)
		what := review.Spec.ResourceAttributes.Verb + " " + review.Spec.ResourceAttributes.Resource
		*asked = append(*asked, what)
		review.Status.Allowed = slices.Contains(besides, what)
		return true, review, nil
	})
	return newClient(Options{Namespace: "ns"}, clientset), asked
}

func TestRightsThatAreListedAreNotAskedFor(t *testing.T) {
	get, patch := server.Permission{Verb: "get", Resource: "secrets"}, server.Permission{Verb: "patch", Resource: "secrets"}
	jobs := server.Permission{Verb: "get", Group: "batch", Resource: "jobs"}
	volume := server.Permission{Verb: "get", Resource: "persistentvolumes", Cluster: true}
	rules := []authv1.ResourceRule{
		{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"*"}},
		{Verbs: []string{"patch"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"one"}},
	}
	for _, c := range []struct {
		name          string
		fail          error
		besides, want []string
		denied        []server.Permission
	}{
		{"listed", nil, []string{"get jobs"}, []string{"get jobs", "get persistentvolumes", "patch secrets"}, []server.Permission{patch, volume}},
		{"no list", errors.New("forbidden"), []string{"get secrets"},
			[]string{"get jobs", "get persistentvolumes", "get secrets", "patch secrets"}, []server.Permission{patch, jobs, volume}},
	} {
		given := rules
		if c.fail != nil {
			given = nil
		}
		client, asked := rights(given, c.fail, c.besides...)
		got := client.Denied(t.Context(), []server.Permission{get, patch, jobs, volume})
		slices.Sort(*asked)
		if !got.Is() || !reflect.DeepEqual(got.Value, c.denied) || !slices.Equal(*asked, c.want) {
			t.Errorf("%s: denied %v, asked for %v", c.name, got, *asked)
		}
	}
}
