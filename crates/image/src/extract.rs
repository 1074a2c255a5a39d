//! The reverse: the files of an image, as a container engine lays them out.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use flate2::read::GzDecoder;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};
use serde::de::DeserializeOwned;

use crate::digest::digest;
use crate::layout::arch;
use crate::program::Architecture;

/// How a container of an image runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// As the image has it: `user:group`.
    pub user: String,
    /// Each `NAME=value`.
    pub env: Vec<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments of a container that gives none.
    pub cmd: Vec<String>,
    /// What the image says of itself.
    pub labels: Vec<(String, String)>,
}

/// Extracts the image for a processor from an image layout into a folder, and answers how its
/// containers run. Owners are not set: that takes root.
///
/// # Errors
/// If the layout lacks the image, a part is not what its digest says, or the folder cannot be
/// written.
pub fn extract(layout: &Path, architecture: Architecture, folder: &Path) -> anyhow::Result<Container> {
    let first = ImageIndex::from_file(layout.join("index.json"))
        .with_context(|| format!("{} is not an image layout", layout.display()))?;
    let index = first.manifests().first().context("the image layout is empty")?;
    let index: ImageIndex = json(layout, index)?;
    let fits = |manifest: &&Descriptor| {
        manifest.platform().as_ref().is_some_and(|platform| *platform.architecture() == arch(architecture))
    };
    let manifest = index.manifests().iter().find(fits);
    let manifest =
        manifest.with_context(|| format!("{} holds no image for {architecture}", layout.display()))?;
    let manifest: ImageManifest = json(layout, manifest)?;
    for layer in manifest.layers() {
        let bytes = blob(layout, layer)?;
        let mut archive = tar::Archive::new(GzDecoder::new(&*bytes));
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(false);
        archive.unpack(folder).with_context(|| format!("extracting into {}", folder.display()))?;
    }
    let configuration: ImageConfiguration = json(layout, manifest.config())?;
    let config = configuration.config().clone().unwrap_or_default();
    let mut labels: Vec<_> = config.labels().clone().unwrap_or_default().into_iter().collect();
    labels.sort();
    Ok(Container {
        user: config.user().clone().unwrap_or_default(),
        env: config.env().clone().unwrap_or_default(),
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        labels,
    })
}

fn json<T: DeserializeOwned>(layout: &Path, descriptor: &Descriptor) -> anyhow::Result<T> {
    let bytes = blob(layout, descriptor)?;
    serde_json::from_slice(&bytes).with_context(|| format!("reading {}", descriptor.digest()))
}

fn blob(layout: &Path, descriptor: &Descriptor) -> anyhow::Result<Vec<u8>> {
    let path = layout.join("blobs/sha256").join(descriptor.digest().digest());
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let intact = bytes.len() as u64 == descriptor.size() && digest(&bytes) == descriptor.digest().as_ref();
    ensure!(intact, "{} is damaged: it is not what its name says", path.display());
    Ok(bytes)
}
