{{- define "ako.pod.annotations" -}}
{{/* By this other instances tell that the pods are not of AKO 2.2.1. */ -}}
ako-rs.io/leadership: starting
ako-rs.io/restart-checksum: {{ include "ako.restartChecksum" . }}
{{- if include "ako.isTrue" (.Values.featureGates | default dict).EnablePrometheus }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ include "ako.port" . | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- if include "ako.isTrue" .Values.AKOSettings.istioEnabled }}
sidecar.istio.io/inject: "true"
traffic.sidecar.istio.io/includeInboundPorts: ""
traffic.sidecar.istio.io/includeOutboundIPRanges: ""
proxy.istio.io/config: |
  proxyMetadata:
    OUTPUT_CERTS: /etc/istio-output-certs
sidecar.istio.io/userVolume: '[{"name": "istio-certs", "emptyDir": {"medium": "Memory"}}]'
sidecar.istio.io/userVolumeMount: '[{"name": "istio-certs", "mountPath": "/etc/istio-output-certs"}]'
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ako.pod.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- $router := include "ako.text" .Values.NetworkSettings.nsxtT1LR }}
{{- range (include "ako.keys" . | fromYaml).environment }}
{{- if or $router (ne .key "nsxtT1LR") }}
- name: {{ .name }}
  valueFrom:
    configMapKeyRef:
      name: avi-k8s-config
      key: {{ .key }}
      optional: true
{{- end }}
{{- end }}
{{- if .Values.persistentVolumeClaim }}
- name: USE_PVC
  value: "true"
{{- end }}
- name: LOG_FILE_PATH
  value: {{ include "ako.text" .Values.mountPath | quote }}
- name: LOG_FILE_NAME
  value: {{ include "ako.text" .Values.logFile | quote }}
{{- with .Values.logFormat }}
- name: AKO_LOG_FORMAT
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* One replica on a node, unless the values say otherwise. */}}
{{- define "ako.pod.affinity" -}}
{{- $affinity := deepCopy (.Values.affinity | default dict) -}}
{{- if not (hasKey $affinity "podAntiAffinity") -}}
{{- $expression := dict "key" "app.kubernetes.io/name" "operator" "In" "values" (list "ako") -}}
{{- $selector := dict "matchExpressions" (list $expression) -}}
{{- $term := dict "labelSelector" $selector "topologyKey" "kubernetes.io/hostname" -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end -}}

{{- define "ako.pod.probes" -}}
livenessProbe:
  httpGet:
    path: /api/status
    port: {{ include "ako.port" . }}
  initialDelaySeconds: 5
  periodSeconds: 10
{{- $when := .Values.probes | default "auto" }}
{{- if or (eq $when "always") (and (eq $when "auto") (gt (include "ako.replicas" . | int) 1)) }}
startupProbe:
  httpGet:
    path: /healthz
    port: {{ include "ako.port" . }}
  periodSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ include "ako.port" . }}
  periodSeconds: 5
{{- end }}
{{- end -}}
