//! The plan of the source, kept: a wing imports from those below it only, and no files import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A module's path from the crate's root: `src/http/token.rs` is `http`, `token`, and `src/http/mod.rs` is `http`.
type Module = Vec<String>;

fn module(path: &Path) -> Module {
    let inside = path.strip_prefix(root()).unwrap().with_extension("");
    let mut parts: Module = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The modules of the library and their text. The two roots are above every wing, and import what they like.
fn modules() -> BTreeMap<Module, String> {
    let mut paths = Vec::new();
    sources(&root(), &mut paths);
    let read = |path: PathBuf| (module(&path), fs::read_to_string(path).unwrap());
    paths.into_iter().map(read).filter(|(module, _)| *module != ["lib"] && *module != ["main"]).collect()
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// What a file imports, from the crate's root: the paths of its `use` trees, and those it names in passing.
fn imports(from: &[String], text: &str) -> Vec<Vec<String>> {
    let code = without_comments(text);
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for path in beginning_with(&code, start) {
            branches(path, &mut Vec::new(), &mut found);
        }
    }
    found.into_iter().filter_map(|path| resolve(from, &path)).map(|path| macro_of(path, &code)).collect()
}

/// Macros stand at the crate's root, wherever they are written.
fn macro_of(path: Vec<String>, code: &str) -> Vec<String> {
    let is_macro = path.len() == 1 && code.contains(&format!("crate::{}!", path[0]));
    if is_macro { vec!["config".to_owned(), "macros".to_owned()] } else { path }
}

/// The places where a path begins with `start`.
fn beginning_with<'a>(code: &'a str, start: &str) -> impl Iterator<Item = &'a str> {
    let inside = |before: &str| before.ends_with(|c: char| c == ':' || c == '_' || c.is_ascii_alphanumeric());
    // What a macro writes is imported where the macro stands.
    let hygienic = |before: &str| before.ends_with('$');
    let begins = move |before: &str| !inside(before) && !hygienic(before);
    code.match_indices(start).filter(move |(at, _)| begins(&code[..*at])).map(|(at, _)| &code[at..])
}

/// Reads one path, or a tree of them in braces, and returns what follows it.
fn branches<'a>(text: &'a str, so_far: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let (depth, mut rest) = (so_far.len(), text.trim_start());
    loop {
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if !word.is_empty() {
            so_far.push(word.to_owned());
        }
        match after.strip_prefix("::") {
            Some(more) if !word.is_empty() => rest = more,
            _ => {
                rest = after;
                break;
            }
        }
    }
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.trim_start().starts_with('}') && !inner.is_empty() {
            inner = branches(inner, so_far, found);
            inner = inner.find([',', '}']).map_or("", |end| inner[end..].trim_start_matches(','));
        }
        rest = inner.trim_start().strip_prefix('}').unwrap_or_default();
    } else {
        // A macro stands at the crate's root wherever it is written: those of ours are the settings'.
        let path = if rest.starts_with('!') {
            ["crate", "config", "macros"].map(str::to_owned).into()
        } else {
            so_far.clone()
        };
        found.push(path);
    }
    so_far.truncate(depth);
    rest
}

/// The path from the crate's root; none when it climbs out of it.
fn resolve(from: &[String], path: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" => (&from[..0], &path[1..]),
        "self" => (from, &path[1..]),
        _ => (from.get(..from.len().checked_sub(ups)?)?, &path[ups..]),
    };
    Some([base, rest].concat())
}

/// The module that a path leads into: the longest beginning of it that is one.
fn target(path: &[String], modules: &BTreeMap<Module, String>) -> Option<Module> {
    (1..=path.len()).rev().map(|end| &path[..end]).find(|start| modules.contains_key(*start)).map(<[String]>::to_vec)
}

