{{- define "circleci.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "circleci.image" -}}
{{- $c := .Values.global.container -}}
{{ with $c.registry }}{{ . }}/{{ end }}{{ with $c.org }}{{ . }}/{{ end }}{{ .Values.image.name }}:{{ .Values.image.tag }}
{{- end }}

{{/* What a datastore is called; the subcharts have the same rule and are not there when the data is outside. */}}
{{- define "circleci.store.name" -}}
{{- $v := index .root.Values .store -}}
{{- $name := $v.nameOverride | default .store -}}
{{- $full := ternary .root.Release.Name (printf "%s-%s" .root.Release.Name $name) (contains $name .root.Release.Name) -}}
{{ $v.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The rule of the values table: postgres-password when internal, password when external. */}}
{{- define "circleci.postgres.env" -}}
{{- $pg := .Values.postgresql -}}
- name: POSTGRES_HOST
  value: {{ $pg.postgresqlHost | quote }}
- name: POSTGRES_PORT
  value: {{ $pg.postgresqlPort | quote }}
- name: POSTGRES_USERNAME
  value: {{ ternary "postgres" ($pg.auth.username | default "postgres") $pg.internal | quote }}
- name: POSTGRES_SSLMODE
  value: {{ ternary "require" "disable" $pg.secureMode }}
- name: POSTGRES_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $pg.auth.existingSecret | default (include "circleci.store.name" (dict "root" . "store" "postgresql")) }}
      key: {{ ternary "postgres-password" "password" $pg.internal }}
{{- end }}

{{/* Internal or external, the application logs in with the key of the root password. */}}
{{- define "circleci.mongodb.env" -}}
{{- $m := .Values.mongodb -}}
- name: MONGO_HOSTS
  value: {{ $m.hosts | quote }}
- name: MONGO_SSL
  value: {{ $m.ssl | quote }}
- name: MONGO_TLS_INSECURE
  value: {{ $m.tlsInsecure | quote }}
- name: MONGO_OPTIONS
  value: {{ $m.options | quote }}
- name: MONGO_AUTH_SOURCE
  value: {{ $m.auth.database | quote }}
- name: MONGO_AUTH_MECHANISM
  value: {{ $m.auth.mechanism | quote }}
- name: MONGO_USERNAME
  value: {{ $m.auth.username | quote }}
- name: MONGO_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $m.auth.existingSecret | default (include "circleci.store.name" (dict "root" . "store" "mongodb")) }}
      key: mongodb-root-password
- name: MONGO_DATABASE
  value: circle_ghe
{{- with .Values.tls.certificates }}
- name: TLS_CERTIFICATES
  value: /certificates/ca.pem
{{- end }}
{{- end }}

{{- define "circleci.pod.placement" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.global.nodeSelector }}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.global.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/* One container for every role: the fixture binary told which part to play. */}}
{{- define "circleci.container" -}}
- name: {{ .name }}
  image: {{ include "circleci.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [serve, --role, {{ .name }}]
  env:
  {{- include "circleci.postgres.env" .root | nindent 2 }}
  - name: POSTGRES_DATABASE
    value: {{ .service.database | quote }}
  {{- include "circleci.mongodb.env" .root | nindent 2 }}
  {{- if eq .name "frontend" }}
  - name: WRITE_INTERVAL
    value: {{ .root.Values.frontend.writeInterval | quote }}
  - name: LEDGER
    value: /ledger/confirmed
  - name: LEDGER_MONGODB
    value: /ledger/confirmed-mongodb
  {{- end }}
  ports:
  - {name: http, containerPort: 8080}
  livenessProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 10
    failureThreshold: 6
  readinessProbe:
    httpGet: {path: /readyz, port: http}
    periodSeconds: 1
    failureThreshold: 3
  resources:
    requests: {cpu: 1m, memory: 16Mi}
  securityContext:
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL]}
  {{- if or (eq .name "frontend") .root.Values.tls.certificates }}
  volumeMounts:
  {{- if eq .name "frontend" }}
  - {name: ledger, mountPath: /ledger}
  {{- end }}
  {{- if .root.Values.tls.certificates }}
  - {name: certificates, mountPath: /certificates, readOnly: true}
  {{- end }}
  {{- end }}
{{- end }}
