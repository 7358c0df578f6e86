package helm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

const (
	services    = "templates/services.yaml"
	container   = "templates/_helpers.tpl"
	more        = "templates/more.yaml"
	inPod       = "    metadata:\n" // of a pod template
	inSpec      = `include "circleci.pod.placement" $`
	inContainer = "  args: [serve, --role"
	inEnv       = "- name: POSTGRES_HOST" // its value is the next line
	pg          = ".Values.postgresql"
)

// databaseURL is a connection string as charts write it.
const databaseURL = `postgresql://{{ ternary "postgres" ` + pg + `.auth.username ` + pg + `.internal | urlquery }}@{{ ` + pg + `.postgresqlHost }}:{{ ` + pg + `.postgresqlPort }}/postgresql` +
	`?sslmode={{ ternary "require" "disable" ` + pg + `.secureMode }}`

// habit is a habit of charts, an object that has it, and what the preview of a
// move of PostgreSQL says of that object.
type habit struct {
	name              string
	edits             []edit
	object            string
	settings, renewed []string
}

// What any upgrade fills anew is no change of ours, and is told from what is.
func TestWhatIsNewWithEveryRenderIsNoChange(t *testing.T) {
	secret := func(data string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: more}\nstringData:\n" + data
	}
	const certificate = `{{- $ca := genCA "ca" 30 }}{{ $c := genSignedCert "x" nil nil 30 $ca }}
apiVersion: v1
kind: Secret
metadata: {name: more}
type: kubernetes.io/tls
data:
  tls.crt: {{ $c.Cert | b64enc }}
  tls.key: {{ $c.Key | b64enc }}
  ca.crt: {{ $ca.Cert | b64enc }}
`
	for _, h := range []habit{
		{"an annotation", []edit{{services, inPod, "      annotations:\n        rollme: {{ randAlphaNum 5 | quote }}\n"}},
			"Deployment/cron-service", nil, []string{"spec.template.metadata.annotations.rollme"}},
		{"the revision", []edit{{services, inPod, "      annotations:\n        revision: {{ $.Release.Revision | quote }}\n"}},
			"Deployment/cron-service", nil, []string{"spec.template.metadata.annotations.revision"}},
		{"a certificate", []edit{{more, "", certificate}}, "Secret/more", nil, []string{`data["ca.crt"]`, `data["tls.crt"]`, `data["tls.key"]`}},
		{"a certificate in a webhook", []edit{{more, "", `{{- $ca := genCA "ca" 30 }}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: more}
webhooks:
- name: a.example.com
  clientConfig: {url: "https://x", caBundle: {{ $ca.Cert | b64enc }}}
  sideEffects: None
  admissionReviewVersions: [v1]
`}}, "ValidatingWebhookConfiguration/more", nil, []string{"webhooks[a.example.com].clientConfig.caBundle"}},
		{"a password", []edit{{more, "", secret("  password: {{ randAlphaNum 16 }}\n  user: app\n")}}, "Secret/more", nil, []string{"data.password!"}},
		{"a key without a certificate", []edit{{more, "", secret("  jwt: {{ genPrivateKey \"ed25519\" | quote }}\n")}}, "Secret/more", nil, []string{"data.jwt!"}},
		{"a digest of a random Secret", []edit{
			{more, "", secret("  password: {{ randAlphaNum 16 }}\n")},
			{services, inPod, "      annotations:\n        checksum/more: {{ include (print $.Template.BasePath \"/more.yaml\") $ | sha256sum }}\n"},
		}, "Deployment/cron-service", nil, []string{"spec.template.metadata.annotations.checksum/more"}},
		{"a password in a file beside the host", []edit{{more, "", secret("  app.ini: |\n    host = {{ " + pg + ".postgresqlHost }}\n    cookie = {{ randAlphaNum 16 }}\n")}},
			"Secret/more", nil, []string{`data["app.ini"]!*`}},
		{"an annotation, in a chart that refuses an upgrade with what is inside", []edit{
			{services, inPod, "      annotations:\n        rollme: {{ randAlphaNum 5 | quote }}\n"},
			{more, "", "{{ if and .Release.IsUpgrade .Values.postgresql.internal }}{{ fail \"give the password\" }}{{ end }}"},
		}, "Deployment/cron-service", nil, []string{"spec.template.metadata.annotations.rollme"}},
		{"an object with another name", []edit{{more, "", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate-{{ randAlphaNum 5 | lower }}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}\n"}}, "", nil, nil},
		{"an object named after the revision", []edit{{more, "", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate-{{ .Release.Revision }}}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}\n"}}, "", nil, nil},
	} {
		t.Run(h.name, func(t *testing.T) {
			got := installed(t, edited(t, h.edits...)).foresee(t, outwards(t, mover.PostgreSQL), nil)
			if diff := cmp.Diff([]string(nil), others(got)); diff != "" {
				t.Errorf("more than the database: %s", diff)
			}
			if _, renewed := at(got, h.object); !cmp.Equal(h.renewed, renewed) {
				t.Errorf("filled anew: %s", cmp.Diff(h.renewed, renewed))
			}
		})
	}
}

// The time is new with every render, also where it is written by the day.
func TestTheTimeIsNoChange(t *testing.T) {
	stamp := func(text string) string {
		return edited(t, edit{services, inPod, "      annotations:\n        day: \"" + text + "\"\n        moved: {{ if $.Values.postgresql.internal }}never{{ else }}{{ now | date \"2006-01-02\" }}{{ end }}\n        note: {{ \"now\" | quote }}\n"})
	}
	b := installedFrom(t, stamp("2025-11-29"), stamp(`{{ now | date "2006-01-02" }}`), nil)
	got := b.foresee(t, outwards(t, mover.PostgreSQL), nil)
	if diff := cmp.Diff([]string(nil), others(got)); diff != "" {
		t.Errorf("more than the database: %s", diff)
	}
	if _, renewed := at(got, "Deployment/cron-service"); !cmp.Equal(renewed, []string{"spec.template.metadata.annotations.day", "spec.template.metadata.annotations.moved"}) {
		t.Errorf("filled anew: %q", renewed)
	}
}

func TestReplaceNowKnowsTemplates(t *testing.T) {
	for text, want := range map[string]string{
		`now {{ now }} now`:                         `now {{ ` + anotherTime + ` }} now`,
		`{{- date "2006" now -}}`:                   `{{- date "2006" ` + anotherTime + ` -}}`,
		`{{ now|unixEpoch }}{{ (now) }}`:            `{{ ` + anotherTime + `|unixEpoch }}{{ (` + anotherTime + `) }}`,
		`{{ .now }}{{ $now }}{{ nowhere }}`:         `{{ .now }}{{ $now }}{{ nowhere }}`,
		"{{ \"it's \\\" now\" }}{{ `now` }}":        "{{ \"it's \\\" now\" }}{{ `now` }}",
		`{{/* now }} */}}{{ $x := now }}{{ now`:     `{{/* now }} */}}{{ $x := ` + anotherTime + ` }}{{ ` + anotherTime,
		`{{ "open`:                                  `{{ "open`,
		`{{ if lt (now | unixEpoch) "1" }}x{{end}}`: `{{ if lt (` + anotherTime + ` | unixEpoch) "1" }}x{{end}}`,
	} {
		if got := replaceNow(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

// A value that was the old address and becomes the new one is a setting,
// wherever it stands.
func TestASettingIsOneWhereverItStands(t *testing.T) {
	const pod = "spec.template.spec."
	const host, port = "{{ $.Values.postgresql.postgresqlHost }}", "{{ $.Values.postgresql.postgresqlPort }}"
	configMap := func(data string) edit {
		return edit{more, "", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata:\n" + data}
	}
	for _, h := range []habit{
		{"an init container's args", []edit{{services, inSpec, "      initContainers:\n      - {name: wait, image: x, args: [hook, --version, \"" + host + ":" + port + "\"]}\n"}},
			"Deployment/cron-service", []string{pod + "initContainers[wait].args[2]*"}, nil},
		{"a shell command", []edit{{services, inSpec, "      initContainers:\n      - {name: wait, image: x, command: [sh, -c, \"until nc -z " + host + " " + port + "; do echo waiting for postgresql; sleep 1; done\"]}\n"}},
			"Deployment/cron-service", []string{pod + "initContainers[wait].command[2]*"}, nil},
		{"a long name of the Service", []edit{{services, inSpec, "      initContainers:\n      - {name: wait, image: x, args: [\"{{ ternary (printf \"%s.%s.svc.cluster.local\" $.Values.postgresql.postgresqlHost $.Release.Namespace) $.Values.postgresql.postgresqlHost $.Values.postgresql.internal }}\"]}\n"}},
			"Deployment/cron-service", []string{pod + "initContainers[wait].args[0]*"}, nil},
		{"the password as a volume", []edit{{services, "      volumes:\n", "      - name: database\n        secret:\n          secretName: {{ $.Values.postgresql.auth.existingSecret | default \"postgresql\" }}\n          items: [{key: {{ ternary \"postgres-password\" \"password\" $.Values.postgresql.internal }}, path: secret/password}]\n"}},
			"Deployment/frontend", []string{pod + "volumes[database].secret.items[password].key", pod + "volumes[database].secret.items[password].path",
				pod + "volumes[database].secret.items[postgres-password].key", pod + "volumes[database].secret.items[postgres-password].path", pod + "volumes[database].secret.secretName"}, nil},
		{"the password in a projected volume", []edit{{services, "      volumes:\n", "      - name: database\n        projected: {sources: [{secret: {name: {{ $.Values.postgresql.auth.existingSecret | default \"postgresql\" }}}}]}\n"}},
			"Deployment/frontend", []string{pod + "volumes[database].projected.sources[0].secret.name"}, nil},
		{"envFrom a Secret", []edit{{container, inContainer, "  envFrom: [{secretRef: {name: {{ .root.Values.postgresql.auth.existingSecret | default \"postgresql\" }}}}]\n"}},
			"Deployment/cron-service", []string{pod + "containers[cron-service].envFrom[0].secretRef.name"}, nil},
		{"a ConfigMap for envFrom", []edit{configMap("  DATABASE_SERVER: {{ " + pg + ".postgresqlHost }}\n"), {container, inContainer, "  envFrom: [{configMapRef: {name: more}}]\n"}},
			"ConfigMap/more", []string{"data.DATABASE_SERVER*"}, nil},
		{"a file in a ConfigMap", []edit{configMap("  database.yml: |\n    # the database (postgresql)\n    url: " + databaseURL + "\n    pool: 5\n")},
			"ConfigMap/more", []string{`data["database.yml"]*`}, nil},
		{"an address in a Secret", []edit{{more, "", "apiVersion: v1\nkind: Secret\nmetadata: {name: more}\nstringData:\n  url: " + databaseURL + "\n  user: app\n"}},
			"Secret/more", []string{"data.url*"}, nil},
		{"an annotation and a digest", []edit{configMap("  host: {{ " + pg + ".postgresqlHost }}\n"),
			{services, inPod, "      annotations:\n        database: \"" + host + ":" + port + "\"\n        checksum/more: {{ include (print $.Template.BasePath \"/more.yaml\") $ | sha256sum }}\n"}},
			"Deployment/cron-service", []string{"spec.template.metadata.annotations.checksum/more", "spec.template.metadata.annotations.database*"}, nil},
		{"a port in a NetworkPolicy", []edit{{more, "", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: more}\nspec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: {{ " + pg + ".postgresqlPort }}, protocol: TCP}]}]}\n"}},
			"NetworkPolicy/more", []string{"spec.egress[0].ports[15432].port", "spec.egress[0].ports[15432].protocol", "spec.egress[0].ports[5432].port", "spec.egress[0].ports[5432].protocol"}, nil},
		{"a variable that comes with the external server", []edit{{container, inContainer, ""}, {container, `{{- $pg := .Values.postgresql -}}`, "{{- if not $pg.internal }}\n- {name: PGSSLMODE, value: require}\n{{- end }}\n"}},
			"Deployment/cron-service", []string{pod + "containers[cron-service].env[PGSSLMODE].name", pod + "containers[cron-service].env[PGSSLMODE].value"}, nil},
		{"a second variable that is no database's", []edit{{container, `{{- $pg := .Values.postgresql -}}`, "- {name: DB_METRICS_HOST, value: statsd.monitoring}\n- {name: PG_READONLY_HOST, value: reporting.example.com}\n"}},
			"Deployment/cron-service", nil, nil},
	} {
		t.Run(h.name, func(t *testing.T) {
			got := installed(t, edited(t, h.edits...)).foresee(t, outwards(t, mover.PostgreSQL), nil)
			if diff := cmp.Diff([]string(nil), others(got)); diff != "" {
				t.Errorf("more than the database: %s", diff)
			}
			var settings []string
			all, _ := at(got, h.object)
			for _, field := range all {
				if !strings.Contains(field, ".env[POSTGRES_") {
					settings = append(settings, field)
				}
			}
			if diff := cmp.Diff(h.settings, settings); diff != "" {
				t.Errorf("settings: %s", diff)
			}
		})
	}
}

// Out and back, one datastore and both: in each way the chart's own variables
// and a text with both addresses are settings of what moves.
func TestSettingsInEveryDirection(t *testing.T) {
	const variable = "spec.template.spec.containers[cron-service].env[BOTH].value"
	dir := edited(t, edit{container, `{{- $pg := .Values.postgresql -}}`, "- name: BOTH\n  value: \"{{ .Values.mongodb.hosts }} {{ $pg.postgresqlHost }}:{{ $pg.postgresqlPort }} mongodb://{{ .Values.mongodb.auth.username }}@{{ .Values.mongodb.hosts }}/x?ssl={{ .Values.mongodb.ssl }}{{ with .Values.mongodb.options }}&{{ . }}{{ end }}\"\n"})
	postgres, mongo := []mover.Engine{mover.PostgreSQL}, []mover.Engine{mover.MongoDB}
	both := []mover.Engine{mover.PostgreSQL, mover.MongoDB}
	nothing := map[string]any{"username": nil, "existingSecret": nil}
	back := map[mover.Engine]map[string]any{
		mover.PostgreSQL: {"internal": true, "postgresqlHost": nil, "postgresqlPort": nil, "secureMode": nil, "auth": nothing},
		mover.MongoDB: {"internal": true, "hosts": nil, "ssl": nil, "tlsInsecure": nil, "options": nil,
			"auth": map[string]any{"username": nil, "existingSecret": nil, "database": nil, "mechanism": nil}},
	}
	for _, moving := range [][]mover.Engine{postgres, mongo, both} {
		out := outwards(t, moving...)
		in := server.ReleaseChange{Set: map[string]any{}, HoldAtZero: true, Description: "circleci-dr switch"}
		for _, e := range moving {
			in.Set[string(e)] = back[e]
		}
		for way, got := range map[string][]server.ObjectPreview{
			"out":  installedFrom(t, dir, dir, nil).foresee(t, out, nil),
			"back": installedFrom(t, dir, dir, out.Set).foresee(t, in, nil),
		} {
			if diff := cmp.Diff([]string(nil), others(got)); diff != "" {
				t.Errorf("%v %s: more than the database: %s", moving, way, diff)
			}
			for _, o := range got {
				for _, c := range o.Rendered {
					if c.Field == variable && !cmp.Equal(c.Address, moving) {
						t.Errorf("%v %s: the address of %v changes in %q → %q", moving, way, c.Address, c.From, c.To)
					}
				}
			}
			if settings, _ := at(got, "Deployment/cron-service"); len(settings) < 5 {
				t.Errorf("%v %s: only %q", moving, way, settings)
			}
		}
	}
}

// What is no database setting is named with its object and field, also beside
// one that is.
func TestAnUpgradeThatDoesMoreIsNamed(t *testing.T) {
	const inside = "$.Values.postgresql.internal"
	variable := func(text string) []edit {
		return []edit{{container, `{{- $pg := .Values.postgresql -}}`, "- {name: MORE, value: " + text + "}\n"}}
	}
	const more, env = "spec.template.spec.initContainers[wait].", "spec.template.spec.containers[frontend].env[MORE].value: "
	for _, row := range []struct {
		name  string
		edits []edit
		live  func(map[string]any)
		want  string
	}{
		{"another image beside the host", []edit{{services, inSpec, "      initContainers:\n      - {name: wait, image: \"x:{{ ternary 1 2 " + inside + " }}\", args: [\"{{ $.Values.postgresql.postgresqlHost }}\"]}\n"}}, nil,
			more + "image: x:1 → x:2"},
		{"another image that has the host's name", []edit{{services, inSpec, "      initContainers:\n      - {name: wait, image: \"{{ ternary \"postgresql:12\" \"postgresql:14\" " + inside + " }}\"}\n"}}, nil,
			more + "image: postgresql:12 → postgresql:14"},
		{"an annotation that had the host", []edit{{services, inPod, "      annotations:\n        note: \"{{ ternary \"postgresql inside\" \"somewhere else\" " + inside + " }}\"\n"}}, nil,
			"spec.template.metadata.annotations.note: postgresql inside → somewhere else"},
		{"the host and a word more", []edit{{services, inPod, "      annotations:\n        note: \"{{ $.Values.postgresql.postgresqlHost }}{{ ternary \"\" \" (moved)\" " + inside + " }}\"\n"}}, nil,
			"spec.template.metadata.annotations.note: postgresql → pg.example.com (moved)"},
		{"the host of another datastore", variable(`"{{ ternary "mongodb:27017" "m0.example.com:27018" ` + inside + ` }}"`), nil, env + "mongodb:27017 → m0.example.com:27018"},
		{"a name that only begins with the host", variable(`"{{ $.Values.postgresql.postgresqlHost }}-headless"`), nil, env + "postgresql-headless → pg.example.com-headless"},
		{"another value", variable(`"{{ ternary "info" "debug" ` + inside + ` }}"`), nil, env + "info → debug"},
		{"a limit", variable(`"{{ ternary "5" "15432" ` + inside + ` }}"`), nil, env + "5 → 15432"},
		{"a switch of the pod", []edit{{services, inSpec, "      hostNetwork: {{ not " + inside + " }}\n"}}, nil, "spec.template.spec.hostNetwork: false → true"},
		{"somebody's change of the host", nil, func(object map[string]any) {
			if name := server.ValueAt(object, "metadata", "name"); name == "frontend" && object["kind"] == "Deployment" {
				first := server.ValueAt(object, "spec", "template", "spec", "containers").([]any)[0].(map[string]any)
				first["env"].([]any)[0].(map[string]any)["value"] = "by-hand"
			}
		}, "spec.template.spec.containers[frontend].env[POSTGRES_HOST].value: by-hand → pg.example.com"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := others(installed(t, edited(t, row.edits...)).foresee(t, outwards(t, mover.PostgreSQL), row.live))
			var frontend []string
			for _, line := range got {
				if text, ok := strings.CutPrefix(line, "Deployment/frontend "); ok {
					frontend = append(frontend, text)
				}
			}
			if diff := cmp.Diff([]string{row.want}, frontend); diff != "" {
				t.Error(diff)
			}
		})
	}
}
