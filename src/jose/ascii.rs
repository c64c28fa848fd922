//! JSON for pages that decode a token with plain `atob`.

/// JSON with every character outside printable ASCII, and those that make base64url differ from base64, written as `\u`
/// escapes, so that a page that decodes the payload with plain `atob` reads the right names.
pub(super) fn to_ascii(json: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(json).ok()?;
    let mut out = Vec::with_capacity(json.len() + 16);
    for c in text.chars() {
        if c.is_ascii() && !matches!(c, '>' | '?' | '~' | '\u{7f}') {
            out.push(c as u8);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
    }
    Some(out)
}
