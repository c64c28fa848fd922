//! The chain: every line names the hash of the line before it and ends in its own, so that nothing can be taken out, changed
//! or moved without its showing.
//!
//! A line's hash is that of the text before `,"hash":`. It is HMAC-SHA256 under `AUDIT_KEY`: whoever can write the file and
//! does not hold the key cannot make a chain that verifies. Without a key it is SHA-256, which finds accidents and clumsy
//! hands, and nobody who takes the trouble to make all later lines anew. What no chain shows by itself is that lines are
//! missing at the very end of a log that nobody writes any more: compare `countersign_audit_sequence`, or a copy elsewhere.

#![expect(clippy::disallowed_types, reason = "this key signs no token: it seals lines")]

use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::Value;

use super::entry::{number, text};

/// What every line ends with, after the text that is hashed.
pub(super) const HASH: &str = ",\"hash\":\"";

/// How lines are hashed.
pub struct Seal(Option<hmac::Key>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seal").field(&self.name()).finish()
    }
}

impl Seal {
    /// Under this key, or under none.
    #[must_use]
    pub fn new(key: Option<&SecretSlice<u8>>) -> Self {
        Self(key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret())))
    }

    /// Its name in records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.0.is_some() { "hmac-sha256" } else { "sha256" }
    }

    /// The hash of a line's text, as 64 hex digits.
    pub(super) fn hash(&self, text: &str) -> String {
        match &self.0 {
            Some(key) => HEXLOWER.encode(hmac::sign(key, text.as_bytes()).as_ref()),
            None => HEXLOWER.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
        }
    }
}

/// Where a chain stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// How many lines it has.
    pub seq: u64,
    /// The hash of the last one; empty before the first.
    pub hash: String,
}

impl Head {
    /// The place of a line in its chain; nothing when it has none.
    #[must_use]
    pub fn of_line(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Self { seq: value["seq"].as_u64()?, hash: value["hash"].as_str()?.to_owned() })
    }
}

/// A chain that is being written.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) seal: Seal,
    replica: String,
    pub(super) head: Head,
}

impl Chain {
    pub(super) fn new(seal: Seal, replica: String) -> Self {
        Self { seal, replica, head: Head::default() }
    }

    /// Ends the line that begins at `start` of `text`, which holds an object without its last brace.
    pub(super) fn end_line(&mut self, line: &mut String, start: usize) {
        text(line, "replica", &self.replica);
        line.push_str(",\"seq\":");
        number(line, self.head.seq + 1);
        text(line, "prev", &self.head.hash);
        let hash = self.seal.hash(line.get(start..).unwrap_or_default());
        line.push_str(HASH);
        line.push_str(&hash);
        line.push_str("\"}\n");
        self.head = Head { seq: self.head.seq + 1, hash };
    }
}
