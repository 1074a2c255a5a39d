//! The defaults that the Controller adds to what it was sent (Avi REST API
//! contract, §8.1–§8.9).

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::kind::{self, Kind};
use crate::reference;
use crate::store::{Fields, Store};

/// Adds the defaults of an object's type. Fields that were sent stay as they are.
///
/// References that default to a shipped object are set only if that object exists.
pub(crate) fn apply(store: &Store, kind: &Kind, tenant: &str, cloud: Option<&str>, object: &mut Fields) {
    match kind.path {
        "pool" => pool(object),
        "poolgroup" => {
            fill(object, &json!({ "min_servers": 0 }));
            fill_each(object, "members", &json!({ "ratio": 1 }));
        }
        "vsvip" => vsvip(object),
        "virtualservice" => virtual_service(store, cloud, object),
        "httppolicyset" => http_policy_set(object),
        "sslkeyandcertificate" => fill(object, &CERTIFICATE),
        "tenant" => fill(object, &TENANT),
        "vrfcontext" => fill(object, &json!({ "system_default": false, "static_routes": [] })),
        "serviceenginegroup" => fill(object, &json!({ "labels": [] })),
        "pkiprofile" => fill(object, &json!({ "crl_check": true, "is_federated": false })),
        "stringgroup" => fill(object, &json!({ "longest_match": false })),
        _ => {}
    }
    for (key, path, name) in default_references(kind, object) {
        if object.contains_key(key) {
            continue;
        }
        let Some(target) = kind::find(path) else { continue };
        if let Some(found) = store.meant(target, tenant, cloud, name) {
            object.insert(key.to_owned(), reference::internal(target, &found.uuid).into());
        }
    }
}

/// Fields, types and names of the objects that unset references default to.
fn default_references(
    kind: &Kind,
    object: &Fields,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> + use<> {
    const VRF: (&str, &str, &str) = ("vrf_context_ref", "vrfcontext", "global");
    const ANALYTICS: (&str, &str, &str) =
        ("analytics_profile_ref", "analyticsprofile", "System-Analytics-Profile");
    const VIRTUAL_SERVICE: &[(&str, &str, &str)] = &[
        VRF,
        ANALYTICS,
        ("application_profile_ref", "applicationprofile", "System-HTTP"),
        ("network_profile_ref", "networkprofile", "System-TCP-Proxy"),
        ("se_group_ref", "serviceenginegroup", "Default-Group"),
    ];
    let fixed: &[_] = match kind.path {
        "pool" => &[("vrf_ref", "vrfcontext", "global"), ANALYTICS],
        "vsvip" | "network" => &[VRF],
        "virtualservice" => VIRTUAL_SERVICE,
        _ => &[],
    };
    let secure = kind.path == "virtualservice"
        && elements(object, "services").any(|service| service["enable_ssl"] == json!(true));
    let ssl = secure.then_some(("ssl_profile_ref", "sslprofile", "System-Standard"));
    fixed.iter().copied().chain(ssl)
}

/// The elements of a list field.
pub(crate) fn elements<'a>(object: &'a Fields, key: &str) -> impl Iterator<Item = &'a Value> {
    object.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Adds the fields of `defaults` that `object` lacks.
fn fill(object: &mut Fields, defaults: &Value) {
    for (key, value) in defaults.as_object().into_iter().flatten() {
        if !object.contains_key(key) {
            object.insert(key.clone(), value.clone());
        }
    }
}

fn fill_each(object: &mut Fields, key: &str, defaults: &Value) {
    each_mut(object, key, |element| fill(element, defaults));
}

/// Visits the objects of a list field.
fn each_mut(object: &mut Fields, key: &str, visit: impl FnMut(&mut Fields)) {
    if let Some(Value::Array(items)) = object.get_mut(key) {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(visit);
    }
}

static POOL: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "enabled": true, "default_server_port": 80, "connection_ramp_duration": 10,
        "lb_algorithm": "LB_ALGORITHM_LEAST_CONNECTIONS",
        "lb_algorithm_hash": "LB_ALGORITHM_CONSISTENT_HASH_SOURCE_IP_ADDRESS",
        "lb_algorithm_core_nonaffinity": 2, "inline_health_monitor": true,
        "fewest_tasks_feedback_delay": 10, "request_queue_depth": 128, "sni_enabled": true,
        "delete_server_on_dns_refresh": true, "append_port": "NON_DEFAULT_80_443",
        "graceful_disable_timeout": 1, "graceful_hm_down_disable_timeout": -1,
        "pool_type": "POOL_TYPE_GENERIC_APP", "server_disable_type": "DISALLOW_NEW_CONNECTION",
        "max_concurrent_connections_per_server": 0, "server_timeout": 0,
        "capacity_estimation_ttfb_thresh": 0, "use_service_port": false,
        "capacity_estimation": false, "request_queue_enabled": false, "host_check_enabled": false,
        "rewrite_host_header_to_sni": false, "rewrite_host_header_to_server_name": false,
        "lookup_server_by_name": false, "enable_http2": false, "ignore_server_port": false,
        "routing_pool": false
    })
});

