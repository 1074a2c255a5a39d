//! Which program an image stands for.

use std::path::PathBuf;

/// What a container of an image runs, and in which files.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub(super) root: Option<PathBuf>,
    pub(super) files: Vec<(String, PathBuf)>,
    pub(super) entrypoint: Vec<String>,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) user: Option<i64>,
}

impl Image {
    /// A program of this machine, which the container has at `path` as its entry point, with
    /// this machine's libraries and tools around it.
    pub fn program(path: &str, program: impl Into<PathBuf>) -> Self {
        Self { files: vec![(path.to_owned(), program.into())], ..Self::default() }.entrypoint(&[path])
    }

    /// An image that was extracted into a folder. It needs an entry point.
    pub fn extracted(root: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..Self::default() }
    }

    /// What is run where the container has no `command`.
    #[must_use]
    pub fn entrypoint(mut self, entrypoint: &[&str]) -> Self {
        self.entrypoint = entrypoint.iter().map(ToString::to_string).collect();
        self
    }

    /// The arguments where the container has neither `command` nor `args`.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args = args.iter().map(ToString::to_string).collect();
        self
    }

    /// A variable that containers have unless they set it themselves.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The user of containers without `runAsUser`.
    #[must_use]
    pub fn user(mut self, user: i64) -> Self {
        self.user = Some(user);
        self
    }

    /// What a container runs, given its `command` and `args`.
    pub(super) fn arguments(&self, command: Option<&[String]>, args: Option<&[String]>) -> Vec<String> {
        match (command.unwrap_or_default(), args.unwrap_or_default()) {
            ([], []) => [&self.entrypoint[..], &self.args].concat(),
            ([], args) => [&self.entrypoint[..], args].concat(),
            (command, args) => [command, args].concat(),
        }
    }
}

/// All images that there are.
#[derive(Clone, Debug, Default)]
pub struct Images(Vec<(String, Image)>);

impl Images {
    /// Adds an image: what Pods call it, or the beginning of that (`ako:` is every version).
    #[must_use]
    pub fn with(mut self, prefix: &str, image: Image) -> Self {
        self.0.push((prefix.to_owned(), image));
        self
    }

    /// The image with the longest fitting prefix.
    pub(super) fn find(&self, name: &str) -> Result<&Image, String> {
        let fitting = self.0.iter().filter(|(prefix, _)| name.starts_with(prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, image)| image).ok_or_else(|| {
            let known: Vec<_> = self.0.iter().map(|(prefix, _)| prefix.as_str()).collect();
            format!("no program stands for the image {name}; those of this kubelet are: {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let images =
            Images::default().with("ako", Image::extracted("/a")).with("ako:2", Image::extracted("/b"));
        assert_eq!(images.find("ako:2.2").unwrap().root, Some("/b".into()));
        assert_eq!(images.find("ako:1").unwrap().root, Some("/a".into()));
        let why = images.find("nginx").unwrap_err();
        assert!(why.contains("nginx") && why.contains("ako, ako:2"), "{why}");
    }

    #[test]
    fn command_and_args_replace_what_the_image_has() {
        let image = Image::program("/ako", "/target/ako").args(&["run"]);
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (command, args) = (words(&["sh"]), words(&["-c"]));
        assert_eq!(image.arguments(None, None), words(&["/ako", "run"]));
        assert_eq!(image.arguments(None, Some(&args)), words(&["/ako", "-c"]));
        assert_eq!(image.arguments(Some(&command), None), words(&["sh"]));
        assert_eq!(image.arguments(Some(&command), Some(&args)), words(&["sh", "-c"]));
    }
}
