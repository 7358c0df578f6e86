package kube

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func metaOf(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "ci"} }

func selects(set map[string]string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: set}
}

// frontend is a Deployment as the chart has it: selected by its name.
func frontend() *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metaOf("frontend"), Spec: appsv1.DeploymentSpec{Selector: selects(map[string]string{"app": "frontend"})}}
	d.Labels = map[string]string{"layer": "application"}
	d.Spec.Template.Labels = map[string]string{"app": "frontend", "layer": "application", "team": "ci"}
	d.Spec.Template.Annotations = map[string]string{"mesh": "yes", "kubectl.kubernetes.io/restartedAt": "now"}
	d.Spec.Template.Spec = corev1.PodSpec{
		ServiceAccountName: "frontend", NodeSelector: map[string]string{"pool": "apps"}, Tolerations: []corev1.Toleration{{Key: "apps"}},
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: "regcred"}}, HostAliases: []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"pg"}}},
		Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}, PodAntiAffinity: &corev1.PodAntiAffinity{}},
	}
	return d
}

func service(set map[string]string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metaOf("frontend"), Spec: corev1.ServiceSpec{Selector: set, PublishNotReadyAddresses: true}}
}

func budget(s *metav1.LabelSelector) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{ObjectMeta: metaOf("budget"), Spec: policyv1.PodDisruptionBudgetSpec{Selector: s}}
}

func policy(set map[string]string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metaOf("policy"), Spec: networkingv1.NetworkPolicySpec{PodSelector: *selects(set), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}}}
}

// No pod of ours ever carries labels that somebody takes it for his own by, and
// it falls under the policies of those in whose place it stands.
func TestAPodStandsInPlaceOfOthersAndIsNobodys(t *testing.T) {
	app := map[string]string{"app": "frontend"}
	layer := map[string]string{"layer": "application"}
	standalone := &appsv1.ReplicaSet{ObjectMeta: metaOf("old"), Spec: appsv1.ReplicaSetSpec{Selector: selects(map[string]string{"team": "ci"})}}
	notOther := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"frontend"}}}}
	inwards := policy(map[string]string{"none": "such"})
	inwards.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: selects(app)}}}}
	for _, row := range []struct {
		name    string
		objects []runtime.Object
		dropped []string
		refused string
	}{
		{"by its name", []runtime.Object{service(app), budget(selects(app))}, []string{"app"}, ""},
		{"a policy by the layer", []runtime.Object{service(app), policy(layer)}, []string{"app"}, ""},
		{"a policy for all", []runtime.Object{service(app), policy(nil)}, []string{"app"}, ""},
		{"a policy by the name", []runtime.Object{service(app), policy(app)}, nil, "Deployment/frontend, Service/frontend"},
		{"a policy that lets it in by the name", []runtime.Object{inwards}, nil, "the labels by which a network policy selects them"},
		{"a Service by the layer", []runtime.Object{service(layer)}, []string{"app", "layer"}, ""},
		{"a Service by the layer, and a policy", []runtime.Object{service(layer), policy(layer)}, nil, "Service/frontend"},
		{"a Service without a selector", []runtime.Object{service(nil)}, []string{"app"}, ""},
		{"a budget for all", []runtime.Object{budget(selects(nil))}, nil, "PodDisruptionBudget/budget selects a pod of ours"},
		{"a budget for none", []runtime.Object{budget(nil)}, []string{"app"}, ""},
		{"a budget for all others", []runtime.Object{budget(notOther)}, nil, "PodDisruptionBudget/budget selects a pod of ours"},
		{"a ReplicaSet of its own", []runtime.Object{standalone}, []string{"app", "team"}, ""},
	} {
		c := newClient(Options{Namespace: "ci", Name: "ci-prod"}, fake.NewClientset(append(row.objects, frontend())...))
		got := c.Stands(t.Context())
		if !got.Is() || len(got.Value) != 1 {
			t.Errorf("%s: %+v", row.name, got)
			continue
		}
		s := got.Value[0]
		if !slices.Equal(s.Dropped, row.dropped) || (row.refused == "") != (s.Refused == "") || !strings.Contains(s.Refused, row.refused) {
			t.Errorf("%s: %+v", row.name, s)
		}
		g, err := c.grounds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Refused != "" {
			if s.Labels != nil {
				t.Errorf("%s: refused, with labels %v", row.name, s.Labels)
			}
			continue
		}
		for _, by := range g.takers {
			if by.selector.Matches(labels.Set(s.Labels)) {
				t.Errorf("%s: %s takes a pod with labels %v", row.name, by.name, s.Labels)
			}
		}
		if !slices.Equal(g.selecting(s.Labels), g.selecting(frontend().Spec.Template.Labels)) {
			t.Errorf("%s: other policies select it", row.name)
		}
	}
}