static SERVER: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "enabled": true, "ratio": 1, "verify_network": false, "resolve_server_by_dns": false,
        "static": false, "rewrite_host_header": false
    })
});

fn pool(object: &mut Fields) {
    fill(object, &POOL);
    each_mut(object, "servers", |server| {
        fill(server, &SERVER);
        let address = server.get("ip").and_then(|ip| ip.get("addr")).cloned();
        if let (Some(address), false) = (address, server.contains_key("hostname")) {
            server.insert("hostname".to_owned(), address);
        }
    });
}

static VIP: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "vip_id": "0", "enabled": true, "auto_allocate_ip": false, "auto_allocate_floating_ip": false,
        "avi_allocated_vip": false, "avi_allocated_fip": false,
        "auto_allocate_ip_type": "V4_ONLY", "prefix_length": 32
    })
});

static DNS_INFO: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "ttl": 30, "type": "DNS_RECORD_A", "num_records_in_response": 1,
        "algorithm": "DNS_RECORD_RESPONSE_CONSISTENT_HASH"
    })
});

fn vsvip(object: &mut Fields) {
    fill(object, &json!({ "east_west_placement": false }));
    fill_each(object, "vip", &VIP);
    fill_each(object, "dns_info", &DNS_INFO);
}

static VIRTUAL_SERVICE: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "enabled": true, "enable_autogw": true, "traffic_enabled": true, "weight": 1,
        "max_cps_per_client": 0, "type": "VS_TYPE_NORMAL", "flow_dist": "LOAD_AWARE",
        "ssl_sess_cache_avg_size": 1024, "active_standby_se_tag": "ACTIVE_STANDBY_SE_1",
        "flow_label_type": "NO_LABEL", "vh_type": "VS_TYPE_VH_SNI", "delay_fairness": false,
        "limit_doser": false, "use_bridge_ip_as_vip": false, "ign_pool_net_reach": false,
        "remove_listening_port_on_vs_down": false, "close_client_conn_on_config_update": false,
        "bulk_sync_kvcache": false, "advertise_down_vs": false, "east_west_placement": false,
        "scaleout_ecmp": false, "use_vip_as_snat": false, "allow_invalid_client_cert": false
    })
});

fn virtual_service(store: &Store, cloud: Option<&str>, object: &mut Fields) {
    fill(object, &VIRTUAL_SERVICE);
    if let Some(cloud) = cloud.and_then(|uuid| store.get(uuid)) {
        let vtype = cloud.full.get("vtype").cloned().unwrap_or_else(|| "CLOUD_NONE".into());
        fill(object, &json!({ "cloud_type": vtype }));
    }
    each_mut(object, "services", |service| {
        let end = service.get("port").cloned().unwrap_or(Value::Null);
        fill(service, &json!({ "enable_ssl": false, "enable_http2": false, "port_range_end": end }));
    });
}

fn http_policy_set(object: &mut Fields) {
    fill(object, &json!({ "is_internal_policy": false }));
    for policy in ["http_request_policy", "http_security_policy", "http_response_policy"] {
        let Some(policy) = object.get_mut(policy).and_then(Value::as_object_mut) else { continue };
        each_mut(policy, "rules", |rule| {
            fill(rule, &json!({ "enable": true }));
            let matched = rule.get_mut("match").and_then(Value::as_object_mut);
            if let Some(path) = matched.and_then(|m| m.get_mut("path")).and_then(Value::as_object_mut) {
                fill(path, &json!({ "match_case": "INSENSITIVE", "match_decoded_string": true }));
            }
            if let Some(redirect) = rule.get_mut("redirect_action").and_then(Value::as_object_mut) {
                let status = "HTTP_REDIRECT_STATUS_CODE_302";
                fill(redirect, &json!({ "keep_query": true, "status_code": status }));
            }
        });
    }
}

static CERTIFICATE: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "type": "SSL_CERTIFICATE_TYPE_VIRTUALSERVICE", "status": "SSL_CERTIFICATE_FINISHED",
        "format": "SSL_PEM", "key_passphrase": "", "certificate_base64": false, "key_base64": false,
        "enable_ocsp_stapling": false
    })
});

static TENANT: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "local": true, "attrs": [],
        "config_settings": {
            "tenant_vrf": false, "se_in_provider_context": true, "tenant_access_to_provider_se": true
        }
    })
});
