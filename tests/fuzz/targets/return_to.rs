//! Where a login leads: whatever is accepted is a path of our own to every reader, however often it decodes and whatever it
//! tidies.
#![no_main]

use std::sync::LazyLock;

use countersign::login::return_to::ReturnTo;
use libfuzzer_sys::fuzz_target;
use url::Url;

static SITE: LazyLock<Url> = LazyLock::new(|| "https://www.example.org/chat".parse().expect("an address"));

fuzz_target!(|text: &str| {
    let Some(accepted) = ReturnTo::new(text, &SITE) else { return };
    assert_eq!(accepted.as_str(), text, "accepted as it is or not at all");
    let landed = SITE.join(text).expect("a reference");
    assert_eq!(landed.origin(), SITE.origin());
    assert_eq!(&landed[url::Position::BeforePath..], text, "a browser goes where we say");
    let mut path = text.split(['?', '#']).next().unwrap_or_default().as_bytes().to_vec();
    for _ in 0..3 {
        is_ours(&path);
        path = decoded(&path);
    }
});

/// A careless reader: drops what browsers drop, takes backslashes for slashes, and knows no other host but by two of them.
fn is_ours(path: &[u8]) {
    let read: Vec<u8> = path.iter().filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n')).copied().collect();
    let read: Vec<u8> = read.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    assert!(read.starts_with(b"/") && !read.starts_with(b"//"), "{}", String::from_utf8_lossy(path));
    for segment in read.split(|byte| *byte == b'/') {
        let bare = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        assert!(!matches!(bare, b"." | b".."), "{}", String::from_utf8_lossy(path));
    }
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}
