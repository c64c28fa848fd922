//! Text of HTTP fields (RFC 9110 section 5.6): bytes, in which only SP and HTAB are space. What Unicode calls space or letter
//! is neither: a browser lets any neighbouring host set a cookie `\u{2000}__Host-x`, and who trims that reads `__Host-x`.

use crate::base::byte_set::ByteSet;

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

const TCHAR: ByteSet = ByteSet::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// The token that this text begins with, which may be empty, and what follows it.
#[must_use]
pub fn split_token(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !TCHAR.has(*byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// Whether this is a token (section 5.6.2), as every name is.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && TCHAR.has_all_of(text)
}

/// Percent-encoded bytes as they were (RFC 3986 section 2.1); `None` where a `%` does not begin an octet: a reader that let it
/// stand would read another value than one that does not.
#[must_use]
pub fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let octet = |tail: &[u8]| tail.get(1..3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let sound = (0..text.len()).filter(|at| text[*at] == b'%').all(|at| octet(&text[at..]));
    sound.then(|| percent_encoding::percent_decode(text).collect())
}

/// The media type of a `Content-Type`, or of an item of `Accept`, without its parameters; compare it without regard to case.
#[must_use]
pub fn media_type(value: &[u8]) -> &[u8] {
    trim(value.split(|b| *b == b';').next().unwrap_or_default())
}
