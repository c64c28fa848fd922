//! The keyed hash under which a visitor appears in the log.
//!
//! HMAC-SHA256 under `AUDIT_KEY`, of which the first 16 hex digits are written. Whoever holds the key finds a visitor's lines
//! with `printf %s SUBJECT | openssl dgst -sha256 -hmac "$AUDIT_KEY"`.

#![expect(clippy::disallowed_types, reason = "this key signs nothing: it only names")]

use std::collections::HashMap;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretSlice};

/// The key, prepared.
#[derive(Clone)]
pub struct SubjectKey(hmac::Key);

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectKey(..)")
    }
}

impl SubjectKey {
    /// Prepares a key.
    #[must_use]
    pub fn new(key: &SecretSlice<u8>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret()))
    }

    /// The hash of a subject: 16 hex digits.
    #[must_use]
    pub fn hash(&self, subject: &str) -> String {
        let mut hash = String::with_capacity(16);
        self.write(&mut hash, subject);
        hash
    }

    /// The hash of a token: 32 hex digits.
    #[must_use]
    pub fn token(&self, token: &str) -> String {
        let mut hash = String::with_capacity(32);
        self.write_bytes(&mut hash, token, 16);
        hash
    }

    fn write(&self, line: &mut String, subject: &str) {
        self.write_bytes(line, subject, 8);
    }

    fn write_bytes(&self, line: &mut String, text: &str, bytes: usize) {
        let tag = hmac::sign(&self.0, text.as_bytes());
        let nibble = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        for byte in tag.as_ref().iter().take(bytes) {
            line.push(nibble(byte >> 4));
            line.push(nibble(byte & 15));
        }
    }
}

/// Most hashes that are remembered.
const KNOWN_MAX: usize = 1024;

/// Makes hashes, and remembers the latest: who has got a token will have another, and hashing is most of what a record costs.
#[derive(Debug)]
pub(super) struct Hashes {
    key: SubjectKey,
    known: HashMap<String, String>,
}

impl Hashes {
    pub(super) fn new(key: SubjectKey) -> Self {
        Self { key, known: HashMap::new() }
    }

    pub(super) fn write(&mut self, line: &mut String, subject: &str) {
        if let Some(hash) = self.known.get(subject) {
            line.push_str(hash);
            return;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        let hash = self.key.hash(subject);
        line.push_str(&hash);
        self.known.insert(subject.to_owned(), hash);
    }
}
