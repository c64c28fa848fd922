//! The plan of the house, kept: a wing imports from those below it only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Wings from the ground up. A wing may import from those before it, and from none after it.
const WINGS: &[&str] = &[
    "base",
    "config",
    "net",
    "session",
    "store",
    "observe",
    "connector",
    "claims",
    "jose",
    "login",
    "sources",
    "widget",
    "issuance",
    "http",
    "app",
    "demo",
    "cli",
];

fn floors() -> BTreeMap<&'static str, usize> {
    WINGS.iter().enumerate().map(|(floor, wing)| (*wing, floor)).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The wing a file belongs to: `src/http/token.rs` is of the wing `http`.
fn wing(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every wing that a file names after `crate::`, in imports and in paths.
fn imports(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let after = code.split("crate::").skip(1);
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    after.map(name).filter(|name| !name.is_empty()).collect()
}

fn files() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    sources(&root(), &mut paths);
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn no_arrow_runs_up() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (path, text) in files() {
        let from = wing(&path);
        if from == "lib" || from == "main" {
            continue;
        }
        let own = floors.get(from.as_str()).unwrap_or_else(|| panic!("{from} is no wing: add it to WINGS"));
        for to in imports(&text).into_iter().filter(|to| *to != from) {
            match floors.get(to.as_str()) {
                Some(floor) if floor < own => {}
                Some(_) => wrong.push(format!("{} imports {to}, which is not below it", path.display())),
                None => wrong.push(format!("{} imports {to}, which is no wing", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_plan_and_the_house_name_the_same_wings() {
    let mut built: Vec<String> = fs::read_dir(root()).unwrap().map(|entry| wing(&entry.unwrap().path())).collect();
    built.retain(|name| !["lib", "main", "browser"].contains(&name.as_str()));
    built.sort_unstable();
    let mut planned = WINGS.to_vec();
    planned.sort_unstable();
    assert_eq!(built, planned);
}

#[test]
fn the_plan_notices_an_arrow() {
    assert_eq!(
        imports("use crate::http::AppState;\n// use crate::app::App;\nfn f() { crate::config::env::nearest() }"),
        ["http", "config"]
    );
}

#[test]
fn the_tour_names_every_wing() {
    let tour = fs::read_to_string(root().join("lib.rs")).unwrap();
    let docs: String = tour.lines().filter(|line| line.starts_with("//!")).collect();
    for name in WINGS {
        assert!(docs.contains(&format!("[`{name}`]")), "the guided tour leaves out {name}");
        assert!(tour.contains(&format!("pub mod {name};")), "lib.rs does not declare {name}");
    }
}
