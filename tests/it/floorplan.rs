//! The plan of the house, kept: rooms import from lower floors only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the ground up. A room may import from floors below its own, and from nobody beside it.
const FLOORS: &[&[&str]] = &[
    &["clock", "identity", "json", "origin", "secret", "ticket"],
    &["env", "siv"],
    &["cookies", "peer", "outbound", "telemetry", "limits", "metrics", "mapping", "pseudonym"],
    &["session", "state"],
    &["claims", "policy", "audit", "connectors", "jwks", "visits"],
    &["signing", "jws"],
    &["keyring"],
    &["presets", "sources", "login"],
    &["widget"],
    &["verifier", "issuance"],
    &["web"],
    &["admin"],
    &["config"],
    &["app"],
    &["demo"],
    &["cli"],
];

fn floors() -> BTreeMap<&'static str, usize> {
    FLOORS.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor))).collect()
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

/// The room a file belongs to: `src/web/token.rs` is of the room `web`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every room that a file names after `crate::`, in imports and in paths.
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
        let from = room(&path);
        if from == "lib" || from == "main" {
            continue;
        }
        let own = floors.get(from.as_str()).unwrap_or_else(|| panic!("{from} stands on no floor: add it to FLOORS"));
        for to in imports(&text).into_iter().filter(|to| *to != from) {
            match floors.get(to.as_str()) {
                Some(floor) if floor < own => {}
                Some(_) => wrong.push(format!("{} imports {to}, which is not below it", path.display())),
                None => wrong.push(format!("{} imports {to}, which is no room", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_stands_on_exactly_one_floor_and_exists() {
    let rooms: Vec<&str> = FLOORS.iter().flat_map(|rooms| rooms.iter().copied()).collect();
    let mut once = rooms.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), rooms.len(), "a room stands on two floors");
    for name in rooms {
        assert!(root().join(format!("{name}.rs")).exists(), "{name} is on the plan and not in the house");
    }
}

#[test]
fn the_plan_notices_an_arrow() {
    assert_eq!(
        imports("use crate::web::Public;\n// use crate::app::App;\nfn f() { crate::env::nearest() }"),
        ["web", "env"]
    );
}

#[test]
fn the_tour_names_every_room() {
    let tour = fs::read_to_string(root().join("lib.rs")).unwrap();
    let docs: String = tour.lines().filter(|line| line.starts_with("//!")).collect();
    for name in FLOORS.iter().flat_map(|rooms| rooms.iter()) {
        assert!(docs.contains(&format!("[`{name}`]")), "the guided tour leaves out {name}");
        assert!(tour.contains(&format!("pub mod {name};")), "lib.rs does not declare {name}");
    }
}
