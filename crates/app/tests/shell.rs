//! What a user's shell gets of `ako`.
#![allow(clippy::unwrap_used)] // in the function that tests share

use std::process::{Command, Output};

fn ako(arguments: &[&str]) -> Output {
    let mut ako = Command::new(env!("CARGO_BIN_EXE_ako"));
    ako.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_version_of_the_client_is_told_also_where_no_operator_answers() {
    let version = env!("CARGO_PKG_VERSION");
    let client = ako(&["version", "--client"]);
    assert!(client.status.success());
    assert_eq!(text(&client.stdout), format!("Client    {version}\n"));
    // Nobody listens on port 1.
    let both = ako(&["version", "--local", "--port", "1", "-o", "json"]);
    assert_eq!(both.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(told, serde_json::json!({"client": version, "operator": null}));
    assert!(
        text(&both.stderr).contains("the version of the operator is not known"),
        "{}",
        text(&both.stderr)
    );
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = text(&ako(&["completion", shell]).stdout);
        for command in ["crd-operator", "translate", "release-deletions"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("man1");
    assert!(ako(&["man", path.to_str().unwrap()]).status.success());
    let pages: Vec<_> = std::fs::read_dir(&path).unwrap().map(|page| page.unwrap().file_name()).collect();
    for page in ["ako.1", "ako-status.1", "ako-crd-operator.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is not in {pages:?}");
    }
    // A file is no folder.
    let refused = ako(&["man", path.join("ako.1").to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("cannot be written to"), "{}", text(&refused.stderr));
}
