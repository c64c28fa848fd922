//! What is written for people is what the code does.

use std::fs;
use std::path::Path;

use countersign::app::config::SECTIONS;
use countersign::cli::settings::{sample, table};
use countersign::config::env::parse_dotenv;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn the_readmes_settings_table_is_the_codes() {
    let readme = text("README.md");
    let printed = between(&readme, "<!-- settings -->\n", "<!-- /settings -->");
    assert_eq!(printed.trim(), table().trim(), "print it anew: countersign settings");
}

#[test]
fn the_sample_file_is_the_codes_and_can_be_read() {
    let file = text(".env.example");
    assert_eq!(file, sample(), "print it anew: countersign settings --format env > .env.example");
    let pairs = parse_dotenv(&file).unwrap();
    assert!(pairs.iter().any(|(name, _)| name == "WIDGET_PRESET"));
    let uncommented = file.lines().map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line));
    let all = parse_dotenv(&uncommented.collect::<Vec<_>>().join("\n")).unwrap();
    for var in SECTIONS.iter().flat_map(|s| s.vars) {
        let listed = all.iter().any(|(name, _)| name.strip_suffix("_FILE").unwrap_or(name) == var.name);
        assert!(listed, "{} is not in the sample file", var.name);
    }
}

#[test]
fn every_setting_is_described_once() {
    let mut names: Vec<&str> = SECTIONS.iter().flat_map(|s| s.vars).map(|v| v.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a setting is listed twice");
    for var in SECTIONS.iter().flat_map(|s| s.vars) {
        assert!(var.doc.len() > 20, "{} says nothing", var.name);
        assert!(var.secret || !var.example.is_empty(), "{} has no example", var.name);
    }
}

fn all_tests() -> String {
    fn collect(folder: &Path, found: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let skipped = path.file_name().is_some_and(|n| n == "node_modules" || n == "target");
            if path.is_dir() && !skipped {
                collect(&path, found);
            } else if path.extension().is_some_and(|e| ["rs", "mjs", "py", "sh"].iter().any(|known| e == *known))
                || path.ends_with("run")
            {
                found.push_str(&fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    let mut found = String::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut found);
    found
}

#[test]
fn every_promise_of_the_readme_names_a_test_that_exists() {
    let readme = text("README.md");
    let tests = all_tests();
    let promises = between(&readme, "<!-- promises -->\n", "<!-- /promises -->");
    let mut named = 0;
    for name in promises.split('`').skip(1).step_by(2) {
        let kept = tests.contains(&format!("fn {name}("))
            || tests.contains(&format!("'{name}'"))
            || tests.contains(&format!("\"{name}\""));
        assert!(kept, "the README promises {name}, and no test keeps it");
        named += 1;
    }
    assert!(named >= 20, "only {named} promises");
}

#[test]
fn the_readme_names_only_commands_and_files_that_exist() {
    let readme = text("README.md");
    for path in [
        "deploy/Dockerfile",
        "deploy/compose/compose.yaml",
        "deploy/systemd/countersign.service",
        "deploy/proxies/nginx/countersign.conf",
        "deploy/proxies/apache/countersign.conf",
        "deploy/proxies/caddy/countersign.caddy",
        ".env.example",
        "tests/run",
    ] {
        assert!(readme.contains(path), "{path} is not mentioned");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path} is mentioned and missing");
    }
}
