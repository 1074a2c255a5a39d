//! The OCI image layout: what an image says of itself, and where its parts are.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::str::FromStr as _;

use anyhow::{Context as _, ensure};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, ImageConfigurationBuilder, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, PlatformBuilder, RootFsBuilder, SCHEMA_VERSION,
};

use crate::digest::digest;
use crate::layer::Layer;
use crate::program::{Architecture, Program};
use crate::root::{self, PROGRAM, USER};

/// The annotation of an image that nobody has run, with the reason.
pub const UNTRIED: &str = "ako-rs.io/untried";

/// What is said of an image, in the words of `org.opencontainers.image`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The version of the program, which is the image's tag, too.
    pub version: String,
    /// The commit, where it is known.
    pub revision: Option<String>,
    /// Where the sources are.
    pub source: String,
    /// An SPDX expression.
    pub licenses: String,
    /// In seconds since 1970: of the commit, not of the clock.
    pub created: i64,
}

/// An image for one processor.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The operator.
    pub program: Program,
    /// What it is made of, see [`crate::bill_of_materials`].
    pub bill: String,
    /// Whether nobody has run it.
    pub untried: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Of the index of all variants: what the image is pulled by.
    pub digest: String,
    /// In the order in which they were given.
    pub variants: Vec<WrittenVariant>,
}

/// What was written of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenVariant {
    /// Its processor.
    pub architecture: Architecture,
    /// Of its manifest.
    pub digest: String,
    /// Bytes to pull.
    pub compressed: u64,
    /// Bytes of its files.
    pub unpacked: u64,
}

/// Writes the image into a folder, which is replaced if it holds an image already.
///
/// # Errors
/// If two variants are for one processor, or the folder holds something else or cannot be written.
pub fn write(about: &About, variants: &[Variant], folder: &Path) -> anyhow::Result<Written> {
    let mut architectures: Vec<_> = variants.iter().map(|variant| variant.program.architecture()).collect();
    ensure!(!architectures.is_empty(), "an image needs a program");
    architectures.sort_unstable();
    architectures.dedup();
    ensure!(
        architectures.len() == variants.len(),
        "two programs are for the same processor: give one of each"
    );
    let blobs = Blobs::new(folder)?;
    let mut manifests = Vec::new();
    let mut written = Vec::new();
    for variant in variants {
        let (manifest, report) = write_variant(about, variant, &blobs)?;
        manifests.push(manifest);
        written.push(report);
    }
    let index = index(manifests, about.annotations()?)?;
    let name = HashMap::from([("org.opencontainers.image.ref.name".to_owned(), about.version.clone())]);
    let index = blobs.add_json(MediaType::ImageIndex, &index)?.annotations(name).build()?;
    let digest = index.digest().to_string();
    blobs.end(index)?;
    Ok(Written { digest, variants: written })
}

fn write_variant(
    about: &About,
    variant: &Variant,
    blobs: &Blobs<'_>,
) -> anyhow::Result<(Descriptor, WrittenVariant)> {
    let architecture = variant.program.architecture();
    let layer = Layer::of(&root::entries(&variant.program.bytes, variant.bill.as_bytes()))?;
    let config =
        blobs.add_json(MediaType::ImageConfig, &configuration(about, architecture, &layer)?)?.build()?;
    let compressed = blobs.add(MediaType::ImageLayerGzip, &layer.compressed)?.build()?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(vec![compressed])
        .annotations(about.annotations()?)
        .build()?;
    let platform = PlatformBuilder::default().architecture(arch(architecture)).os(Os::Linux).build()?;
    let mut manifest = blobs.add_json(MediaType::ImageManifest, &manifest)?.platform(platform);
    if variant.untried {
        let why = "built on a machine with another processor, and never run";
        manifest = manifest.annotations(HashMap::from([(UNTRIED.to_owned(), why.to_owned())]));
    }
    let manifest = manifest.build()?;
    let report = WrittenVariant {
        architecture,
        digest: manifest.digest().to_string(),
        compressed: layer.compressed.len() as u64,
        unpacked: layer.unpacked,
    };
    Ok((manifest, report))
}

