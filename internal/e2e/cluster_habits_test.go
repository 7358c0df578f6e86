//go:build testbed

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/internal/pkitest"
)

// ownJobs lets an admission rule see the pods of our Jobs and no others, as if
// the application had rules of its own.
const ownJobs = `has(object.metadata.labels) && "circleci-dr/job" in object.metadata.labels`

// nodeAddress is where the API server reaches a webhook of a test.
const nodeAddress = "198.18.0.1"

// rules are what clusters refuse pods for: users outside the namespace's range,
// as OpenShift does, and a missing label.
var rules = []admissionregistrationv1.Validation{
	{Expression: `!has(object.spec.securityContext.runAsUser) || object.spec.securityContext.runAsUser >= 1000000000`,
		Message: "unable to validate against any security context constraint: runAsUser: must be in the ranges: [1000680000, 1000689999]"},
	{Expression: `"team" in object.metadata.labels`, Message: "every pod needs a label team"},
}

// admit makes the rules hold in the site's namespace.
func (s *site) admit() {
	s.t.Helper()
	api, name := s.kube.AdmissionregistrationV1(), s.ns+"-rules"
	fail := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
		FailurePolicy:    &fail,
		MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: createdPods()}}},
		MatchConditions:  []admissionregistrationv1.MatchCondition{{Name: "own", Expression: ownJobs}},
		Validations:      rules,
	}}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		MatchResources: &admissionregistrationv1.MatchResources{NamespaceSelector: s.own()},
	}}
	drop := func() {
		_ = api.ValidatingAdmissionPolicyBindings().Delete(context.Background(), name, metav1.DeleteOptions{})
		_ = api.ValidatingAdmissionPolicies().Delete(context.Background(), name, metav1.DeleteOptions{})
	}
	drop() // of a test that was killed
	s.t.Cleanup(drop)
	if _, err := api.ValidatingAdmissionPolicies().Create(s.t.Context(), policy, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := api.ValidatingAdmissionPolicyBindings().Create(s.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the API server has read the rules", func() bool { return s.trialPod(nil) != nil })
}

// trialPod asks what the API server says to a pod of ours, without making it: it
// reads new rules in its own time.
func (s *site) trialPod(labels map[string]string) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "trial", Labels: map[string]string{"circleci-dr/job": "trial"}},
		Spec: corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{}, Containers: []corev1.Container{{Name: "trial", Image: "tb/pause:1"}}}}
	maps.Copy(pod.Labels, labels)
	_, err := s.kube.CoreV1().Pods(s.ns).Create(s.t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// own selects the site's namespace.
func (s *site) own() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.ns}}
}

func createdPods() admissionregistrationv1.RuleWithOperations {
	return admissionregistrationv1.RuleWithOperations{Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule: admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}}}
}

// mesh puts a container that never ends beside every pod of our Jobs, as the
// injector of a service mesh does; added counts them.
func (s *site) mesh() (added *atomic.Int64) {
	s.t.Helper()
	added = new(atomic.Int64)
	authority, err := pkitest.NewAuthority("mesh")
	if err != nil {
		s.t.Fatal(err)
	}
	pair, err := authority.Issue(x509.Certificate{IPAddresses: []net.IP{net.ParseIP(nodeAddress)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		s.t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", nodeAddress+":0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: injector(added), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener) // until the test closes it
	url, fail, none, v := "https://"+listener.Addr().String()+"/", admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, int32(5)
	hooks, name := s.kube.AdmissionregistrationV1().MutatingWebhookConfigurations(), s.ns+"-mesh"
	drop := func() { _ = hooks.Delete(context.Background(), name, metav1.DeleteOptions{}) }
	drop()
	s.t.Cleanup(func() { drop(); _ = server.Close() })
	_, err = hooks.Create(s.t.Context(), &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "inject.mesh.example.com", ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: authority.PEM},
			Rules: []admissionregistrationv1.RuleWithOperations{createdPods()}, NamespaceSelector: s.own(), FailurePolicy: &fail,
			MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "own", Expression: ownJobs}},
			SideEffects:     &none, TimeoutSeconds: &v, AdmissionReviewVersions: []string{"v1"},
		}}}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the API server asks the mesh", func() bool { return s.trialPod(map[string]string{"team": "platform"}) == nil && added.Load() > 0 })
	added.Store(0)
	return added
}

