//! The threat model is the sources': every rule that is cited there is defined, and every rule is kept by tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What looks like a rule's family and is the name of something else.
const OTHERS: &[&str] = &["UTF-", "SHA-", "AES-", "DSA-", "SSH-", "MPL-"];

struct Rule {
    id: String,
    says: String,
    tests: Vec<String>,
}

fn rules() -> Vec<Rule> {
    let page = read(&root().join("src/threat_model.md"));
    page.lines().filter_map(rule).collect()
}

/// A line of the tables of rules.
fn rule(line: &str) -> Option<Rule> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
    let [id, says, tests] = cells[..] else { return None };
    let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    is_id(id).then(|| Rule { id: id.to_owned(), says: says.to_owned(), tests })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// `H-3`, `CORS-1` and `DoS-1`; and `R8`, as the rules about conversations are called.
fn is_id(word: &str) -> bool {
    let number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let family =
        |text: &str| text == "DoS" || (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase());
    word.strip_prefix('R').is_some_and(number)
        || word.split_once('-').is_some_and(|(name, rest)| family(name) && number(rest))
}

fn ids(text: &str) -> impl Iterator<Item = &str> {
    let edges = |c: char| c.is_whitespace() || "(),.:;'\"".contains(c);
    text.split(edges).filter(|word| is_id(word) && !OTHERS.iter().any(|other| word.starts_with(other)))
}

/// Files of ours below a folder, without what was recorded of others.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let skipped = ["node_modules", "target", "data", "corpus"].iter().any(|name| path.ends_with(name));
        let ours =
            ["rs", "js", "mjs", "ts", "py", "sh"].iter().any(|known| path.extension().is_some_and(|e| e == *known));
        if path.is_dir() && !skipped {
            found.extend(files(&path));
        } else if ours || path.ends_with("run") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_rule_that_is_cited_is_defined() {
    let defined: BTreeSet<String> = rules().into_iter().map(|rule| rule.id).collect();
    for path in [files(&root().join("src")), files(&root().join("tests"))].concat() {
        let text = read(&path);
        for id in ids(&text) {
            assert!(defined.contains(id), "{} cites {id}, which src/threat_model.md does not define", path.display());
        }
    }
}

#[test]
fn every_rule_is_kept_by_tests_that_exist() {
    let tests: String = files(&root().join("tests")).iter().map(|path| read(path)).collect();
    for Rule { id, says, tests: named } in rules() {
        assert!(says.len() > 20 && !named.is_empty(), "{id} says nothing, or names no test");
        for name in named {
            let kept = [format!("fn {name}("), format!("'{name}'"), format!("\"{name}\"")];
            assert!(kept.iter().any(|form| tests.contains(form)), "{id} is kept by {name}, and there is no such test");
        }
    }
}

#[test]
fn every_rule_has_an_id_of_its_own() {
    let mut seen = BTreeSet::new();
    for rule in rules() {
        assert!(seen.insert(rule.id.clone()), "{} is defined twice", rule.id);
    }
    assert!(seen.len() > 100, "only {} rules could be read", seen.len());
}

#[test]
fn an_id_is_told_from_other_words() {
    let text = "/// H-1 to H-10, and R8 (CORS-1); UTF-8, R2D2, A-100, RS256, x-R8, 2026-11. \"HD-4: no\" DoS-1";
    assert_eq!(ids(text).collect::<Vec<_>>(), ["H-1", "H-10", "R8", "CORS-1", "HD-4", "DoS-1"]);
}
