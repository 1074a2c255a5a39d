//! Images of programs that consist of a header alone: what is around the program.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ako_image::{
    About, Architecture, BILL, CERTIFICATES, PROGRAM, Program, UNTRIED, Variant, extract, write,
};
use flate2::read::GzDecoder;
use oci_spec::image::{Arch, ImageIndex, ImageManifest};
use serde_json::Value;
use tempfile::TempDir;

const X86_64: u8 = 62;
const AARCH64: u8 = 183;

fn program(machine: u8) -> Program {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    (bytes[16], bytes[18], bytes[20]) = (2, machine, 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ako");
    fs::write(&path, bytes).unwrap();
    Program::read(&path).unwrap()
}

fn variant(machine: u8, bill: &str) -> Variant {
    Variant { program: program(machine), bill: bill.to_owned(), untried: machine == AARCH64 }
}

fn about() -> About {
    About {
        version: "1.2.3".into(),
        revision: Some("c0ffee".into()),
        source: "https://example.com/ako".into(),
        licenses: "Apache-2.0".into(),
        created: 1_700_000_000,
    }
}

fn blob(layout: &Path, digest: &str) -> Vec<u8> {
    fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap()
}

/// The manifest of the first variant, and the index of all.
fn manifest(layout: &Path, digest: &str) -> (ImageManifest, ImageIndex) {
    let index: ImageIndex = serde_json::from_slice(&blob(layout, digest)).unwrap();
    let first = index.manifests()[0].digest().to_string();
    (serde_json::from_slice(&blob(layout, &first)).unwrap(), index)
}

/// Every file of a folder with what is in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_same_program_makes_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let variants = [variant(X86_64, "{}"), variant(AARCH64, "{}")];
    let images = ["one", "two"].map(|name| folder.path().join(name));
    let written = images.each_ref().map(|image| write(&about(), &variants, image).unwrap());
    assert_eq!(written[0], written[1]);
    assert_eq!(files(&images[0]), files(&images[1]));
    // Once more over the first, with something else in it.
    let changed = write(&about(), &[variant(X86_64, "{ }"), variant(AARCH64, "{}")], &images[0]).unwrap();
    assert_ne!(changed.digest, written[0].digest);
    assert_ne!(changed.variants[0].digest, written[0].variants[0].digest);
    assert_eq!(changed.variants[1], written[0].variants[1]);
    assert_eq!(files(&images[0]).len(), files(&images[1]).len(), "of the former image nothing is left");
}

#[test]
fn the_files_are_those_that_are_needed_and_nobody_may_change_them() {
    let layout = tempfile::tempdir().unwrap();
    let written = write(&about(), &[variant(X86_64, "{}")], layout.path()).unwrap();
    let (manifest, _) = manifest(layout.path(), &written.digest);
    let layer = blob(layout.path(), manifest.layers()[0].digest().as_ref());
    assert_eq!(&layer[4..8], [0; 4], "the header of gzip has a time");
    let mut archive = tar::Archive::new(GzDecoder::new(&*layer));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let owner = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
        assert_eq!(owner, (0, 0, 0), "owner, group and time");
        found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap()));
    }
    let expected = [
        ("etc/", 0o755),
        ("etc/group", 0o644),
        ("etc/passwd", 0o644),
        ("etc/ssl/", 0o755),
        ("etc/ssl/certs/", 0o755),
        ("etc/ssl/certs/ca-certificates.crt", 0o644),
        ("tmp/", 0o1777),
        ("usr/", 0o755),
        ("usr/local/", 0o755),
        ("usr/local/bin/", 0o755),
        ("usr/local/bin/ako", 0o755),
        ("usr/share/", 0o755),
        ("usr/share/sbom/", 0o755),
        ("usr/share/sbom/ako.cdx.json", 0o644),
    ];
    assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
    for (path, mode) in found {
        assert_eq!(mode & 0o6000, 0, "{path} gives its owner's rights away");
        assert!(mode & 0o002 == 0 || path == "tmp/", "everybody may write {path}");
    }
}