// Workloads that speak from the same place have one stand, others their own.
func TestEveryPlaceHasItsStand(t *testing.T) {
	other := func(name string, change func(*corev1.PodTemplateSpec)) *appsv1.Deployment {
		d := frontend()
		d.Name = name
		d.Spec.Selector = selects(map[string]string{"app": name})
		d.Spec.Template.Labels = map[string]string{"app": name, "layer": "application"}
		change(&d.Spec.Template)
		return d
	}
	c := newClient(Options{Namespace: "ci", Name: "ci-prod"}, fake.NewClientset(frontend(),
		other("api", func(*corev1.PodTemplateSpec) {}),
		other("vm", func(p *corev1.PodTemplateSpec) { p.Spec.ServiceAccountName = "vm" }),
		other("cut-off", func(*corev1.PodTemplateSpec) {}), policy(map[string]string{"app": "cut-off"})))
	var got []string
	for _, s := range c.Stands(t.Context()).Value {
		got = append(got, strings.Join(s.Workloads, "+"))
	}
	if diff := cmp.Diff([]string{"Deployment/api+Deployment/frontend", "Deployment/cut-off", "Deployment/vm"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestThePodHasTheWorkloadsPlaceAndAccount(t *testing.T) {
	c := newClient(Options{Namespace: "ci", Name: "ci-prod", Image: "circleci-dr:1"}, fake.NewClientset(frontend(), service(map[string]string{"app": "frontend"})))
	c.options.Defaults = nil
	stand := c.Stands(t.Context()).Value[0]
	job := server.MoverJob{Name: "reach", Request: mover.Request{Operation: mover.OpReach, Target: &mover.Endpoint{Host: "pg", Port: 5432}}, Stand: &stand}
	live, err := c.start(t.Context(), job, job.Request, nil, "digest")
	if err != nil {
		t.Fatal(err)
	}
	made := live.Spec.Template
	want := map[string]string{"layer": "application", "team": "ci", labelJob: "reach"}
	maps.Copy(want, c.ours())
	if diff := cmp.Diff(want, made.Labels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"mesh": "yes"}, made.Annotations); diff != "" {
		t.Error(diff)
	}
	like := frontend().Spec.Template.Spec
	got := corev1.PodSpec{ServiceAccountName: made.Spec.ServiceAccountName, NodeSelector: made.Spec.NodeSelector, Tolerations: made.Spec.Tolerations,
		ImagePullSecrets: made.Spec.ImagePullSecrets, HostAliases: made.Spec.HostAliases, Affinity: made.Spec.Affinity}
	like.Affinity = &corev1.Affinity{NodeAffinity: like.Affinity.NodeAffinity}
	if diff := cmp.Diff(like, got); diff != "" {
		t.Error(diff)
	}
	if *made.Spec.AutomountServiceAccountToken || live.Spec.TTLSecondsAfterFinished == nil || *live.Spec.TTLSecondsAfterFinished > 600 {
		t.Errorf("it has the account's token (%t) or stays for %v s", *made.Spec.AutomountServiceAccountToken, live.Spec.TTLSecondsAfterFinished)
	}
	job.Stand.Workload = "Deployment/gone"
	if _, err := c.start(t.Context(), job, job.Request, nil, "digest"); err == nil || !strings.Contains(err.Error(), "Deployment/gone is not there any more") {
		t.Errorf("a workload that is gone: %v", err)
	}
}

// policiesIn reads network policies from a file.
func policiesIn(t *testing.T, path string) []runtime.Object {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []runtime.Object
	for _, text := range strings.Split(string(data), "\n---\n") {
		p := &networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// Where everything is denied and the application is let out by its label, our
// own pods are cut off, and the labels of the spec let them out.
func TestADefaultDenyNamesWhomItCutsOff(t *testing.T) {
	stands := []server.Stand{{Workload: "Deployment/frontend", Workloads: []string{"Deployment/frontend"}}}
	host := []mover.Reached{{Host: "pg.example.com:5432"}}
	for _, own := range []map[string]string{nil, {"layer": "tools"}} {
		c := newClient(Options{Namespace: "ci", Name: "ci-prod", Mover: spec.Mover{Labels: own}}, fake.NewClientset(append(policiesIn(t, "testdata/default-deny.yaml"), frontend())...))
		got := c.Policies(t.Context(), stands, host)
		switch {
		case !got.Is():
			t.Errorf("%v: %s", own, got.Why)
		case own == nil && (len(got.Value) != 1 || got.Value[0].Subject != "" || got.Value[0].Why == "" || !slices.Equal(got.Value[0].Policies, []string{"deny"})):
			t.Errorf("without a label: %+v", got.Value)
		case own != nil && len(got.Value) != 0:
			t.Errorf("with the label: %+v", got.Value)
		}
	}
}

// What a look at the places read is not read again for each pod that stands in one,
// nor for what policies say.
func TestWhereAPodStandsIsReadOnce(t *testing.T) {
	other := frontend()
	other.Name, other.Spec.Template.Spec.ServiceAccountName = "other", "other"
	k := fake.NewClientset(frontend(), other, policy(map[string]string{"team": "ci"}))
	c := newClient(Options{Namespace: "ci", Name: "ci-prod", Image: "circleci-dr:1"}, k)
	stands := c.Stands(t.Context())
	if len(stands.Value) != 2 {
		t.Fatalf("stands are %+v", stands)
	}
	seen := map[string]int{}
	for _, a := range k.Actions() {
		seen[a.GetVerb()+" "+a.GetResource().Resource]++
	}
	for _, what := range []string{"deployments", "statefulsets", "cronjobs", "replicasets", "daemonsets", "services", "poddisruptionbudgets", "networkpolicies"} {
		if seen["list "+what] != 1 || len(seen) != 8 {
			t.Errorf("the look reads %v", seen)
			break
		}
	}
	k.ClearActions()
	for i, s := range stands.Value {
		job := server.MoverJob{Name: fmt.Sprint("reach-", i), Request: mover.Request{Operation: mover.OpReach}, Stand: &s}
		if _, err := c.start(t.Context(), job, job.Request, nil, "digest"); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Policies(t.Context(), stands.Value, []mover.Reached{{Host: "10.1.2.3:5432"}}); len(got.Value) != 2 {
		t.Errorf("verdicts are %+v", got)
	}
	for _, a := range k.Actions() {
		if a.GetVerb() == "list" && a.GetResource().Resource != "secrets" {
			t.Errorf("%s are read again", a.GetResource().Resource)
		}
	}
}
