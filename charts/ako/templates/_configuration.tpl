{{/*
The data of ConfigMap avi-k8s-config. Keys of AKO are always there, keys of this operator
only if they are set. Lists are one line of JSON.
*/}}
{{- define "ako.data" -}}
{{- $ako := .Values.AKOSettings -}}
{{- $network := .Values.NetworkSettings -}}
{{- $l7 := .Values.L7Settings -}}
{{- $l4 := .Values.L4Settings -}}
{{- $controller := .Values.ControllerSettings -}}
{{- $namespaces := $ako.namespaceSelector | default dict -}}
{{- $crds := index .Values "ako-crd-operator" | default dict -}}
primaryInstance: {{ include "ako.text" $ako.primaryInstance | quote }}
controllerIP: {{ include "ako.text" $controller.controllerHost | quote }}
controllerVersion: {{ include "ako.text" $controller.controllerVersion | quote }}
cloudName: {{ include "ako.text" $controller.cloudName | quote }}
serviceEngineGroupName: {{ include "ako.text" $controller.serviceEngineGroupName | quote }}
tenantName: {{ include "ako.text" $controller.tenantName | quote }}
vrfName: {{ include "ako.text" $controller.vrfName | quote }}
dedicatedTenantMode: {{ include "ako.text" $controller.dedicatedTenantMode | quote }}
clusterName: {{ include "ako.text" $ako.clusterName | quote }}
cniPlugin: {{ include "ako.text" $ako.cniPlugin | quote }}
enableEVH: {{ include "ako.text" $ako.enableEVH | quote }}
vipPerNamespace: {{ include "ako.text" $ako.vipPerNamespace | quote }}
layer7Only: {{ include "ako.text" $ako.layer7Only | quote }}
servicesAPI: {{ include "ako.text" $ako.servicesAPI | quote }}
istioEnabled: {{ include "ako.text" $ako.istioEnabled | quote }}
vpcMode: {{ include "ako.text" $ako.vpcMode | quote }}
ipFamily: {{ include "ako.text" $ako.ipFamily | quote }}
useDefaultSecretsOnly: {{ include "ako.text" $ako.useDefaultSecretsOnly | quote }}
akoCRDOperatorEnabled: {{ include "ako.text" $crds.enabled | quote }}
disableStaticRouteSync: {{ include "ako.text" $ako.disableStaticRouteSync | quote }}
fullSyncFrequency: {{ include "ako.text" $ako.fullSyncFrequency | quote }}
apiServerPort: {{ include "ako.port" . | quote }}
logLevel: {{ include "ako.text" $ako.logLevel | quote }}
enableEvents: {{ include "ako.text" $ako.enableEvents | quote }}
deleteConfig: {{ include "ako.text" $ako.deleteConfig | quote }}
enablePrometheus: {{ include "ako.text" (.Values.featureGates | default dict).EnablePrometheus | quote }}
nsSyncLabelKey: {{ include "ako.text" $namespaces.labelKey | quote }}
nsSyncLabelValue: {{ include "ako.text" $namespaces.labelValue | quote }}
blockedNamespaceList: |-
  {{ $ako.blockedNamespaceList | default list | toJson }}
enableRHI: {{ include "ako.text" $network.enableRHI | quote }}
nsxtT1LR: {{ include "ako.text" $network.nsxtT1LR | quote }}
defaultDomain: {{ include "ako.text" ($network.defaultDomain | default $l4.defaultDomain) | quote }}
vipNetworkList: |-
  {{ $network.vipNetworkList | default list | toJson }}
nodeNetworkList: |-
  {{ $network.nodeNetworkList | default list | toJson }}
bgpPeerLabels: |-
  {{ $network.bgpPeerLabels | default list | toJson }}
defaultIngController: {{ include "ako.text" $l7.defaultIngController | quote }}
noPGForSNI: {{ include "ako.text" $l7.noPGForSNI | quote }}
serviceType: {{ include "ako.text" $l7.serviceType | quote }}
{{- if eq (include "ako.text" $l7.serviceType) "NodePort" }}
nodeKey: {{ include "ako.text" (.Values.nodePortSelector | default dict).key | quote }}
nodeValue: {{ include "ako.text" (.Values.nodePortSelector | default dict).value | quote }}
{{- end }}
shardVSSize: {{ include "ako.text" $l7.shardVSSize | quote }}
passthroughShardSize: {{ include "ako.text" $l7.passthroughShardSize | quote }}
enableMCI: {{ include "ako.text" $l7.enableMCI | quote }}
fqdnReusePolicy: {{ include "ako.text" $l7.fqdnReusePolicy | quote }}
defaultLBController: {{ include "ako.text" $l4.defaultLBController | quote }}
autoFQDN: {{ include "ako.text" $l4.autoFQDN | quote }}
{{- range list
  (list "controllerServerName" $controller.controllerServerName)
  (list "namespaceSelector" $namespaces.selector)
  (list "autoAnnotateService" $l7.autoAnnotateService)
  (list "deletionGuardMinimum" $ako.deletionGuardMinimum)
  (list "deletionGuardPercent" $ako.deletionGuardPercent)
  (list "repairDisabled" $ako.repairDisabled)
  (list "leaderElectionProfile" $ako.leaderElectionProfile)
  (list "leaseDuration" $ako.leaseDuration)
  (list "renewDeadline" $ako.renewDeadline)
  (list "retryPeriod" $ako.retryPeriod)
}}
{{- $key := first . }}
{{- with include "ako.text" (last .) }}
{{ $key }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
A digest of the keys that take effect after a restart. It is in the pod template, so that a
change to one of them rolls the pods, and a change to any other key does not.
*/}}
{{- define "ako.restartChecksum" -}}
{{- $data := include "ako.data" . | fromYaml -}}
{{- $restart := dict -}}
{{- range (include "ako.keys" . | fromYaml).restart -}}
{{- if hasKey $data . -}}{{- $_ := set $restart . (get $data .) -}}{{- end -}}
{{- end -}}
{{- $restart | toJson | sha256sum -}}
{{- end -}}
