//! `cargo xtask image`: the operator's container image.

mod build;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ako_image::{About, Program, Variant, Written, bill_of_materials};
use anyhow::{Context as _, bail, ensure};

use self::build::{Platform, Release};
use crate::program::target_folder;

/// What the files of an image may take: more of it is a mistake.
const MOST_UNPACKED: u64 = 25_000_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder for the image; `target/container-image` if it is not given
    #[arg(long)]
    output: Option<PathBuf>,
    /// A program that was built before, which is taken instead of building; once for each processor
    #[arg(long)]
    program: Vec<PathBuf>,
    /// Builds the last commit twice, in two folders, and compares the images
    #[arg(long, conflicts_with_all = ["program", "output"])]
    prove: bool,
}

/// Writes the image and says what it is. Answers whether all went well.
pub(crate) fn run(arguments: &Arguments, root: &Path) -> anyhow::Result<bool> {
    if arguments.prove {
        return prove(root);
    }
    let folder = arguments.output.clone().unwrap_or_else(|| target_folder(root).join("container-image"));
    let (programs, left_out) = if arguments.program.is_empty() {
        build_all(&Release { root, target: &target_folder(root) })?
    } else {
        let read = |path: &PathBuf| Program::read(path);
        (arguments.program.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?, Vec::new())
    };
    let about = about(root)?;
    let written = write(root, &about, programs, &folder)?;
    println!("image {} in {}", about.version, folder.display());
    report(&written);
    for why in left_out {
        println!("left out: {why}");
    }
    Ok(true)
}

/// Has Rust build for the image of this machine's processor, or says why it cannot.
pub(crate) fn add_native_target() -> anyhow::Result<Result<(), String>> {
    let native = build::PLATFORMS.iter().find(|platform| platform.is_native());
    native.map_or_else(|| Ok(Err("there are no images for this processor".to_owned())), Platform::add_target)
}

/// A program for each processor that this machine can build for, and why there is none for the
/// others.
fn build_all(release: &Release<'_>) -> anyhow::Result<(Vec<Program>, Vec<String>)> {
    let mut programs = Vec::new();
    let mut left_out = Vec::new();
    for platform in &build::PLATFORMS {
        match platform.compiler()? {
            Ok(compiler) => programs.push(release.build(platform, &compiler)?),
            Err(why) => left_out.push(format!("{}: {why}", platform.architecture)),
        }
    }
    ensure!(!programs.is_empty(), "nothing can be built: {}", left_out.join("; "));
    Ok((programs, left_out))
}

fn write(root: &Path, about: &About, programs: Vec<Program>, folder: &Path) -> anyhow::Result<Written> {
    let rust = build::rust_version()?;
    let mut variants = Vec::new();
    for program in programs {
        ensure!(
            program.is_static(),
            "the program for {} needs a dynamic loader and libraries, and the image has none: build it for a \
             target of musl",
            program.architecture()
        );
        let platform = Platform::of(program.architecture());
        let bill = bill_of_materials(root, platform.target, &rust)?;
        variants.push(Variant { untried: !platform.is_native(), bill, program });
    }
    let written = ako_image::write(about, &variants, folder)?;
    for variant in &variants {
        let beside = folder.with_added_extension(format!("{}.cdx.json", variant.program.architecture()));
        fs::write(&beside, &variant.bill).with_context(|| format!("writing {}", beside.display()))?;
    }
    for variant in &written.variants {
        let (size, architecture) = (megabytes(variant.unpacked), variant.architecture);
        let most = megabytes(MOST_UNPACKED);
        ensure!(
            variant.unpacked <= MOST_UNPACKED,
            "the image for {architecture} has {size} unpacked, more than {most}"
        );
    }
    Ok(written)
}

fn report(written: &Written) {
    println!("digest {}", written.digest);
    for variant in &written.variants {
        let (pulled, unpacked) = (megabytes(variant.compressed), megabytes(variant.unpacked));
        let untried = if Platform::of(variant.architecture).is_native() { "" } else { " (never run)" };
        println!(
            "{}: {pulled} to pull, {unpacked} unpacked, {}{untried}",
            variant.architecture, variant.digest
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// What the image says of itself. The time is that of the commit, or `SOURCE_DATE_EPOCH`.
fn about(root: &Path) -> anyhow::Result<About> {
    let revision = git(root, &["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]).ok();
    let created = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => git(root, &["log", "-1", "--format=%ct"])
            .context("the time of the commit is not known: set SOURCE_DATE_EPOCH, in seconds since 1970")?,
    };
    let created =
        created.trim().parse().with_context(|| format!("SOURCE_DATE_EPOCH: {created:?} is no number"))?;
    Ok(About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision,
        source: env!("CARGO_PKG_REPOSITORY").to_owned(),
        licenses: env!("CARGO_PKG_LICENSE").to_owned(),
        created,
    })
}

fn git(root: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").args(args).current_dir(root).output().context("starting git")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`git {}` failed: {}", args.join(" "), errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Two folders whose names have different lengths: neither may show in the image.
fn prove(root: &Path) -> anyhow::Result<bool> {
    let scratch = target_folder(root).join("image-proof");
    fs::create_dir_all(&scratch).with_context(|| format!("creating {}", scratch.display()))?;
    let scratch = tempfile::tempdir_in(&scratch).context("a folder for the proof")?;
    let mut written = Vec::new();
    for name in ["one", "the-other"] {
        let copy = scratch.path().join(name);
        git(root, &["clone", "--quiet", &root.display().to_string(), &copy.display().to_string()])?;
        let (programs, _) = build_all(&Release { root: &copy, target: &copy.join("target") })?;
        let image = write(&copy, &about(&copy)?, programs, &scratch.path().join(format!("{name}-image")))?;
        println!("=== built in {}", copy.display());
        report(&image);
        written.push(image);
    }
    if written.windows(2).any(|images| images[0] != images[1]) {
        bail!("the images differ: what is built depends on the folder");
    }
    println!("both images are the same");
    Ok(true)
}
