{{- define "server-postgres.name" -}}
{{ .Values.fullnameOverride | default "postgresql" }}
{{- end }}

{{- define "server-postgres.selector" -}}
app.kubernetes.io/name: postgresql
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: primary
{{- end }}

{{- define "server-postgres.labels" -}}
{{ include "server-postgres.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.primary.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "server-postgres.image" -}}
{{- $c := .Values.global.container -}}
{{ with $c.registry }}{{ . }}/{{ end }}{{ with $c.org }}{{ . }}/{{ end }}{{ .Values.image.name }}:{{ .Values.image.tag }}
{{- end }}
