//! The operator's image in a folder, with a program that tests have built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ako_image::{About, Container, Program, Variant};
use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::kubelet::Image;

/// An image that was assembled and extracted as it would be from a registry. Its files are gone
/// when this is dropped.
#[derive(Debug)]
pub struct OperatorImage {
    folder: TempDir,
    container: Container,
}

impl OperatorImage {
    /// The image of a program. `find_binary` of [`crate::operator`] finds the operator.
    ///
    /// What is released is linked with musl and alone in its image. What tests have built is
    /// linked with the libraries of this machine; so copies of them are added, which the image
    /// does not have.
    ///
    /// # Errors
    /// If there is no such program, or it cannot be run on this machine.
    pub fn of(program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a folder for an image")?;
        let (layout, root) = (folder.path().join("layout"), folder.path().join("root"));
        let path = program;
        let program = Program::read(path)?;
        let (architecture, is_static) = (program.architecture(), program.is_static());
        let variant = Variant { program, bill: "{}".to_owned(), untried: false };
        ako_image::write(
            &About { version: "0.0.0-test".to_owned(), ..About::default() },
            &[variant],
            &layout,
        )?;
        let container = ako_image::extract(&layout, architecture, &root)?;
        fs::remove_dir_all(&layout).context("removing the archive of an image")?;
        if !is_static {
            add_libraries(path, &root)?;
        }
        Ok(Self { folder, container })
    }

    /// The folder that holds the files.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// How its containers run, as the image has it.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The image for a kubelet, see [`crate::kubelet::Images`].
    pub fn image(&self) -> Image {
        fn words(words: &[String]) -> Vec<&str> {
            words.iter().map(String::as_str).collect()
        }
        let Container { user, env, entrypoint, cmd, .. } = &self.container;
        let image = Image::extracted(self.root()).entrypoint(&words(entrypoint)).args(&words(cmd));
        let image = match user.split(':').next().and_then(|user| user.parse().ok()) {
            Some(user) => image.user(user),
            None => image,
        };
        let variables = env.iter().filter_map(|variable| variable.split_once('='));
        variables.fold(image, |image, (name, value)| image.env(name, value))
    }
}

/// Copies what the dynamic loader would load, and the loader itself, to the same paths.
fn add_libraries(program: &Path, root: &Path) -> anyhow::Result<()> {
    // By this the loader lists them instead of starting the program, as `ldd` does.
    let output = Command::new(program).env("LD_TRACE_LOADED_OBJECTS", "1").output();
    let output = output.with_context(|| format!("asking the loader what {} loads", program.display()))?;
    ensure!(output.status.success(), "the loader cannot load {} ({})", program.display(), output.status);
    let list = String::from_utf8_lossy(&output.stdout);
    for library in list.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap_or(root))?;
        fs::copy(library, &to).with_context(|| format!("copying {library} into an image"))?;
    }
    Ok(())
}
