package kube

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

func TestSubmitMakesWhatAnEngineNeeds(t *testing.T) {
	c, k := submitter(t)
	run, err := c.Submit(t.Context(), engineWork())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1000, 0).UTC()
	if want := (engine.HostedRun{Job: "circleci-dr-engine-8bcee46f15", UID: run.UID, Plan: "8bcee46f15", SpecDigest: "sha256:1",
		By: "me@here/1", Since: at, Deadline: at.Add(45 * time.Minute)}); run != want || run.UID == "" {
		t.Errorf("got  %+v\nwant %+v", run, want)
	}
	if got := objects(t, k); !slices.Equal(got, allEngineObjects) {
		t.Errorf("made %v", got)
	}
	told, err := k.CoreV1().Secrets("ci").Get(t.Context(), run.Job, metav1.GetOptions{})
	if err != nil || len(told.Data) != 2 || string(told.Data[referenceKey(spec.SecretRef{Env: "PG_PASSWORD"})]) != "canary" ||
		string(told.Data[referenceKey(spec.SecretRef{File: "ca.pem"})]) != "the bundle" {
		t.Errorf("the Secret has %d keys, error %v", len(told.Data), err)
	}
	if owner := told.OwnerReferences; len(owner) != 1 || string(owner[0].UID) != run.UID {
		t.Errorf("the Secret belongs to %+v", owner)
	}
	role, err := k.RbacV1().Roles("ci").Get(t.Context(), engineName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(role.OwnerReferences) != 1 || string(role.OwnerReferences[0].UID) != run.UID {
		t.Errorf("the Role belongs to %+v", role.OwnerReferences)
	}
	var rules []string
	for _, r := range role.Rules {
		rules = append(rules, strings.Join(slices.Concat(r.Verbs, r.APIGroups, r.Resources, r.ResourceNames), " "))
	}
	if want := []string{"get list  secrets", "get batch jobs", "delete rbac.authorization.k8s.io roles circleci-dr-engine"}; !slices.Equal(rules, want) {
		t.Errorf("the Role gives %q", rules)
	}
}

// The submitter dies before and after every change it makes; whoever submits
// the same again ends with the same objects and one Job.
func TestSubmitCutOffAnywhereIsMadeWhole(t *testing.T) {
	for n := 1; ; n++ {
		c, k := submitter(t)
		changes := 0
		dying, die := context.WithCancel(t.Context())
		k.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
			if slices.Contains([]string{"get", "list"}, a.GetVerb()) {
				return false, nil, nil
			}
			if changes++; changes < n {
				return false, nil, nil
			}
			die()
			return true, nil, apierrors.NewInternalError(errors.New("the submitter is dead"))
		})
		_, err := c.Submit(dying, engineWork())
		whole := changes < n
		k.ReactionChain = k.ReactionChain[1:]
		run, again := c.Submit(t.Context(), engineWork())
		if again != nil {
			t.Fatalf("cut off at change %d (%v), then: %v", n, err, again)
		}
		if got := objects(t, k); !slices.Equal(got, allEngineObjects) {
			t.Fatalf("cut off at change %d: %v", n, got)
		}
		secret, err := k.CoreV1().Secrets("ci").Get(t.Context(), run.Job, metav1.GetOptions{})
		if err != nil || len(secret.OwnerReferences) != 1 || string(secret.OwnerReferences[0].UID) != run.UID {
			t.Fatalf("cut off at change %d: the Secret belongs to %+v, error %v", n, secret.OwnerReferences, err)
		}
		if whole {
			if n < 12 {
				t.Fatalf("a submission makes only %d changes", n-1)
			}
			return
		}
	}
}

func TestSubmitTellsEnginesApart(t *testing.T) {
	c, k := submitter(t)
	first, err := c.Submit(t.Context(), engineWork())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Submit(t.Context(), engineWork()); err != nil || again != first {
		t.Errorf("the same again gives %+v, %v", again, err)
	}
	other := engineWork()
	other.Plan = "0000000000"
	_, err = c.Submit(t.Context(), other)
	var busy *OtherEngineError
	if !errors.As(err, &busy) || busy.Run != first {
		t.Errorf("another plan beside it gives %v", err)
	}
	// The first one tells its outcome, and its pod ends; its name may be used
	// again.
	rec := engine.HostedRecord{UID: first.UID, Outcome: &engine.HostedOutcome{}}
	if err := engine.WriteHosted(t.Context(), c, rec); err != nil {
		t.Fatal(err)
	}
	if got := c.Engine(t.Context()); !got.Is() || got.Value.Active() {
		t.Errorf("an engine with an outcome reads as %+v", got)
	}
	c.patience.settle, c.patience.look = 3*time.Millisecond, time.Millisecond
	if _, err := c.Submit(t.Context(), engineWork()); err == nil || !strings.Contains(err.Error(), "its pod has not ended") {
		t.Errorf("while its pod runs: %v", err)
	}
	job, err := k.BatchV1().Jobs("ci").Get(t.Context(), first.Job, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	if _, err := k.BatchV1().Jobs("ci").UpdateStatus(t.Context(), job, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	second, err := c.Submit(t.Context(), engineWork())
	if err != nil || second.UID == first.UID || !second.Active() {
		t.Errorf("after it ended: %+v, %v", second, err)
	}
}

func TestSubmitRefusesWhatDoesNotFit(t *testing.T) {
	c, k := submitter(t)
	large := engineWork()
	large.Chart = make([]byte, chartPart*chartPartsMax+1)
	_, err := c.Submit(t.Context(), large)
	const want = "submit the work to the cluster: the chart's archive has 7.0 MiB and at most 7.0 MiB can travel to the cluster; push it to a registry and name it in server.chart as oci://"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	wide := engineWork()
	wide.Files = map[string][]byte{"plan.json": make([]byte, recordLimit+1)}
	if _, err := c.Submit(t.Context(), wide); err == nil || !strings.Contains(err.Error(), "spec and plan have 900.0 KiB") {
		t.Errorf("got %v", err)
	}
	if got := objects(t, k); got != nil {
		t.Errorf("it left %v", got)
	}
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "circleci-dr-engine-8bcee46f15", Namespace: "ci"}}
	if _, err := k.CoreV1().ConfigMaps("ci").Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), engineWork()); err == nil || !strings.Contains(err.Error(), "that circleci-dr did not make") {
		t.Errorf("over somebody else's ConfigMap: %v", err)
	}
}

// What a submission left that was cut off and never made again goes with the
// next one, whatever its plan.
func TestSubmitSweepsWhatOthersLeft(t *testing.T) {
	c, k := submitter(t)
	k.PrependReactor("create", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewInternalError(errors.New("the submitter is dead"))
	})
	left := engineWork()
	left.Plan = "0000000000"
	if _, err := c.Submit(t.Context(), left); err == nil {
		t.Fatal("it was submitted")
	}
	k.ReactionChain = k.ReactionChain[1:]
	if got := objects(t, k); !slices.Contains(got, "Secret/circleci-dr-engine-0000000000") {
		t.Fatalf("nothing was left: %v", got)
	}
	if _, err := c.Submit(t.Context(), engineWork()); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, k); !slices.Equal(got, allEngineObjects) {
		t.Errorf("there are %v", got)
	}
}
