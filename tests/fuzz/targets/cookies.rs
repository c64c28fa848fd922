//! The `Cookie` header: nothing in it panics, and a cookie that is there twice is no cookie.
#![no_main]

use countersign::cookies::{COOKIES_MAX, one, pairs};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let all: Vec<(&str, &str)> = pairs(&headers).collect();
    assert!(all.len() <= COOKIES_MAX);
    for (name, value) in &all {
        assert!(!name.contains(['=', ';']) && !value.contains(';'));
        let same = all.iter().filter(|(other, _)| other == name).count();
        assert_eq!(one(&headers, name), (same == 1).then_some(*value));
    }
});