#[test]
fn no_arrow_runs_up() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (from, text) in modules() {
        let own = floors.get(from[0].as_str()).unwrap_or_else(|| panic!("{} is no wing: add it to WINGS", from[0]));
        for path in imports(&from, &text).into_iter().filter(|path| !path.is_empty() && path[0] != from[0]) {
            match floors.get(path[0].as_str()) {
                Some(floor) if floor < own => {}
                Some(_) => wrong.push(format!("{} imports {}, which is not below it", from.join("/"), path.join("/"))),
                None => wrong.push(format!("{} imports {}, which is no wing", from.join("/"), path.join("/"))),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Arrows between files. One to a module that the file lies in is none: a folder's `mod.rs` holds the words that its files share,
/// and hands out to them.
fn arrows(modules: &BTreeMap<Module, String>) -> BTreeMap<&Module, BTreeSet<Module>> {
    let to = |(from, text): (&Module, &String)| -> BTreeSet<Module> {
        let into = imports(from, text).into_iter().filter_map(|path| target(&path, modules));
        let code = without_comments(text);
        let used = |to: &&Module| {
            let (last, folder) = to.split_last().unwrap();
            folder == &from[..] && beginning_with(&code, &format!("{last}::")).next().is_some()
        };
        into.chain(modules.keys().filter(used).cloned()).filter(|to| !from.starts_with(to)).collect()
    };
    modules.iter().map(|pair| (pair.0, to(pair))).collect()
}

/// What can be reached from a file along the arrows.
fn reached<'a>(from: &'a Module, arrows: &'a BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        open.extend(arrows[next].iter().filter(|to| seen.insert(*to)));
    }
    seen
}

fn circles(modules: &BTreeMap<Module, String>) -> Vec<String> {
    let arrows = arrows(modules);
    let inside = modules.keys().filter(|file| reached(file, &arrows).contains(file));
    inside.map(|file| file.join("/")).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = circles(&modules());
    assert!(circles.is_empty(), "these import each other in circles:\n{}", circles.join("\n"));
}

#[test]
fn the_plan_and_the_source_name_the_same_wings() {
    let mut built: Vec<String> =
        fs::read_dir(root()).unwrap().map(|entry| module(&entry.unwrap().path()).remove(0)).collect();
    built.retain(|name| !["lib", "main", "browser", "threat_model"].contains(&name.as_str()));
    built.sort_unstable();
    let mut planned = WINGS.to_vec();
    planned.sort_unstable();
    assert_eq!(built, planned);
}

#[test]
fn the_plan_notices_an_arrow() {
    let text = "use crate::http::{self, problem::{Problem, row}};\n// use crate::app::App;\nuse super::oidc::wire;\n\
                fn f() { crate::config::env::nearest(super::super::jose::x, self::own) }";
    let found: Vec<String> =
        imports(&["login".to_owned(), "front".to_owned()], text).iter().map(|path| path.join("/")).collect();
    let crates = ["http/self", "http/problem/Problem", "http/problem/row", "config/env/nearest"];
    assert_eq!(found, [&crates[..], &["login/oidc/wire", "jose/x", "login/front/own"]].concat());
}

#[test]
fn the_plan_notices_a_circle() {
    let of = |files: &[(&str, &str)]| -> BTreeMap<Module, String> {
        let module = |name: &str| name.split('/').map(str::to_owned).collect();
        files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect()
    };
    let circle =
        of(&[("a", ""), ("a/b", "use super::c::C;"), ("a/c", "use crate::a::d::D;"), ("a/d", "use super::b::B;")]);
    assert_eq!(circles(&circle), ["a/b", "a/c", "a/d"]);
    let folder = of(&[("a", "use b::B;"), ("a/b", "use super::A;"), ("a/c", "use super::b::B;")]);
    assert_eq!(circles(&folder), [""; 0]);
    let out = of(&[("a", "fn f() { b::g() }"), ("a/b", "use crate::c::C;"), ("c", "use crate::a::A;")]);
    assert_eq!(circles(&out), ["a", "a/b", "c"]);
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

/// What an answer that is no refusal may say. Every other status stands in the table of problems.
const SUCCESSES: &[&str] = &["OK", "NO_CONTENT", "SEE_OTHER", "NOT_MODIFIED"];

fn statuses(text: &str) -> Vec<&str> {
    let end = |rest: &str| rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(rest.len());
    text.split("StatusCode::").skip(1).map(|rest| &rest[..end(rest)]).collect()
}

#[test]
fn every_refusal_has_its_status_from_the_one_table() {
    let mut wrong = Vec::new();
    for (file, text) in modules() {
        if file[0] != "http" || file == ["http", "problem"] {
            continue;
        }
        let others = statuses(&text).into_iter().filter(|status| !SUCCESSES.contains(status));
        wrong.extend(others.map(|status| format!("{} answers {status:?}", file.join("/"))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(statuses("f(StatusCode::IM_A_TEAPOT, StatusCode::from_u16(418))"), ["IM_A_TEAPOT", ""]);
}

/// The login, the sources and whatever else decides know nothing of how answers are written.
#[test]
fn answers_are_written_in_one_wing() {
    let writes = |text: &str| text.contains("axum::") || text.contains("hyper::");
    let elsewhere =
        modules().into_iter().filter(|(file, text)| !["http", "demo"].contains(&file[0].as_str()) && writes(text));
    let elsewhere: Vec<String> = elsewhere.map(|(file, _)| file.join("/")).collect();
    assert_eq!(elsewhere, [""; 0]);
}
