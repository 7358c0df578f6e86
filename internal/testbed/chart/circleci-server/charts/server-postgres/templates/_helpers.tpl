{{/* The rule of Bitnami's charts, which the vendor's are made from; .Chart.Name is the alias. */}}
{{- define "server-postgres.name" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "server-postgres.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
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
