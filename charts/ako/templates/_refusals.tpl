{{/*
Ends the rendering with all values at once that the operator would refuse at its start, and
those of older charts whose meaning would be lost without a word. Types and lists of allowed
values are in values.schema.json.
*/}}
{{- define "ako.refuse" -}}
{{- $problems := concat
  (include "ako.refusals.required" . | fromYamlArray)
  (include "ako.refusals.forms" . | fromYamlArray)
  (include "ako.refusals.networks" . | fromYamlArray)
  (include "ako.refusals.together" . | fromYamlArray)
  (include "ako.refusals.unsupported" . | fromYamlArray)
  (include "ako.refusals.timing" . | fromYamlArray)
  (include "ako.refusals.older" . | fromYamlArray) -}}
{{- with $problems -}}
{{- fail (printf "these values cannot be used:\n  - %s" (join "\n  - " .)) -}}
{{- end -}}
{{- end -}}

{{/* What has to be said. */}}
{{- define "ako.refusals.required" -}}
{{- if not (include "ako.text" .Values.ControllerSettings.controllerHost) }}
- "ControllerSettings.controllerHost is required: the address or host name of the Avi Controller, with :port if it is not 443"
{{- end }}
{{- $name := include "ako.text" .Values.AKOSettings.clusterName }}
{{- if not (regexMatch "^[a-zA-Z0-9_-]+$" $name) }}
- {{ printf "AKOSettings.clusterName is %q: it names this cluster on the Avi Controller and is required; letters, digits, - and _" $name | toJson }}
{{- end }}
{{- with .Values.avicredentials | default dict }}
{{- if and .username (not (or .password .authtoken)) }}
- "avicredentials.username is set without avicredentials.password and avicredentials.authtoken: set one of the two, or neither of the three where Secret avi-secret exists already"
{{- end }}
{{- end }}
{{- end -}}

{{/* How values have to be written, as far as a schema cannot say it in plain words. */}}
{{- define "ako.refusals.forms" -}}
{{- $port := include "ako.port" . }}
{{- if or (lt (int $port) 1) (gt (int $port) 65535) }}
- {{ printf "AKOSettings.apiServerPort is %s: it has to be a port, 1 to 65535" $port | toJson }}
{{- end }}
{{- $policy := include "ako.text" .Values.L7Settings.fqdnReusePolicy }}
{{- if not (has (lower $policy) (list "" "strict" "internamespaceallowed")) }}
- {{ printf "L7Settings.fqdnReusePolicy is %q: it has to be InterNamespaceAllowed or Strict" $policy | toJson }}
{{- end }}
{{- $percent := include "ako.text" .Values.AKOSettings.deletionGuardPercent }}
{{- if gt (int $percent) 100 }}
- {{ printf "AKOSettings.deletionGuardPercent is %s: it has to be 0 to 100" $percent | toJson }}
{{- end }}
{{- $key := "[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?" }}
{{- $value := "([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?" }}
{{- $list := printf "\\( *%s( *, *%s)* *\\)" $value $value }}
{{- $part := printf "(! *%s|%s( *(=|==|!=) *%s)?|%s +(in|notin) *%s)" $key $key $value $key $list }}
{{- $selector := include "ako.text" (.Values.AKOSettings.namespaceSelector | default dict).selector | trim }}
{{- if and $selector (not (regexMatch (printf "^%s( *, *%s)*$" $part $part) $selector)) }}
- {{ printf "AKOSettings.namespaceSelector.selector is %q: write it as for kubectl get -l" $selector | toJson }}
{{- end }}
{{- end -}}

