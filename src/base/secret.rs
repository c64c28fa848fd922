//! Secret text on its way from the environment to its owner.
//!
//! A secret is a [`SecretString`] from the first line that touches it. This module knows how a vendor's console encodes key
//! bytes, how strong is strong enough, and how to name a secret without showing it (a fingerprint).

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use subtle::ConstantTimeEq;

/// How the text of a secret becomes key bytes. Never guessed: a 44-character secret that looks like base64 is meant as
/// text by one vendor and as base64 by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The characters themselves, as UTF-8.
    Utf8,
    /// RFC 4648 section 4, padding optional.
    Base64,
    /// RFC 4648 section 5, padding optional.
    Base64Url,
    /// RFC 4648 section 8, either case.
    Hex,
    /// RFC 7468 text of a private key; the signer parses it.
    Pem,
}

impl Encoding {
    /// Every encoding with the name it has in the configuration.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("utf8", Self::Utf8),
        ("base64", Self::Base64),
        ("base64url", Self::Base64Url),
        ("hex", Self::Hex),
        ("pem", Self::Pem),
    ];

    /// The name used in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, e)| *e == self).map_or("", |(n, _)| n)
    }

    /// Turns the secret's text into key bytes.
    ///
    /// # Errors
    /// [`NotEncoded`] when the text is not in this encoding.
    pub fn decode(self, text: &SecretString) -> Result<SecretSlice<u8>, NotEncoded> {
        let text = text.expose_secret();
        let bytes = match self {
            Self::Utf8 | Self::Pem => Some(text.as_bytes().to_vec()),
            Self::Base64 => BASE64.decode(text.as_ref()).or_else(|_| BASE64_NOPAD.decode(text.as_ref())).ok(),
            Self::Base64Url => BASE64URL_NOPAD.decode(text.as_ref()).or_else(|_| BASE64URL.decode(text.as_ref())).ok(),
            Self::Hex => HEXLOWER_PERMISSIVE.decode(text.as_ref()).ok(),
        };
        bytes.map(SecretSlice::from).ok_or(NotEncoded(self))
    }

    /// Writes key bytes in this encoding; [`Encoding::Utf8`] is written as base64url, which is text any vendor takes.
    #[must_use]
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => BASE64.encode(bytes),
            Self::Hex => HEXLOWER.encode(bytes),
            Self::Utf8 | Self::Base64Url | Self::Pem => BASE64URL_NOPAD.encode(bytes),
        }
    }
}

impl std::str::FromStr for Encoding {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        known.map(|(_, e)| *e).ok_or_else(|| format!("one of {}", Self::NAMES.map(|(n, _)| n).join(", ")))
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not in the encoding it was said to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value is not {0}")]
pub struct NotEncoded(Encoding);

/// Eight hex digits that name a secret in logs and in `countersign check` without showing it: enough to see that two
/// replicas hold the same one, too few to find it by trying.
#[must_use]
pub fn fingerprint(secret: &[u8]) -> String {
    let mut input = b"countersign fingerprint\0".to_vec();
    input.extend_from_slice(secret);
    let digest = digest::digest(&digest::SHA256, &input);
    HEXLOWER.encode(&digest.as_ref()[..4])
}

/// Compares without telling by its duration where the two differ.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Words that stand in sample files. A deployment that still has one of them has no secret.
const PLACEHOLDERS: [&str; 14] = [
    "changeme",
    "change-me",
    "change_me",
    "change this",
    "replaceme",
    "replace-me",
    "replace_me",
    "your-secret",
    "your_secret",
    "yoursecret",
    "placeholder",
    "example-secret",
    "undefined",
    "insert-",
];

/// Whether the text is a sample's stand-in, one character over and over, or a counting row, and so no secret at all (T-7).
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let stands_in =
        PLACEHOLDERS.iter().any(|word| lower.contains(word)) || matches!(lower.as_str(), "secret" | "password");
    stands_in || text.starts_with('<') && text.ends_with('>') || is_monotonous(text.as_bytes())
}

/// Fewer than five different bytes is a hand on one key; each byte one more than the last is a hand sliding along.
fn is_monotonous(bytes: &[u8]) -> bool {
    let mut seen: Vec<u8> = bytes.to_vec();
    seen.sort_unstable();
    seen.dedup();
    let counting = bytes.len() > 4 && bytes.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1));
    seen.len() < 5 || counting
}
