{{/* "true" for a repository of the images of AKO. */}}
{{- define "ako.isOfAko" -}}
{{- if regexMatch "^projects[.](packages|registry)[.](broadcom|vmware)[.]com/" . -}}true{{- end -}}
{{- end -}}

{{/* What works, and is most likely not meant. */}}
{{- define "ako.warnings" -}}
{{- $ako := .Values.AKOSettings -}}
{{- $credentials := .Values.avicredentials | default dict -}}
{{- $namespaces := $ako.namespaceSelector | default dict -}}
{{- $crds := index .Values "ako-crd-operator" | default dict -}}
{{- $ofCrds := (index $crds.controllerManager.container.image "repository") | default "" -}}
{{- $evh := include "ako.isTrue" $ako.enableEVH -}}
{{- if not (or .Values.NetworkSettings.vipNetworkList (include "ako.isTrue" $ako.vpcMode)) }}
- "NetworkSettings.vipNetworkList is empty: the operator waits, and programs nothing, until there is a network for VIPs."
{{- end }}
{{- if eq (include "ako.text" $ako.clusterName) "my-cluster" }}
- "AKOSettings.clusterName is the default, my-cluster: a second cluster of that name on the same Avi Controller would not be served."
{{- end }}
{{- if not $credentials.username }}
- {{ printf "avicredentials.username is not set%s: Secret avi-secret has to be in namespace %s already." (ternary ", so avicredentials.password and authtoken are not used" "" (not (empty (or $credentials.password $credentials.authtoken)))) .Release.Namespace | toJson }}
{{- else if not $credentials.certificateAuthorityData }}
- "avicredentials.certificateAuthorityData is not set: the certificate of the Avi Controller is not verified."
{{- end }}
{{- if include "ako.isOfAko" .Values.image.repository }}
- {{ printf "image.repository is %s, which holds the images of AKO: take it out of your values." .Values.image.repository | toJson }}
{{- end }}
{{- if include "ako.isTrue" $crds.enabled }}
{{- if include "ako.isOfAko" $ofCrds }}
- {{ printf "ako-crd-operator.controllerManager.container.image.repository is %s, which holds the images of AKO: take it out of your values." $ofCrds | toJson }}
{{- else if and (ne .Values.image.repository $ofCrds) (eq $ofCrds "ghcr.io/ako-rs/ako") (not (include "ako.isOfAko" .Values.image.repository)) }}
- {{ printf "image.repository is %s, but ako-crd-operator.controllerManager.container.image.repository is still %s: set both." .Values.image.repository $ofCrds | toJson }}
{{- end }}
{{- end }}
{{- if and $namespaces.labelKey (not $namespaces.labelValue) }}
- "AKOSettings.namespaceSelector.labelKey has no effect without labelValue: all namespaces are served."
{{- end }}
{{- if and $namespaces.labelValue (not $namespaces.labelKey) }}
- "AKOSettings.namespaceSelector.labelValue has no effect without labelKey: all namespaces are served."
{{- end }}
{{- if and (include "ako.isTrue" $ako.vipPerNamespace) (not $evh) }}
- "AKOSettings.vipPerNamespace has no effect without AKOSettings.enableEVH=true."
{{- end }}
{{- if and (eq (include "ako.text" .Values.L7Settings.fqdnReusePolicy | lower) "strict") (not $evh) }}
- "L7Settings.fqdnReusePolicy=Strict has no effect without AKOSettings.enableEVH=true."
{{- end }}
{{- if eq (include "ako.text" $ako.deleteConfig) "true" }}
- "AKOSettings.deleteConfig is true: everything of this instance is removed from the Avi Controller."
{{- end }}
{{- if eq (include "ako.replicas" . | int) 0 }}
- "replicaCount is 0: nothing is programmed."
{{- end }}
{{- end -}}

{{/* Values that are accepted, and do nothing. */}}
{{- define "ako.withoutEffect" -}}
{{- $values := .Values -}}
{{- $ako := .Values.AKOSettings -}}
{{- $gates := .Values.featureGates | default dict -}}
{{- if include "ako.isTrue" $gates.GatewayAPI }}
- {{ ternary "featureGates.GatewayAPI: GatewayClass avi-lb and its rules are there, but Gateways are not served yet" "featureGates.GatewayAPI: GatewayClass avi-lb belongs to the primary instance" (ne (include "ako.isNotFalse" $ako.primaryInstance) "") | toJson }}
{{- end }}
{{- $gateway := (.Values.GatewayAPI | default dict).image | default dict }}
{{- if or $gateway.repository (ne ($gateway.pullPolicy | default "IfNotPresent") "IfNotPresent") }}
- "GatewayAPI.image: there is no second container"
{{- end }}
{{- if ne (.Values.akoGatewayLogFile | default "avi-gw.log") "avi-gw.log" }}
- "akoGatewayLogFile: there is no second container"
{{- end }}
{{- if include "ako.isTrue" (.Values.rbac | default dict).pspEnable }}
- "rbac.pspEnable: Kubernetes has no PodSecurityPolicies any more"
{{- end }}
{{- range $name := list "enableEndpointSlice" "EnableEndpointSlice" }}
{{- range $section := list "" "AKOSettings" "featureGates" }}
{{- if hasKey (ternary $values (get $values $section | default dict) (eq $section "")) $name }}
- {{ printf "%s%s: EndpointSlices are always used" (ternary "" (printf "%s." $section) (eq $section "")) $name | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.L7Settings.l7ShardingScheme }}
- "L7Settings.l7ShardingScheme: hosts are always spread by their names"
{{- end }}
{{- range $path := list "imagePullSecrets" "nameOverride" "fullnameOverride" "serviceAccount" "service" }}
{{- if get $values $path }}
- {{ printf "%s: of an older chart" $path | toJson }}
{{- end }}
{{- end }}
{{- end -}}