#[test]
fn an_image_says_how_it_runs_and_where_it_is_from() {
    let (layout, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&about(), &[variant(AARCH64, "{}"), variant(X86_64, "the bill")], layout.path()).unwrap();
    let container = extract(layout.path(), Architecture::Amd64, root.path()).unwrap();
    assert_eq!(container.user, "65532:65532");
    assert_eq!(container.entrypoint, [PROGRAM]);
    assert_eq!(container.cmd, ["run"]);
    assert_eq!(container.env, ["PATH=/usr/local/bin"]);
    let labels: Vec<_> =
        container.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let label = |name| format!("org.opencontainers.image.{name}");
    for (name, value) in [
        ("title", "ako"),
        ("version", "1.2.3"),
        ("revision", "c0ffee"),
        ("licenses", "Apache-2.0"),
        ("source", "https://example.com/ako"),
        ("created", "2023-11-14T22:13:20Z"),
    ] {
        assert!(labels.contains(&(label(name).as_str(), value)), "{name} in {labels:?}");
    }
    let read = |path: &str| fs::read_to_string(root.path().join(path.trim_start_matches('/'))).unwrap();
    assert_eq!(read(BILL), "the bill");
    assert!(read("/etc/passwd").contains("\nako:x:65532:65532:"));
    assert!(read("/etc/group").contains("\nako:x:65532:"));
    assert!(read(CERTIFICATES).starts_with("-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn the_image_of_a_processor_is_found_and_an_untried_one_says_so() {
    let layout = tempfile::tempdir().unwrap();
    let variants = [variant(X86_64, "{}"), variant(AARCH64, "{}")];
    let written = write(&about(), &variants, layout.path()).unwrap();
    let (manifest, index) = manifest(layout.path(), &written.digest);
    let architectures = index.manifests().iter().map(|one| one.platform().as_ref().unwrap().architecture());
    assert_eq!(architectures.collect::<Vec<_>>(), [&Arch::Amd64, &Arch::ARM64]);
    let untried =
        |at: usize| index.manifests()[at].annotations().as_ref().is_some_and(|all| all.contains_key(UNTRIED));
    assert_eq!([untried(0), untried(1)], [false, true]);
    // What the image is told apart by is the hash of the archive, not of its compressed form.
    let config: Value =
        serde_json::from_slice(&blob(layout.path(), manifest.config().digest().as_ref())).unwrap();
    let mut archive = Vec::new();
    let layer = blob(layout.path(), manifest.layers()[0].digest().as_ref());
    GzDecoder::new(&*layer).read_to_end(&mut archive).unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&archive);
    let hash = hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(config["rootfs"]["diff_ids"][0], hash);
    // A registry is told the tag by this.
    let outer = ImageIndex::from_file(layout.path().join("index.json")).unwrap();
    let name = &outer.manifests()[0].annotations().as_ref().unwrap()["org.opencontainers.image.ref.name"];
    assert_eq!(name, "1.2.3");
}

#[test]
fn wrong_inputs_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let refused = |variants: &[Variant]| format!("{:#}", write(&about(), variants, &image).unwrap_err());
    assert!(refused(&[]).contains("needs a program"));
    assert!(refused(&[variant(X86_64, "{}"), variant(X86_64, "{}")]).contains("same processor"));
    fs::create_dir(&image).unwrap();
    fs::write(image.join("diary"), "dear diary").unwrap();
    assert!(refused(&[variant(X86_64, "{}")]).contains("holds something that is not an image"));
    assert_eq!(fs::read_to_string(image.join("diary")).unwrap(), "dear diary");
}

#[test]
fn a_damaged_or_missing_image_is_not_extracted() {
    let (layout, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let refused = |layout: &TempDir, architecture| {
        format!("{:#}", extract(layout.path(), architecture, root.path()).unwrap_err())
    };
    assert!(refused(&layout, Architecture::Amd64).contains("is not an image layout"));
    let written = write(&about(), &[variant(X86_64, "{}")], layout.path()).unwrap();
    assert!(refused(&layout, Architecture::Arm64).contains("no image for arm64"));
    let (manifest, _) = manifest(layout.path(), &written.digest);
    let layer = layout.path().join("blobs/sha256").join(manifest.layers()[0].digest().digest());
    let mut bytes = fs::read(&layer).unwrap();
    bytes[100] ^= 1;
    fs::write(&layer, bytes).unwrap();
    assert!(refused(&layout, Architecture::Amd64).contains("damaged"));
}

/// The packages that a crate of ours depends on by itself, of one kind.
fn dependencies(package: &str, kind: &Value) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(["metadata", "--format-version=1", "--no-deps"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = metadata["packages"].as_array().unwrap().iter().find(|one| one["name"] == package).unwrap();
    let all = package["dependencies"].as_array().unwrap().iter();
    let of_kind = all.filter(|one| one["kind"] == *kind);
    of_kind.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_bill_lists_what_is_linked_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bill = ako_image::bill_of_materials(&root, "x86_64-unknown-linux-musl", "1.2.3").unwrap();
    assert!(!bill.contains(root.canonicalize().unwrap().to_str().unwrap()), "a path of this machine");
    let bill: Value = serde_json::from_str(&bill).unwrap();
    let components: BTreeMap<&str, &Value> = bill["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| (component["name"].as_str().unwrap(), component))
        .collect();
    for name in dependencies("ako-app", &Value::Null) {
        let component = components.get(name.as_str()).unwrap_or_else(|| panic!("{name} is missing"));
        let licence = component["licenses"][0]["expression"].as_str().unwrap();
        assert!(!licence.is_empty() && !licence.contains('/'), "{name}: {licence:?}");
        assert!(component["version"].is_string(), "{name} has no version");
    }
    let only_for_tests: Vec<_> = dependencies("ako-app", &"dev".into());
    assert!(only_for_tests.contains(&"tempfile".to_owned()), "{only_for_tests:?}");
    for name in ["ako-harness", "ako-sim-avi", "ako-sim-kube", "rcgen", "tempfile", "serde_derive", "cc"] {
        assert!(!components.contains_key(name), "{name} is not linked into the operator");
    }
    assert!(components.contains_key("ring") && components.contains_key("rust-std"));
}
