{{/* A scalar as text: nothing for null, and whole numbers without an exponent. */}}
{{- define "ako.text" -}}
{{- if kindIs "invalid" . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* "true" for what Go's ParseBool takes for true, else nothing. */}}
{{- define "ako.isTrue" -}}
{{- if has (include "ako.text" .) (list "1" "t" "T" "TRUE" "true" "True") -}}true{{- end -}}
{{- end -}}

{{/* "true" unless it is what ParseBool takes for false. */}}
{{- define "ako.isNotFalse" -}}
{{- if not (has (include "ako.text" .) (list "0" "f" "F" "FALSE" "false" "False")) -}}true{{- end -}}
{{- end -}}

{{/* A duration of the configuration (15s, 500ms, 15) in milliseconds. */}}
{{- define "ako.milliseconds" -}}
{{- if hasSuffix "ms" . -}}
{{- trimSuffix "ms" . | trim | int64 -}}
{{- else -}}
{{- mul (trimSuffix "s" . | trim | int64) 1000 -}}
{{- end -}}
{{- end -}}

{{/* The number of replicas; written as a number or as text. */}}
{{- define "ako.replicas" -}}
{{- include "ako.text" .Values.replicaCount | default "1" | int -}}
{{- end -}}

{{- define "ako.port" -}}
{{- include "ako.text" .Values.AKOSettings.apiServerPort | default "8080" -}}
{{- end -}}

{{/* Which keys need a restart, and so on; see files/keys.yaml. */}}
{{- define "ako.keys" -}}
{{- .Files.Get "files/keys.yaml" -}}
{{- end -}}

{{- define "ako.selector" -}}
app.kubernetes.io/name: ako
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ako.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "ako.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "ako.image" -}}
{{- $image := .Values.image | default dict -}}
{{- printf "%s:%s" $image.repository (include "ako.text" $image.tag | default .Chart.AppVersion) -}}
{{- end -}}
