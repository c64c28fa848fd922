//! What is shipped for operating the service keeps step with the service.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::sources::forwarded::convention::conventional_headers;
use countersign::sources::forwarded::proof::FORWARDED_PROOF_HEADER;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// The names that a shipped list takes away: what stands between these two on a line.
fn taken_away(list: &str, before: &str, after: &str) -> Vec<String> {
    let text = fs::read_to_string(shipped(list)).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(before)?.strip_suffix(after));
    lines.map(|name| name.trim_end().to_ascii_lowercase()).collect()
}

/// A name that a snippet forgets is a name under which visitors introduce themselves.
fn forgotten(names: &[String]) -> Vec<&'static str> {
    conventional_headers()
        .chain([FORWARDED_PROOF_HEADER.default])
        .filter(|n| !names.contains(&n.to_ascii_lowercase()))
        .collect()
}

#[test]
fn the_nginx_snippet_takes_away_every_header_that_any_convention_reads() {
    let names = taken_away("proxies/nginx/no-identity.conf", "proxy_set_header ", "\"\";");
    assert_eq!(forgotten(&names), [""; 0]);
}

/// These two pass on `Remote_User` as readily as `Remote-User`.
#[test]
fn the_apache_and_caddy_snippets_take_away_every_such_header_in_both_spellings() {
    for names in [
        taken_away("proxies/apache/no-identity.conf", "RequestHeader unset ", "early"),
        taken_away("proxies/caddy/no-identity.caddy", "request_header -", ""),
    ] {
        assert_eq!(forgotten(&names), [""; 0]);
        let plain = |name: &String| name.replace('_', "-");
        for name in names.iter().map(plain) {
            assert!(names.contains(&name) && names.contains(&name.replace('-', "_")), "{name}");
        }
    }
}

/// The blocks of settings in a guide.
fn blocks(guide: &str) -> Vec<Vec<(String, String)>> {
    let settings = |block: &str| block.lines().filter_map(|line| line.split_once('=')).map(pair).collect();
    guide.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next()).map(settings).collect()
}

fn pair((name, value): (&str, &str)) -> (String, String) {
    const SECRET: &str = "c3Vja2VkLWZyb20tYS10aHVtYi1vZi1hLXN0b3J5LTE3";
    match name.strip_suffix("_FILE") {
        Some(name) => (name.to_owned(), SECRET.to_owned()),
        None => (name.to_owned(), value.to_owned()),
    }
}

#[test]
fn the_settings_in_every_proxys_guide_start() {
    let mut seen = 0;
    for entry in fs::read_dir(shipped("proxies")).unwrap() {
        let path = entry.unwrap().path().join("README.md");
        let guide = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        let blocks = blocks(&guide);
        assert!(!blocks.is_empty(), "{} has no settings", path.display());
        for block in blocks {
            let widget =
                [("WIDGET_PRESET", "medchat"), ("WIDGET_SUBJECT", "hex"), ("WIDGET_SECRET", crate::kit::SECRET)];
            let widget = widget.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let read = crate::kit::read(&[block.clone(), widget.into()].concat());
            assert!(read.is_ok(), "{}: {block:?}: {}", path.display(), read.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 15);
}

/// These name what a visitor may not send in a list of their own.
#[test]
fn the_guides_of_traefik_and_envoy_take_away_every_header_that_any_convention_reads() {
    for (guide, before, after) in [("traefik", "          ", ": \"\""), ("envoy", "          - remove: ", "")] {
        let names = taken_away(&format!("proxies/{guide}/README.md"), before, after);
        assert_eq!(forgotten(&names), [""; 0], "{guide}");
    }
}
