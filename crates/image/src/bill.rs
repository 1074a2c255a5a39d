//! What the program is made of, in the words of CycloneDX.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

/// The package of the program.
const PACKAGE: &str = "ako-app";

/// What is linked into the operator for a target of the Rust compiler, as JSON of CycloneDX:
/// the packages of `Cargo.lock`, and the standard library of the Rust version.
///
/// Cargo is asked for the tree of the one package, since `cargo metadata` adds what only other
/// members of the workspace make of a dependency. Macros and build scripts run on the machine
/// that builds, and are not in there.
///
/// # Errors
/// If cargo cannot be asked, or answers something else.
pub fn bill_of_materials(root: &Path, target: &str, rust: &str) -> anyhow::Result<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--package", PACKAGE, "--edges", "normal,no-proc-macro"])
        .args(["--target", target, "--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}\t{r}"])
        .current_dir(root)
        .output()
        .context("starting `cargo tree`")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo tree` failed ({}): {}", output.status, errors.trim());
    let tree = String::from_utf8(output.stdout).context("what `cargo tree` printed")?;
    let bill = written(&tree, rust)?;
    Ok(format!("{bill:#}\n"))
}

/// A line of `cargo tree`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// Not from crates.io.
    is_ours: bool,
    licence: String,
    repository: &'a str,
}

impl<'a> Package<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split('\t');
        let mut package = fields.next()?.split(' ');
        let (name, version) = (package.next()?, package.next()?.strip_prefix('v')?);
        // Old manifests separate alternatives by a slash.
        let licence = fields.next()?.replace(" / ", " OR ").replace('/', " OR ");
        Some(Self { name, version, is_ours: package.next().is_some(), licence, repository: fields.next()? })
    }

    fn component(&self, kind: &str) -> Value {
        let mut component = json!({
            "type": kind, "name": self.name, "version": self.version,
            "licenses": [{"expression": self.licence}],
        });
        if !self.is_ours {
            component["purl"] = json!(format!("pkg:cargo/{}@{}", self.name, self.version));
        }
        if !self.repository.is_empty() {
            component["externalReferences"] = json!([{"type": "vcs", "url": self.repository}]);
        }
        component
    }
}

fn written(tree: &str, rust: &str) -> anyhow::Result<Value> {
    let read = |line| Package::read(line).with_context(|| format!("`cargo tree` printed {line:?}"));
    let mut packages = tree.lines().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    packages.sort();
    packages.dedup();
    let program = packages.iter().find(|package| package.name == PACKAGE);
    let program =
        program.with_context(|| format!("`cargo tree` does not print {PACKAGE}"))?.component("application");
    let standard = json!({
        "type": "library", "name": "rust-std", "version": rust,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "description": "The standard library of Rust, with the C library of its target",
    });
    let libraries = packages.iter().filter(|package| package.name != PACKAGE);
    let components: Vec<_> =
        libraries.map(|package| package.component("library")).chain([standard]).collect();
    Ok(json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": program}, "components": components,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "ako-app v0.1.0 (/ws/crates/app)\tApache-2.0\t\nlog v1.2.3\tMIT/Apache-2.0\thttps://log\n\
        ako-core v0.1.0 (/ws/crates/core)\tApache-2.0\t\nlog v1.2.3\tMIT/Apache-2.0\thttps://log\n";

    #[test]
    fn a_package_is_there_once_with_its_licence() {
        let bill = written(TREE, "1.95.0").unwrap();
        assert_eq!(bill["metadata"]["component"]["name"], "ako-app");
        let components = bill["components"].as_array().unwrap();
        let names: Vec<_> = components.iter().map(|component| component["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["ako-core", "log", "rust-std"]);
        assert_eq!(components[1]["purl"], "pkg:cargo/log@1.2.3");
        assert_eq!(components[1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert!(!bill.to_string().contains("/ws/"), "a path of this machine: {bill}");
    }

    #[test]
    fn other_output_is_refused_with_the_line() {
        let refused = |tree| format!("{:#}", written(tree, "1.95.0").unwrap_err());
        assert!(refused("what is this").contains("what is this"));
        assert!(refused("log v1.2.3\tMIT\t").contains("does not print ako-app"));
    }
}
