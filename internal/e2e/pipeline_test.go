//go:build testbed

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podKubeconfig reaches the cluster from one of its pods.
const podKubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://kubernetes.default.svc", certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}}]
contexts: [{name: testbed, context: {cluster: c, user: u}}]
users: [{name: u, user: {tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}}]
`

// pipelineScript is a CI job: plan, then apply what was planned. When the pod
// comes back after the move there is nothing left for it.
const pipelineScript = `cd /pipeline
circleci-dr status | grep -q 'postgresql *internal' || exec sleep infinity
circleci-dr plan --out /tmp/plan.json && circleci-dr apply --plan /tmp/plan.json --accept ` + acceptAll + `
echo "the pipeline ended with $?"
exec sleep infinity`

// runPipeline starts a workload of the application that runs the product as a
// CI job would.
func (s *site) runPipeline() {
	s.t.Helper()
	ctx, create := s.t.Context(), metav1.CreateOptions{}
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	text := strings.Replace(s.read("circleci-dr.yaml"), "  release: circleci-server\n", "  release: circleci-server\n  chart: chart.tgz\n", 1)
	text += "mover: {image: \"" + s.image + "\"}\n"
	chart, err := loader.LoadDir(s.chart)
	must(err)
	path, err := chartutil.Save(chart, s.t.TempDir())
	must(err)
	archive, err := os.ReadFile(path)
	must(err)
	_, err = s.kube.CoreV1().Secrets(s.ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pipeline"}, Data: map[string][]byte{
		"circleci-dr.yaml": []byte(text), "ca.pem": []byte(s.read("ca.pem")), "kubeconfig": []byte(podKubeconfig), "chart.tgz": archive,
	}}, create)
	must(err)
	_, err = s.kube.CoreV1().ServiceAccounts(s.ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "pipeline"}}, create)
	must(err)
	bindings := s.kube.RbacV1().ClusterRoleBindings()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-pipeline"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "pipeline", Namespace: s.ns}},
	}
	remove := func() { _ = bindings.Delete(context.WithoutCancel(ctx), binding.Name, metav1.DeleteOptions{}) }
	remove() // of a test that was killed
	_, err = bindings.Create(ctx, binding, create)
	must(err)
	s.t.Cleanup(remove)
	_, err = s.kube.AppsV1().Deployments(s.ns).Create(ctx, s.pipeline(), create)
	must(err)
}

func (s *site) pipeline() *appsv1.Deployment {
	one, grace, user := int32(1), int64(1), int64(1001)
	labels := map[string]string{"app": "pipeline", "layer": "application"}
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "pipeline", Labels: labels}, Spec: appsv1.DeploymentSpec{
		Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "pipeline"}},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			ServiceAccountName: "pipeline", TerminationGracePeriodSeconds: &grace,
			SecurityContext: &corev1.PodSecurityContext{RunAsUser: &user, FSGroup: &user},
			Containers: []corev1.Container{{
				Name: "job", Image: "tb/postgresql:12", Command: []string{"bash", "-c", pipelineScript},
				Env:          []corev1.EnvVar{{Name: "CI", Value: "true"}, {Name: "KUBECONFIG", Value: "/pipeline/kubeconfig"}, {Name: "HOME", Value: "/tmp"}},
				VolumeMounts: []corev1.VolumeMount{{Name: "pipeline", MountPath: "/pipeline"}, {Name: "tool", MountPath: "/usr/bin/circleci-dr", ReadOnly: true}},
			}},
			Volumes: []corev1.Volume{
				{Name: "pipeline", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "pipeline"}}},
				{Name: "tool", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: tool}}},
			},
		}},
	}}
}

func (s *site) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}
