//! Text of HTTP fields (RFC 9110 section 5.6): bytes, in which only SP and HTAB are space. What Unicode calls space or letter
//! is neither: a browser lets any neighbouring host set a cookie `\u{2000}__Host-x`, and who trims that reads `__Host-x`.

/// Without the optional white space around it (section 5.6.3).
#[must_use]
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The same for text.
#[must_use]
pub fn trim_str(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Whether this is a token (section 5.6.2), as every name is.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// The media type of a `Content-Type`, or of an item of `Accept`, without its parameters; compare it without regard to case.
#[must_use]
pub fn media_type(value: &[u8]) -> &[u8] {
    trim(value.split(|b| *b == b';').next().unwrap_or_default())
}
