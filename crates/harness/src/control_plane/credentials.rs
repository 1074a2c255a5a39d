//! The files by which clients and API server trust each other.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use serde_json::json;

/// A user known by a token.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

impl User {
    /// May do everything.
    pub(super) fn admin() -> Self {
        Self {
            token: "admin-token".to_owned(),
            name: "admin".to_owned(),
            groups: vec!["system:masters".to_owned()],
        }
    }
}

/// Paths of the written files, and the certificate authority itself.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) ca: PathBuf,
    pub(super) ca_pem: String,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) tokens: PathBuf,
    /// Signs the tokens of service accounts.
    pub(super) signing_key: PathBuf,
    pub(super) signing_public_key: PathBuf,
}

impl Credentials {
    /// The certificate is for loopback, and for one more address if there is one.
    pub(super) fn write(folder: &Path, users: &[User], also: Option<Ipv4Addr>) -> anyhow::Result<Self> {
        let ca_key = KeyPair::generate()?;
        let mut ca_params = CertificateParams::new(Vec::new())?;
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = ca_params.self_signed(&ca_key)?;

        let server_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        let addresses = std::iter::once(Ipv4Addr::LOCALHOST).chain(also);
        params.subject_alt_names.extend(addresses.map(|address| SanType::IpAddress(IpAddr::V4(address))));
        let server = params.signed_by(&server_key, &Issuer::from_params(&ca_params, &ca_key))?;

        let signing = KeyPair::generate()?;
        let tokens: String = users.iter().map(token_line).collect();
        let ca_pem = ca.pem();
        Ok(Self {
            ca: write(folder, "ca.crt", &ca_pem)?,
            certificate: write(folder, "server.crt", &server.pem())?,
            key: write(folder, "server.key", &server_key.serialize_pem())?,
            tokens: write(folder, "tokens.csv", &tokens)?,
            signing_key: write(folder, "service-accounts.key", &signing.serialize_pem())?,
            signing_public_key: write(folder, "service-accounts.pub", &signing.public_key_pem())?,
            ca_pem,
        })
    }

    /// Writes a kubeconfig for one user. It is JSON, which is YAML too.
    pub(super) fn kubeconfig(&self, path: PathBuf, url: &str, token: &str) -> anyhow::Result<PathBuf> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": self.ca}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
            "current-context": "test",
        });
        fs::write(&path, config.to_string()).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

fn token_line(user: &User) -> String {
    let User { token, name, groups } = user;
    format!("{token},{name},{name},\"{}\"\n", groups.join(","))
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
