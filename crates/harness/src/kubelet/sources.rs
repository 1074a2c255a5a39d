//! What a Pod refers to: ConfigMaps, Secrets and tokens of its service account.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, Pod, PodSpec, Secret, ServiceAccount, ServiceAccountTokenProjection,
    VolumeProjection,
};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};

/// A kubelet asks for tokens of an hour, too.
const EXPIRATION: i64 = 3600;

/// Values by their keys.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

/// What there was when a container was about to start; what is missing does not exist.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) config_maps: BTreeMap<String, Data>,
    pub(super) secrets: BTreeMap<String, Data>,
    /// By their audience, none for the API server.
    pub(super) tokens: BTreeMap<Option<String>, String>,
}

/// The names of what is asked for.
#[derive(Debug, Default)]
struct Named {
    config_maps: BTreeSet<String>,
    secrets: BTreeSet<String>,
    tokens: BTreeMap<Option<String>, i64>,
}

impl Sources {
    /// Everything that the volumes of a Pod refer to.
    pub(super) async fn of_volumes(client: &Client, pod: &Pod) -> anyhow::Result<Self> {
        let mut named = Named::default();
        named.volumes(pod.spec.as_ref().context("a Pod without spec")?);
        Self::read(client, pod, named).await
    }

    /// Everything that the environment of a container refers to.
    pub(super) async fn of_container(
        client: &Client,
        pod: &Pod,
        container: &Container,
    ) -> anyhow::Result<Self> {
        let mut named = Named::default();
        named.environment(container);
        Self::read(client, pod, named).await
    }

    async fn read(client: &Client, pod: &Pod, named: Named) -> anyhow::Result<Self> {
        let namespace = pod.namespace().unwrap_or_default();
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        let mut sources = Self::default();
        for name in named.config_maps {
            if let Some(found) = config_maps.get_opt(&name).await? {
                let texts = found.data.into_iter().flatten().map(|(key, value)| (key, value.into_bytes()));
                let binary = found.binary_data.into_iter().flatten().map(|(key, value)| (key, value.0));
                sources.config_maps.insert(name, texts.chain(binary).collect());
            }
        }
        for name in named.secrets {
            if let Some(found) = secrets.get_opt(&name).await? {
                let data = found.data.into_iter().flatten().map(|(key, value)| (key, value.0));
                sources.secrets.insert(name, data.collect());
            }
        }
        for (audience, expiration) in named.tokens {
            let token = token(client, pod, audience.clone(), expiration).await?;
            sources.tokens.insert(audience, token);
        }
        Ok(sources)
    }
}

impl Named {
    fn environment(&mut self, container: &Container) {
        for from in container.env_from.iter().flatten() {
            self.config_maps.extend(from.config_map_ref.iter().map(|source| source.name.clone()));
            self.secrets.extend(from.secret_ref.iter().map(|source| source.name.clone()));
        }
        let values = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
        for value in values {
            self.config_maps.extend(value.config_map_key_ref.iter().map(|source| source.name.clone()));
            self.secrets.extend(value.secret_key_ref.iter().map(|source| source.name.clone()));
        }
    }

    fn volumes(&mut self, spec: &PodSpec) {
        for volume in spec.volumes.iter().flatten() {
            self.config_maps.extend(volume.config_map.iter().map(|source| source.name.clone()));
            self.secrets.extend(volume.secret.iter().filter_map(|source| source.secret_name.clone()));
            let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
            projected.for_each(|source| self.projection(source));
        }
    }

    fn projection(&mut self, source: &VolumeProjection) {
        self.config_maps.extend(source.config_map.iter().map(|source| source.name.clone()));
        self.secrets.extend(source.secret.iter().map(|source| source.name.clone()));
        if let Some(ServiceAccountTokenProjection { audience, expiration_seconds, .. }) =
            &source.service_account_token
        {
            self.tokens.insert(audience.clone(), expiration_seconds.unwrap_or(EXPIRATION));
        }
    }
}

/// A token that is good as long as the Pod exists.
async fn token(
    client: &Client,
    pod: &Pod,
    audience: Option<String>,
    expiration: i64,
) -> anyhow::Result<String> {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
    let account = account.context("a Pod that asks for a token has no service account")?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name_any()),
        uid: pod.uid(),
    };
    let spec = TokenRequestSpec {
        audiences: audience.into_iter().collect(),
        bound_object_ref: Some(bound),
        expiration_seconds: Some(expiration),
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await;
    let answer = answer.with_context(|| format!("a token of service account {account}"))?;
    Ok(answer.status.context("a TokenRequest without answer")?.token)
}
