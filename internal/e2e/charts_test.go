//go:build testbed

package e2e

import (
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A habit is something that a chart does and the fixture does not: in the file,
// the text is put behind every line that has the mark; without a mark at its end.
type habit struct{ file, mark, text string }

// ordinary are habits of ordinary charts.
var ordinary = []habit{
	// Every render restarts the pods.
	{"templates/services.yaml", "    metadata:\n", "      annotations:\n        rollme: {{ randAlphaNum 5 | quote }}\n        day: {{ now | date \"2006-01-02 15:04:05\" | quote }}\n        revision: {{ $.Release.Revision | quote }}\n"},
	// An init container waits for the database; the fixture's prints its argument.
	{"templates/services.yaml", `include "circleci.pod.placement" $`, "      initContainers:\n" +
		"      - name: wait-for-database\n        image: {{ include \"circleci.image\" $ }}\n        imagePullPolicy: {{ $.Values.image.pullPolicy }}\n" +
		"        args: [hook, --version, \"{{ $.Values.postgresql.postgresqlHost }}:{{ $.Values.postgresql.postgresqlPort }}\"]\n" +
		"        envFrom: [{configMapRef: {name: database}}, {secretRef: {name: database}}]\n"},
	// The frontend has the password as a file.
	{"templates/services.yaml", "      volumes:\n", "      - name: database\n        secret:\n" +
		"          secretName: {{ $.Values.postgresql.auth.existingSecret | default \"postgresql\" }}\n" +
		"          items: [{key: {{ ternary \"postgres-password\" \"password\" $.Values.postgresql.internal }}, path: password}]\n"},
	// Variables that look like a database's host.
	{"templates/_helpers.tpl", `{{- $pg := .Values.postgresql -}}`, "- {name: DB_METRICS_HOST, value: statsd.monitoring}\n- {name: PG_READONLY_HOST, value: reporting.example.com}\n"},
	// A hook asks the application, which is at zero then, and gives up.
	{"templates/hook.yaml", "", "\n---\n" + `apiVersion: batch/v1
kind: Job
metadata:
  name: after-upgrade
  namespace: {{ .Release.Namespace }}
  annotations: {helm.sh/hook: post-upgrade, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  template:
    metadata: {labels: {app: after-upgrade}}
    spec:
      restartPolicy: Never
      containers:
      - {name: ask, image: {{ include "circleci.image" $ }}, imagePullPolicy: {{ $.Values.image.pullPolicy }}, args: [hook, --version, "http://frontend:8080/"]}
`},
	// Certificate, password, and the host in a file and in a Secret.
	{"templates/base.yaml", "", `
---
{{- $made := genSelfSignedCert "web.example.com" nil nil 30 }}
apiVersion: v1
kind: Secret
metadata: {name: web-tls, namespace: {{ .Release.Namespace }}}
type: kubernetes.io/tls
data: {tls.crt: {{ $made.Cert | b64enc }}, tls.key: {{ $made.Key | b64enc }}}
---
apiVersion: v1
kind: Secret
metadata: {name: made-up, namespace: {{ .Release.Namespace }}}
stringData: {password: {{ randAlphaNum 16 }}}
---
apiVersion: v1
kind: Secret
metadata: {name: database, namespace: {{ .Release.Namespace }}}
stringData: {SERVER_ADDRESS: "postgresql://{{ .Values.postgresql.postgresqlHost }}:{{ .Values.postgresql.postgresqlPort }}/postgresql"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: database, namespace: {{ .Release.Namespace }}}
data:
  SERVER: {{ .Values.postgresql.postgresqlHost }}
  database.yml: |
    host: {{ .Values.postgresql.postgresqlHost }}
    port: {{ .Values.postgresql.postgresqlPort }}
`},
}

// withHabits gives the site's release, and every later run of the product, the
// chart with these habits.
func (s *site) withHabits(habits ...habit) {
	s.t.Helper()
	chart, err := loader.Load(s.chart)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range habits {
		found := false
		for _, file := range chart.Templates {
			if file.Name != h.file {
				continue
			}
			var out strings.Builder
			for line := range strings.Lines(string(file.Data)) {
				out.WriteString(line)
				if h.mark != "" && strings.Contains(line, h.mark) {
					found = true
					out.WriteString(h.text)
				}
			}
			if h.mark == "" {
				found = true
				out.WriteString(h.text)
			}
			file.Data = []byte(out.String())
		}
		if !found {
			s.t.Fatalf("%s has no line with %q", h.file, h.mark)
		}
	}
	if s.chart, err = chartutil.Save(chart, s.dir); err != nil {
		s.t.Fatal(err)
	}
	helmUpgrade(s.t, s, map[string]any{})
	s.rolledOut()
}

// rolledOut waits until every pod of the application is of its newest template:
// such a chart starts all of them again with each upgrade.
func (s *site) rolledOut() {
	s.t.Helper()
	eventually(s.t, "the application has rolled out", func() bool {
		deployments, err := s.kube.AppsV1().Deployments(s.ns).List(s.t.Context(), metav1.ListOptions{LabelSelector: "layer=application"})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, d := range deployments.Items {
			if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < d.Status.Replicas || d.Status.ReadyReplicas < *d.Spec.Replicas {
				return false
			}
		}
		return true
	})
}

// TestAChartWithOrdinaryHabitsMoves moves what a chart with all of them at once
// has installed, on a cluster that has habits of its own: nothing is in the way, what is made up anew is named, and
// afterwards every place names the target.
func TestAChartWithOrdinaryHabitsMoves(t *testing.T) {
	s := newSite(t, "e2e-charts", "10MB")
	s.withHabits(ordinary...)
	before := s.replicas()
	s.onAClusterWithHabits()
	s.plan()
	o := s.want(0, "plan", "--output", "json")
	s.contains("the plan", o.out, "Job/after-upgrade (post-upgrade)", "hook-calls-application", "gets new content with any upgrade", "Secret/made-up new random content (data.password)")
	stop := s.watchCronJob()
	o = s.apply()
	if !stop() {
		t.Error("the CronJob of the application was not suspended")
	}
	if o.code != 0 {
		t.Fatalf("apply: %s", o)
	}
	if s.suspended() {
		t.Error("the CronJob of the application is still suspended")
	}
	s.rolledOut() // the settled revision has another annotation again
	s.settledOn(s.out.host(), before)
	secret, err := s.kube.CoreV1().Secrets(s.ns).Get(t.Context(), "database", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(secret.Data["SERVER_ADDRESS"]); got != "postgresql://"+s.out.address()+"/postgresql" {
		t.Errorf("the Secret says %s", got)
	}
	frontend, err := s.kube.AppsV1().Deployments(s.ns).Get(t.Context(), "frontend", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := frontend.Spec.Template.Spec.InitContainers[0].Args[2]; got != s.out.address() {
		t.Errorf("the init container is told %s", got)
	}
}
