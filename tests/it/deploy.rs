//! What is shipped for operating the service keeps step with the service.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::sources::forwarded::convention::conventional_headers;
use countersign::sources::forwarded::proof::PROOF_HEADER;

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
    conventional_headers().chain([PROOF_HEADER.default]).filter(|n| !names.contains(&n.to_ascii_lowercase())).collect()
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
