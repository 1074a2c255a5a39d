//! The files of a Pod's volumes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, Volume, VolumeProjection};

use super::environment::{Facts, field};
use super::sources::{Data, Sources};

const MODE: i32 = 0o644;

/// Bytes and mode by path.
pub(super) type Files = BTreeMap<String, (Vec<u8>, i32)>;

/// What a volume is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Empty, and gone with the Pod.
    Empty,
    /// The folder of a PersistentVolumeClaim.
    Claim(String),
    Files(Files),
}

/// What a volume of a Pod holds, or what is missing.
pub(super) fn content(
    volume: &Volume,
    pod: &Pod,
    facts: &Facts,
    sources: &Sources,
) -> Result<Content, String> {
    let why = |why: String| format!("volume {}: {why}", volume.name);
    if volume.empty_dir.is_some() {
        return Ok(Content::Empty);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        return Ok(Content::Claim(claim.claim_name.clone()));
    }
    // All other kinds that are known can be parts of a projected volume.
    let (parts, mode) = if let Some(source) = &volume.config_map {
        (vec![json_of("configMap", source)], source.default_mode)
    } else if let Some(source) = &volume.secret {
        let mut part = json_of("secret", source);
        part["secret"]["name"] = source.secret_name.clone().into();
        (vec![part], source.default_mode)
    } else if let Some(source) = &volume.downward_api {
        (vec![json_of("downwardAPI", source)], source.default_mode)
    } else if let Some(source) = &volume.projected {
        let parts = source.sources.iter().flatten();
        (parts.filter_map(|part| serde_json::to_value(part).ok()).collect(), source.default_mode)
    } else {
        return Err(why("this kubelet knows no such kind of volume (hostPath is none)".to_owned()));
    };
    let mut files = Files::new();
    for part in parts {
        let part = serde_json::from_value(part).map_err(|error| why(error.to_string()))?;
        projection(&part, mode.unwrap_or(MODE), pod, facts, sources, &mut files).map_err(why)?;
    }
    Ok(Content::Files(files))
}

fn json_of(kind: &str, source: &impl serde::Serialize) -> serde_json::Value {
    serde_json::json!({ kind: source })
}

fn projection(
    source: &VolumeProjection,
    mode: i32,
    pod: &Pod,
    facts: &Facts,
    sources: &Sources,
    files: &mut Files,
) -> Result<(), String> {
    if let Some(map) = &source.config_map {
        let found = sources.config_maps.get(&map.name);
        let found = present("ConfigMap", &map.name, found, map.optional)?;
        files.extend(chosen(&map.name, found, map.items.as_deref(), map.optional, mode)?);
    }
    if let Some(secret) = &source.secret {
        let found = sources.secrets.get(&secret.name);
        let found = present("Secret", &secret.name, found, secret.optional)?;
        files.extend(chosen(&secret.name, found, secret.items.as_deref(), secret.optional, mode)?);
    }
    if let Some(token) = &source.service_account_token {
        let value = sources.tokens.get(&token.audience).ok_or("there is no token")?;
        files.insert(token.path.clone(), (value.clone().into_bytes(), mode));
    }
    let fields = source.downward_api.iter().flat_map(|downward| downward.items.iter().flatten());
    for DownwardAPIVolumeFile { field_ref, path, mode: own, .. } in fields {
        let named = field_ref.as_ref().ok_or("this kubelet knows fieldRef alone in a downwardAPI volume")?;
        let value = field(pod, &named.field_path, facts)?;
        files.insert(path.clone(), (value.into_bytes(), own.unwrap_or(mode)));
    }
    Ok(())
}

fn present<'a>(
    kind: &str,
    name: &str,
    found: Option<&'a Data>,
    optional: Option<bool>,
) -> Result<Option<&'a Data>, String> {
    if found.is_none() && optional != Some(true) {
        return Err(format!("{kind} {name} does not exist"));
    }
    Ok(found)
}

/// All keys, or those that `items` names.
fn chosen(
    name: &str,
    data: Option<&Data>,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
    mode: i32,
) -> Result<Files, String> {
    let Some(data) = data else { return Ok(Files::new()) };
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(data.iter().map(|(key, value)| (key.clone(), (value.clone(), mode))).collect());
    };
    let mut files = Files::new();
    for item in items {
        match data.get(&item.key) {
            Some(value) => {
                files.insert(item.path.clone(), (value.clone(), item.mode.unwrap_or(mode)));
            }
            None if optional == Some(true) => {}
            None => return Err(format!("{name} has no key {}", item.key)),
        }
    }
    Ok(files)
}

