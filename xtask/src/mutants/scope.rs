//! Which code is changed, and which tests have to notice.

/// Some files of a crate, and its tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// The crate's folder below `crates`; its package has `ako-` before that.
    pub(crate) place: &'static str,
    /// Globs below `src` of that folder; each has to match.
    pub(crate) files: &'static [&'static str],
    /// Arguments that choose tests. What the first ones do not notice is tried
    /// with the next ones.
    pub(crate) stages: &'static [&'static [&'static str]],
}

/// Where a wrong decision deletes, writes twice or tells a lie.
pub(crate) const SCOPES: [Scope; 4] = [
    Scope {
        place: "elect",
        files: &["elector.rs", "permit.rs", "fitness.rs"],
        // The model check takes much longer than everything else together.
        stages: &[
            &["--lib", "--test", "lease", "--test", "steps", "--test", "virtual_time"],
            &["--test", "model"],
        ],
    },
    Scope {
        place: "engine",
        files: &["*guard*.rs", "need.rs", "agenda*.rs", "shield.rs", "publisher*.rs"],
        stages: &[&["--lib", "--tests"]],
    },
    Scope {
        place: "avi-io",
        files: &["writer*.rs", "transport.rs", "session.rs", "observation.rs"],
        stages: &[&["--lib", "--tests"]],
    },
    Scope { place: "kube-io", files: &["writer.rs"], stages: &[&["--lib", "--tests"]] },
];

/// Mutants that nobody has to notice: how things are shown to people.
pub(crate) const EXCLUDED: [&str; 3] =
    ["impl (std::)?(fmt::)?Display for", "impl (std::)?(fmt::)?Debug for", "_tests?\\.rs:"];

impl Scope {
    pub(crate) fn package(&self) -> String {
        format!("ako-{}", self.place)
    }

    /// The globs, seen from the root of the repository.
    pub(crate) fn globs(&self) -> impl Iterator<Item = String> {
        self.files.iter().map(|file| format!("crates/{}/src/{file}", self.place))
    }
}
