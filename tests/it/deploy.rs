//! What is shipped for operating the service keeps step with the service.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::sources::forwarded::{PROOF_HEADER, conventional_headers};

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// A name that a snippet forgets is a name under which visitors introduce themselves.
#[test]
fn the_nginx_snippet_takes_away_every_header_that_any_convention_reads() {
    let text = fs::read_to_string(shipped("proxies/nginx/no-identity.conf")).unwrap();
    let cleared = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("proxy_set_header "));
        lines.filter_map(|line| line.split_once(' ')).any(|(n, v)| n.eq_ignore_ascii_case(name) && v.trim() == "\"\";")
    };
    let forgotten: Vec<&str> = conventional_headers().chain([PROOF_HEADER.default]).filter(|n| !cleared(n)).collect();
    assert_eq!(forgotten, [""; 0]);
}
