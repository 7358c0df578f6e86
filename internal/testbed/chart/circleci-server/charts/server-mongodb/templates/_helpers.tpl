{{/* The rule of Bitnami's charts, which the vendor's are made from; .Chart.Name is the alias. */}}
{{- define "server-mongodb.name" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "server-mongodb.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: mongodb
{{- end }}

{{- define "server-mongodb.labels" -}}
{{ include "server-mongodb.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "server-mongodb.image" -}}
{{- $c := .Values.global.container -}}
{{ with $c.registry }}{{ . }}/{{ end }}{{ with $c.org }}{{ . }}/{{ end }}{{ .Values.image.name }}:{{ .Values.image.tag }}
{{- end }}

{{/* The pod is the same whatever keeps it running. */}}
{{- define "server-mongodb.pod" -}}
metadata:
  labels:
    {{- include "server-mongodb.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    backup.velero.io/backup-volumes: datadir
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext: {runAsUser: 1001, runAsNonRoot: true, fsGroup: 1001, fsGroupChangePolicy: OnRootMismatch}
  {{- with .Values.global.imagePullSecrets }}
  imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
  {{- end }}
  {{- with .Values.global.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.global.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
  - name: mongodb
    image: {{ include "server-mongodb.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: [/bin/bash, /scripts/start.sh]
    args:
      {{- toYaml .Values.extraFlags | nindent 6 }}
    env:
    - {name: MONGODB_ROOT_USER, value: {{ .Values.auth.username | quote }}}
    - name: MONGODB_ROOT_PASSWORD
      valueFrom:
        secretKeyRef:
          name: {{ .Values.auth.existingSecret | default (include "server-mongodb.name" .) }}
          key: mongodb-root-password
    ports:
    - {name: mongodb, containerPort: 27017}
    lifecycle:
      postStart:
        # The server is new on the first start only; later it has its user.
        exec: {command: [mongosetup]}
    readinessProbe:
      tcpSocket: {port: mongodb}
      periodSeconds: 2
    resources:
      requests: {cpu: 10m, memory: 64Mi}
    securityContext:
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
    volumeMounts:
    - {name: datadir, mountPath: /bitnami/mongodb}
    - {name: scripts, mountPath: /scripts, readOnly: true}
  volumes:
  - name: scripts
    configMap: {name: {{ include "server-mongodb.name" . }}-scripts}
  {{- if or .Values.persistence.existingClaim (not .Values.useStatefulSet) }}
  - name: datadir
    persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim | default (include "server-mongodb.name" .) }}}
  {{- end }}
{{- end }}