/// Puts the content of a volume where it belongs, and says where that is.
pub(super) fn provide(content: &Content, folder: PathBuf, claims: &Path) -> anyhow::Result<PathBuf> {
    let folder = if let Content::Claim(name) = content { claims.join(name) } else { folder };
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    if let Content::Files(files) = content {
        for (path, (bytes, mode)) in files {
            let inside = Path::new(path).components().all(|c| matches!(c, std::path::Component::Normal(_)));
            ensure!(inside, "a file of a volume lies outside of it: {path}");
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(u32::try_from(*mode)?))?;
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(volume: Value) -> Result<Content, String> {
        let mut volume = volume;
        volume["name"] = "v".into();
        let pod: Pod = serde_json::from_value(json!({"metadata": {"namespace": "avi-system"}})).unwrap();
        let facts = Facts {
            node: String::new(),
            node_address: String::new(),
            pod_address: String::new(),
            api_server: (String::new(), 0),
        };
        let data =
            |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), key.as_bytes().to_vec())).collect();
        let sources = Sources {
            config_maps: BTreeMap::from([("map".to_owned(), data(&["a", "b"]))]),
            secrets: BTreeMap::from([("secret".to_owned(), data(&["tls.crt"]))]),
            tokens: BTreeMap::from([(None, "token".to_owned())]),
        };
        content(&serde_json::from_value(volume).unwrap(), &pod, &facts, &sources)
    }

    fn files(files: &[(&str, &str, i32)]) -> Content {
        let files =
            files.iter().map(|(path, text, mode)| ((*path).to_owned(), (text.as_bytes().to_vec(), *mode)));
        Content::Files(files.collect())
    }

    #[test]
    fn every_kind_of_volume_is_read() {
        for (volume, content) in [
            (json!({"emptyDir": {}}), Content::Empty),
            (json!({"persistentVolumeClaim": {"claimName": "claim"}}), Content::Claim("claim".to_owned())),
            (json!({"configMap": {"name": "map"}}), files(&[("a", "a", 0o644), ("b", "b", 0o644)])),
            (
                json!({"configMap": {"name": "map", "items": [{"key": "b", "path": "sub/b", "mode": 0o400}]}}),
                files(&[("sub/b", "b", 0o400)]),
            ),
            (
                json!({"secret": {"secretName": "secret", "defaultMode": 0o440}}),
                files(&[("tls.crt", "tls.crt", 0o440)]),
            ),
            (json!({"secret": {"secretName": "none", "optional": true}}), files(&[])),
            (
                json!({"projected": {"sources": [
                    {"serviceAccountToken": {"path": "token"}},
                    {"configMap": {"name": "map", "items": [{"key": "a", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [
                        {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}},
                    ]}},
                ]}}),
                files(&[
                    ("token", "token", 0o644),
                    ("ca.crt", "a", 0o644),
                    ("namespace", "avi-system", 0o644),
                ]),
            ),
        ] {
            assert_eq!(read(volume.clone()).unwrap(), content, "{volume}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (volume, named) in [
            (json!({"configMap": {"name": "none"}}), "volume v: ConfigMap none does not exist"),
            (json!({"configMap": {"name": "map", "items": [{"key": "c", "path": "c"}]}}), "map has no key c"),
            (json!({"hostPath": {"path": "/"}}), "hostPath"),
        ] {
            let why = read(volume).unwrap_err();
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn files_stay_inside_and_claims_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let claims = folder.path().join("claims");
        let provide = |content: &Content| provide(content, folder.path().join("volume"), &claims);
        let at = provide(&files(&[("sub/a", "text", 0o400)])).unwrap();
        assert_eq!(fs::read_to_string(at.join("sub/a")).unwrap(), "text");
        assert_eq!(fs::metadata(at.join("sub/a")).unwrap().permissions().mode() & 0o777, 0o400);
        provide(&files(&[("../a", "text", 0o400)])).unwrap_err();
        let claim = Content::Claim("data".to_owned());
        assert_eq!(provide(&claim).unwrap(), claims.join("data"));
    }
}