// injector answers the API server's question about a pod.
func injector(added *atomic.Int64) http.HandlerFunc {
	patch, err := json.Marshal([]map[string]any{{"op": "add", "path": "/spec/containers/-", "value": corev1.Container{
		Name: "proxy", Image: "tb/pause:1", ImagePullPolicy: corev1.PullNever}}})
	if err != nil {
		panic(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
		if err == nil {
			err = json.Unmarshal(body, &review)
		}
		if err != nil || review.Request == nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		kind := admissionv1.PatchTypeJSONPatch
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, Patch: patch, PatchType: &kind}
		review.Request = nil
		added.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}
}

// otherWriters make a CronJob of every minute and a DaemonSet of the
// application.
func (s *site) otherWriters() {
	s.t.Helper()
	labels := map[string]string{"layer": "application", "app": "trial-agent"}
	_, err := s.kube.BatchV1().CronJobs(s.ns).Create(s.t.Context(), &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: "trial-report", Labels: labels}, Spec: batchv1.CronJobSpec{Schedule: "* * * * *",
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{
					{Name: "report", Image: "tb/fixture:1", ImagePullPolicy: corev1.PullNever, Args: []string{"hook", "--version", "report"}}}}}}}}}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.kube.AppsV1().DaemonSets(s.ns).Create(s.t.Context(), &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "trial-agent", Labels: labels}, Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{
				{Name: "agent", Image: "tb/pause:1", ImagePullPolicy: corev1.PullNever}}}}}}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the DaemonSet has its pod", func() bool {
		d, err := s.kube.AppsV1().DaemonSets(s.ns).Get(s.t.Context(), "trial-agent", metav1.GetOptions{})
		return err == nil && d.Status.NumberReady == 1
	})
}

// suspended is whether the CronJob is.
func (s *site) suspended() bool {
	s.t.Helper()
	job, err := s.kube.BatchV1().CronJobs(s.ns).Get(s.t.Context(), "trial-report", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return job.Spec.Suspend != nil && *job.Spec.Suspend
}

// moverUnder is what the spec says of the pods in such a cluster.
const moverUnder = "mover:\n  securityContext: {}\n  labels: {team: platform}\n"

// refusedByAdmission demands that a plan says what the cluster refuses our
// pods for, each in its turn.
func (s *site) refusedByAdmission() {
	s.t.Helper()
	s.contains("plan", unwrapped(s.want(7, "plan")), "runAsUser: must be in the ranges", "set mover.securityContext")
	s.write("circleci-dr.yaml", s.specOf("external")+"mover: {securityContext: {}}\n")
	s.contains("plan", unwrapped(s.want(7, "plan")), "every pod needs a label team", "set mover.labels")
	s.write("circleci-dr.yaml", s.specOf("external")+moverUnder)
}

// unwrapped is what a plan says, on one line.
func unwrapped(o outcome) string { return strings.Join(strings.Fields(o.out), " ") }

// onAClusterWithHabits is what the plan of a move finds where admission refuses
// fixed users and asks for a label, where a mesh puts a container that never
// ends beside every pod, and where not only Deployments write.
func (s *site) onAClusterWithHabits() {
	s.t.Helper()
	s.admit()
	s.refusedByAdmission()
	added := s.mesh()
	s.otherWriters()
	s.contains("plan", unwrapped(s.want(0, "plan", "--details")), "CronJob/trial-report", "DaemonSet/trial-agent (1 pod)")
	if added.Load() == 0 {
		s.t.Error("the mesh saw no pod")
	}
}

// watchCronJob tells whether the CronJob was ever seen suspended.
func (s *site) watchCronJob() (stop func() bool) {
	ctx, cancel := context.WithCancel(s.t.Context())
	seen := make(chan bool, 1)
	go func() {
		was := false
		defer func() { seen <- was }()
		for ctx.Err() == nil && !was {
			job, err := s.kube.BatchV1().CronJobs(s.ns).Get(ctx, "trial-report", metav1.GetOptions{})
			was = err == nil && job.Spec.Suspend != nil && *job.Spec.Suspend
			time.Sleep(200 * time.Millisecond)
		}
	}()
	return func() bool { cancel(); return <-seen }
}