{{/* Networks need a name or a uuid, and subnets their form. */}}
{{- define "ako.refusals.networks" -}}
{{- $network := .Values.NetworkSettings -}}
{{- range $list := list "vipNetworkList" "nodeNetworkList" }}
{{- range $row, $entry := get $network $list | default list }}
{{- if not (or $entry.networkName $entry.networkUUID) }}
- {{ printf "NetworkSettings.%s[%d] needs networkName or networkUUID" $list $row | toJson }}
{{- end }}
{{- range concat (list $entry.cidr $entry.v6cidr) ($entry.cidrs | default list) | compact }}
{{- if not (include "ako.isSubnet" .) }}
- {{ printf "NetworkSettings.%s[%d]: %q is no subnet; write <address>/<bits>" $list $row . | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* "true" for <address>/<bits>. */}}
{{- define "ako.isSubnet" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" -}}
{{- $v4 := printf "^%s([.]%s){3}/(3[0-2]|[12]?[0-9])$" $byte $byte -}}
{{- $v6 := "^[0-9a-fA-F]*:[0-9a-fA-F:.]+/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" -}}
{{- if or (regexMatch $v4 .) (regexMatch $v6 .) -}}true{{- end -}}
{{- end -}}

{{/* What cannot be together. */}}
{{- define "ako.refusals.together" -}}
{{- if and .Values.NetworkSettings.bgpPeerLabels (not (include "ako.isTrue" .Values.NetworkSettings.enableRHI)) }}
- "NetworkSettings.bgpPeerLabels needs NetworkSettings.enableRHI=true"
{{- end }}
{{- $cni := include "ako.text" .Values.AKOSettings.cniPlugin | lower }}
{{- if and (eq (include "ako.text" .Values.L7Settings.serviceType) "NodePortLocal") (ne $cni "antrea") }}
- "L7Settings.serviceType=NodePortLocal is Antrea's: it needs AKOSettings.cniPlugin=antrea"
{{- end }}
{{- end -}}

{{/* What this version of the operator does not run with, as files/keys.yaml has it. */}}
{{- define "ako.refusals.unsupported" -}}
{{- $values := .Values -}}
{{- range $key := (include "ako.keys" . | fromYaml).refused }}
{{- range $section := list "AKOSettings" "NetworkSettings" "L7Settings" "L4Settings" "ControllerSettings" }}
{{- $value := include "ako.text" (get (get $values $section | default dict) $key) }}
{{- if and $value (include "ako.isNotFalse" $value) }}
- {{ printf "%s.%s=%s is not supported by this version, which would change or delete what AKO made with it: set it to false, or stay with AKO" $section $key $value | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Durations of the election that are not safe together. */}}
{{- define "ako.refusals.timing" -}}
{{- $ako := .Values.AKOSettings -}}
{{- $fast := eq (include "ako.text" $ako.leaderElectionProfile) "fast" -}}
{{- $lease := include "ako.text" $ako.leaseDuration | default (ternary "6s" "15s" $fast) | include "ako.milliseconds" | int64 -}}
{{- $renew := include "ako.text" $ako.renewDeadline | default (ternary "4s" "10s" $fast) | include "ako.milliseconds" | int64 -}}
{{- $retry := include "ako.text" $ako.retryPeriod | default (ternary "1s" "2s" $fast) | include "ako.milliseconds" | int64 -}}
{{- if or (lt $lease 1) (gt $lease 180000) }}
- "AKOSettings.leaseDuration has to be between 1ms and 180s"
{{- end }}
{{- if gt (mul $renew 101) (mul $lease 99) }}
- {{ printf "AKOSettings.renewDeadline (%d ms) is too close to AKOSettings.leaseDuration (%d ms): set it to two thirds of that" $renew $lease | toJson }}
{{- end }}
{{- if or (lt $retry 1) (ge (mul $retry 2) $renew) }}
- {{ printf "AKOSettings.retryPeriod (%d ms) has to be less than half of AKOSettings.renewDeadline (%d ms): set it to a fifth of that" $retry $renew | toJson }}
{{- end }}
{{- end -}}

{{/* Values of older charts of AKO that would be ignored, and with them what they ask for. */}}
{{- define "ako.refusals.older" -}}
{{- $values := .Values -}}
{{- range list
  (list "subnetIP" "NetworkSettings.vipNetworkList, with networkName and cidr")
  (list "subnetPrefix" "NetworkSettings.vipNetworkList, with networkName and cidr")
  (list "networkName" "NetworkSettings.vipNetworkList, with networkName")
  (list "syncNamespace" "AKOSettings.namespaceSelector")
  (list "nodeSelectorLabels" "nodePortSelector.key and nodePortSelector.value")
  (list "tenantsPerCluster" "ControllerSettings.tenantName")
  (list "advancedL4" "nothing, for it is not supported, or stay with AKO") }}
{{- $name := first . }}
{{- $successor := last . }}
{{- range $section := list "" "AKOSettings" "NetworkSettings" "L7Settings" "L4Settings" "ControllerSettings" }}
{{- $value := get (ternary $values (get $values $section | default dict) (eq $section "")) $name }}
{{- if kindIs "map" $value }}{{- $value = values $value | compact }}{{- end }}
{{- if and $value (include "ako.isNotFalse" $value) }}
- {{ printf "%s%s is of an older chart: instead of it, set %s" (ternary "" (printf "%s." $section) (eq $section "")) $name $successor | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.configs }}
- "configs is of an older chart: its values are in AKOSettings, NetworkSettings, L7Settings, L4Settings and ControllerSettings now"
{{- end }}
{{- end -}}
