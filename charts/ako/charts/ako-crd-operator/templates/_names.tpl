{{- define "ako-crd-operator.selector" -}}
app.kubernetes.io/name: ako-crd-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ako-crd-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "ako-crd-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "ako-crd-operator.image" -}}
{{- $image := .Values.controllerManager.container.image | default dict -}}
{{- printf "%s:%v" ($image.repository | default "ghcr.io/ako-rs/ako") ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{/* The number of replicas; written as a number or as text. */}}
{{- define "ako-crd-operator.replicas" -}}
{{- $replicas := .Values.controllerManager.replicas -}}
{{- if or (kindIs "invalid" $replicas) (eq (toString $replicas) "") -}}1{{- else -}}{{- int $replicas -}}{{- end -}}
{{- end -}}

{{- define "ako-crd-operator.port" -}}
{{- .Values.controllerManager.apiServerPort | default 8080 | int -}}
{{- end -}}

{{/* Where its pods may be; those of the hooks, too. */}}
{{- define "ako-crd-operator.placement" -}}
{{- with .Values.controllerManager.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controllerManager.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controllerManager.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.controllerManager.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* One replica on a node, unless the values say otherwise. */}}
{{- define "ako-crd-operator.affinity" -}}
{{- $affinity := deepCopy (.Values.controllerManager.affinity | default dict) -}}
{{- if not (hasKey $affinity "podAntiAffinity") -}}
{{- $expression := dict "key" "app.kubernetes.io/name" "operator" "In" "values" (list "ako-crd-operator") -}}
{{- $selector := dict "matchExpressions" (list $expression) -}}
{{- $term := dict "labelSelector" $selector "topologyKey" "kubernetes.io/hostname" -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end -}}

{{/* What is there while an upgrade begins, in the order of its weight. */}}
{{- define "ako-crd-operator.hook" -}}
helm.sh/hook: pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* Which other release has the CRD operator, if one does: there is one in a cluster. Its ClusterRole tells it. */}}
{{- define "ako-crd-operator.elsewhere" -}}
{{- $role := lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "ako-crd-operator" | default dict -}}
{{- $annotations := ($role.metadata | default dict).annotations | default dict -}}
{{- $name := get $annotations "meta.helm.sh/release-name" -}}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" -}}
{{- if and $name (or (ne $name .Release.Name) (ne $namespace .Release.Namespace)) -}}
release {{ $name }} in namespace {{ $namespace }}
{{- end -}}
{{- end -}}
