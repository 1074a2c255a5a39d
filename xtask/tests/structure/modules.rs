//! Arrows between the modules of a crate: there is no circle, so that a module can be read
//! and understood with what is below it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::sources::{rust_files, without_tests};
use crate::workspace::{Metadata, name, root};

/// Crates that tests are built from, where modules that know each other were left as they are.
const NOT_SORTED_YET: [&str; 4] = ["ako-harness", "ako-sim-avi", "ako-sim-kube", "ako-simulation"];

/// A module by its place: `["run", "driver"]`.
type Module = Vec<String>;

/// Which modules each module names.
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn modules_do_not_go_round_in_circles() {
    let metadata = Metadata::read();
    for package in metadata.ours().filter(|package| !NOT_SORTED_YET.contains(&name(package))) {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let source = manifest.parent().unwrap().join("src");
        let arrows = arrows(&files(&source));
        for (level, arrows) in [("modules", arrows.clone()), ("folders", between_folders(&arrows))] {
            let circle =
                circle(&arrows).map(|modules| modules.iter().map(|m| m.join("::")).collect::<Vec<_>>());
            assert!(
                circle.is_none(),
                "{}: these {level} know each other in a circle: {}. Move what they share into a module below them",
                name(package),
                circle.unwrap_or_default().join(" -> ")
            );
        }
    }
}

/// The modules of a folder of sources, and their text without tests.
fn files(source: &Path) -> BTreeMap<Module, String> {
    let is_test =
        |path: &Path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    let files = rust_files(source).into_iter().filter(|path| !is_test(path));
    let modules = files.filter_map(|path| {
        let place = path.strip_prefix(source).unwrap().with_extension("");
        let mut module: Module = place.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let is_root = module.len() == 1 && (module[0] == "lib" || module[0] == "main");
        (!is_root && !module.is_empty())
            .then(|| (module, without_tests(&fs::read_to_string(&path).unwrap()).to_owned()))
    });
    modules.collect()
}

/// What each module names. Naming a module above is no arrow: a module is there with what it
/// is made of, and has an arrow to each part.
fn arrows(files: &BTreeMap<Module, String>) -> Arrows {
    let mut arrows: Arrows = files.keys().map(|module| (module.clone(), BTreeSet::new())).collect();
    for (module, text) in files {
        let named = paths(text).into_iter().filter_map(|path| {
            let path = resolved(module, &path)?;
            let known = (1..=path.len()).rev().map(|length| path[..length].to_vec());
            known.into_iter().find(|place| files.contains_key(place))
        });
        let named: BTreeSet<_> = named.filter(|named| !module.starts_with(named)).collect();
        arrows.entry(module.clone()).or_default().extend(named);
        let parent = module[..module.len() - 1].to_vec();
        if files.contains_key(&parent) {
            arrows.entry(parent).or_default().insert(module.clone());
        }
    }
    arrows
}

/// The same between the folders of a crate, and the modules beside them.
fn between_folders(arrows: &Arrows) -> Arrows {
    let mut folders = Arrows::new();
    for (from, to) in arrows {
        let named = to.iter().map(|module| module[..1].to_vec()).filter(|folder| *folder != from[..1]);
        folders.entry(from[..1].to_vec()).or_default().extend(named);
    }
    folders
}

/// A path within the crate, from its root: `crate::a::b`, or `super::b` in `a::c`.
fn resolved(module: &[String], path: &[String]) -> Option<Module> {
    if path[0] == "crate" {
        return Some(path[1..].to_vec());
    }
    let up = path.iter().take_while(|part| *part == "super").count();
    let base = module.get(..module.len().checked_sub(up)?)?;
    Some(base.iter().chain(&path[up..]).cloned().collect())
}

/// All paths in a text that begin with `crate` or `super`; those in braces one by one.
fn paths(text: &str) -> Vec<Vec<String>> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                path(&code[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Takes a path off the text, or several in braces; answers what is left.
fn path<'a>(text: &'a str, begun: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let length = begun.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = path(rest, begun, found);
                let end = rest.find([',', '}']).unwrap_or(rest.len());
                rest = rest[end..].trim_start_matches(',').trim_start();
            }
            begun.truncate(length);
            return rest.strip_prefix('}').unwrap_or(rest);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        begun.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(next) => rest = next,
            None => break,
        }
    }
    found.push(begun.clone());
    begun.truncate(length);
    rest
}

/// A circle of arrows, if there is one: its first module comes last again.
fn circle(arrows: &Arrows) -> Option<Vec<Module>> {
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|module| follow(arrows, module, &mut Vec::new(), &mut done))
}

fn follow(
    arrows: &Arrows,
    module: &Module,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    if let Some(start) = way.iter().position(|passed| passed == module) {
        return Some(way[start..].iter().chain([module]).cloned().collect());
    }
    if done.contains(module) {
        return None;
    }
    way.push(module.clone());
    let found = arrows.get(module)?.iter().find_map(|next| follow(arrows, next, way, done));
    way.pop();
    done.insert(module.clone());
    found
}

#[test]
fn a_circle_is_found() {
    let of = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(module, text)| {
            (module.split("::").map(str::to_owned).collect::<Module>(), (*text).to_owned())
        });
        arrows(&files.collect())
    };
    let straight = of(&[
        ("a", "use crate::{b::{self, Thing as Other}, c};"),
        ("b", "use super::c; // use crate::a;"),
        ("c", "fn of(x: &mut $crate::a::X) {}"),
    ]);
    assert_eq!(straight[&vec!["a".to_owned()]].len(), 2, "{straight:?}");
    assert_eq!(circle(&straight), None);
    let two = of(&[("a", "use crate::{c, b::Thing};"), ("b", "fn f() -> crate::a::X {}"), ("c", "")]);
    assert_eq!(circle(&two).map(|circle| circle.len()), Some(3), "{two:?}");
    // Through a part of a module, and between folders only.
    let part = of(&[("a", ""), ("a::x", "use super::super::b;"), ("b", "use crate::a::Thing;")]);
    assert!(circle(&part).is_some(), "{part:?}");
    let folders =
        of(&[("a::x", "use crate::b::x;"), ("b::x", ""), ("b::y", "use crate::a::y;"), ("a::y", "")]);
    assert!(circle(&folders).is_none() && circle(&between_folders(&folders)).is_some(), "{folders:?}");
}

#[test]
fn every_crate_that_may_have_circles_is_there() {
    let crates = root().join("crates");
    for name in NOT_SORTED_YET {
        assert!(crates.join(name.trim_start_matches("ako-")).is_dir(), "{name} is gone: take it out");
    }
}
