//! The head of a request, against the reader behind ours: what ours lets pass, that one reads to the same end, with one host
//! and one way to tell where the body ends.
#![no_main]

use countersign::http::head::{Framing, HeadLimits, end, read};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits { bytes: 2048, headers: 64, cookies: 200 };

fuzz_target!(|data: &[u8]| {
    let Some(length) = end(data, 0) else { return };
    // However it comes in pieces, it ends at the same place.
    for at in 0..length {
        assert_eq!(end(&data[..at], 0), None, "an end before the end");
        assert_eq!(end(data, at.saturating_sub(2)).map(|found| found >= length), Some(true));
    }
    let head = &data[..length];
    let Ok(framing) = read(head, &LIMITS) else { return };
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(head).expect("what we let pass is HTTP");
    assert_eq!(parsed, httparse::Status::Complete(length));
    let values = |name: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect()
    };
    let (hosts, lengths, encodings) = (values("host"), values("content-length"), values("transfer-encoding"));
    assert!(hosts.len() == 1 || hosts.is_empty() && request.version == Some(0));
    assert!(encodings.is_empty() || lengths.is_empty());
    assert!(lengths.windows(2).all(|two| two[0] == two[1]));
    match framing {
        Framing::Chunked => assert!(encodings.len() == 1 && encodings[0].eq_ignore_ascii_case(b"chunked")),
        Framing::Length(length) => {
            assert!(encodings.is_empty());
            let said = lengths.first().map_or("0", |text| str::from_utf8(text).expect("digits"));
            assert_eq!(said.trim_start_matches('0'), if length == 0 { String::new() } else { length.to_string() });
        }
    }
    assert!(request.path.is_some_and(|path| !path.contains('#')));
});
