//! The `Cookie` header, against a browser's rule: each line is a cookie that our host (`+`) or a neighbouring one sets. What
//! is read is what the browser keeps: every cookie under its own name however many there are, one where copies are equal, none
//! where they differ, and never anything that a neighbour has set under our prefix.
#![no_main]

#[path = "../../it/cookies/jar.rs"]
mod jar;

use countersign::net::cookies::{is_contradicted, one, pairs};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use jar::{Host, Jar};
use libfuzzer_sys::fuzz_target;

const OURS: &str = "__Host-countersign";

fuzz_target!(|lines: &[u8]| {
    let mut jar = Jar::default();
    for line in lines.split(|byte| *byte == b'\n') {
        match line {
            [b'+', ours @ ..] => jar.set(Host::Ours, ours),
            planted => jar.set(Host::Neighbour, planted),
        }
    }
    let line = HeaderValue::from_bytes(&jar.line()).expect("a browser sends what a header can hold");
    let headers: HeaderMap = [(COOKIE, line)].into_iter().collect();
    for name in pairs(&headers).map(|(name, _)| name).chain([OURS, "sid"]) {
        let values = jar.values(name.as_bytes());
        assert_eq!(one(&headers, name), (values.len() == 1).then(|| values[0].as_slice()));
        assert_eq!(is_contradicted(&headers, name), values.len() > 1);
    }
});