/// What a container engine has to know to run it.
fn configuration(
    about: &About,
    architecture: Architecture,
    layer: &Layer,
) -> anyhow::Result<oci_spec::image::ImageConfiguration> {
    let (folder, _) = PROGRAM.rsplit_once('/').unwrap_or_default();
    let config = ConfigBuilder::default()
        .user(format!("{USER}:{USER}"))
        // The chart's command is `ako`.
        .env(vec![format!("PATH={folder}")])
        .entrypoint(vec![PROGRAM.to_owned()])
        .cmd(vec!["run".to_owned()])
        .working_dir("/")
        .labels(about.annotations()?)
        .build()?;
    let layers = RootFsBuilder::default().typ("layers").diff_ids(vec![layer.archive.clone()]).build()?;
    let configuration = ImageConfigurationBuilder::default()
        .created(about.created()?)
        .architecture(arch(architecture))
        .os(Os::Linux)
        .config(config)
        .rootfs(layers);
    Ok(configuration.build()?)
}

fn index(
    manifests: Vec<Descriptor>,
    annotations: HashMap<String, String>,
) -> anyhow::Result<oci_spec::image::ImageIndex> {
    let index = ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .annotations(annotations);
    Ok(index.build()?)
}

pub(crate) fn arch(architecture: Architecture) -> Arch {
    match architecture {
        Architecture::Amd64 => Arch::Amd64,
        Architecture::Arm64 => Arch::ARM64,
    }
}

impl About {
    fn created(&self) -> anyhow::Result<String> {
        let created = jiff::Timestamp::from_second(self.created);
        Ok(created
            .with_context(|| format!("{} s since 1970 is no time of an image", self.created))?
            .to_string())
    }

    fn annotations(&self) -> anyhow::Result<HashMap<String, String>> {
        let created = self.created()?;
        let all = [
            ("title", Some("ako")),
            ("description", Some("Programs an Avi Controller so that traffic reaches the pods of a cluster")),
            ("version", Some(self.version.as_str())),
            ("revision", self.revision.as_deref()),
            ("source", Some(self.source.as_str())),
            ("licenses", Some(self.licenses.as_str())),
            ("created", Some(created.as_str())),
        ];
        let known = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(known
            .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value.to_owned()))
            .collect())
    }
}

/// The folder that is being written.
struct Blobs<'a> {
    folder: &'a Path,
}

impl<'a> Blobs<'a> {
    fn new(folder: &'a Path) -> anyhow::Result<Self> {
        let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
        let shown = folder.display();
        if !is_empty {
            let is_layout = folder.join("oci-layout").is_file();
            ensure!(
                is_layout,
                "{shown} holds something that is not an image: name another folder for the image"
            );
            fs::remove_dir_all(folder).with_context(|| format!("removing the former image in {shown}"))?;
        }
        fs::create_dir_all(folder.join("blobs/sha256")).with_context(|| format!("creating {shown}"))?;
        Ok(Self { folder })
    }

    fn add(&self, media_type: MediaType, bytes: &[u8]) -> anyhow::Result<DescriptorBuilder> {
        let digest = oci_spec::image::Digest::from_str(&digest(bytes))?;
        self.write(&format!("blobs/sha256/{}", digest.digest()), bytes)?;
        Ok(DescriptorBuilder::default().media_type(media_type).size(bytes.len() as u64).digest(digest))
    }

    fn add_json(
        &self,
        media_type: MediaType,
        value: &impl serde::Serialize,
    ) -> anyhow::Result<DescriptorBuilder> {
        self.add(media_type, &json(value)?)
    }

    /// What a reader looks for first comes last.
    fn end(self, index_of_variants: Descriptor) -> anyhow::Result<()> {
        let index = index(vec![index_of_variants], HashMap::new())?;
        self.write("index.json", &json(&index)?)?;
        let version = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;
        self.write("oci-layout", &json(&version)?)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.join(path);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }
}

/// The types have maps without an order; values have one.
fn json(value: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&serde_json::to_value(value)?)?)
}
