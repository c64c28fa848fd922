//! What every place of rows must be able to do, and what it may answer.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest;
use tower_sessions::session::Id;
use tower_sessions::session_store;

use crate::base::clock::UnixTime;

/// Under which name something is kept: a SHA-256 hash, never the thing itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The name of something of this kind. Parts are told apart: `("a", "bc")` is not `("ab", "c")`.
    #[must_use]
    pub fn of(kind: &str, parts: &[&str]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"countersign ");
        for part in std::iter::once(&kind).chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }

    /// The name of a session record.
    #[must_use]
    pub fn of_session(id: &Id) -> Self {
        Self::of("session", &[&id.to_string()])
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The store could not be asked, or answered what cannot be understood. Holds no text of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// No connection, or it broke.
    #[error("no connection to the session store")]
    NoConnection,
    /// No answer within [`DEADLINE`](super::DEADLINE).
    #[error("the session store did not answer in time")]
    Deadline,
    /// It refused: credentials, rights, disk full, not this kind of server.
    #[error("the session store refused")]
    Refused,
    /// A record that we did not write.
    #[error("a session record cannot be read")]
    Unreadable,
    /// Its tables are not there, and our role may not make them.
    #[error("the session store has no tables: run `countersign store migrate` as their owner")]
    NoTables,
}

impl Down {
    /// The word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoConnection => "store_no_connection",
            Self::Deadline => "store_deadline",
            Self::Refused => "store_refused",
            Self::Unreadable => "store_unreadable",
            Self::NoTables => "store_no_tables",
        }
    }
}

impl From<Down> for session_store::Error {
    fn from(down: Down) -> Self {
        match down {
            Down::Unreadable => Self::Decode(down.to_string()),
            other => Self::Backend(other.to_string()),
        }
    }
}

/// One session record on its way to a backend.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Its name.
    pub key: &'a Key,
    /// Its text.
    pub text: &'a str,
    /// When it ends.
    pub expires_at: UnixTime,
    /// What time it is.
    pub now: UnixTime,
}

/// What a record belongs to (a subject, an identity provider's session), so that it can be found without its id.
#[derive(Debug, Clone)]
pub struct Tags {
    /// The names.
    pub keys: Vec<Key>,
    /// Until when the belonging is remembered: no sooner than the record can end, however often it is prolonged.
    pub until: UnixTime,
}

impl Tags {
    /// Belongs to nothing.
    pub const NONE: Self = Self { keys: Vec::new(), until: UnixTime(0) };
}

/// Where rows are kept.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Keeps a row that must be new, together with its tags; false when the key is taken.
    async fn insert(&self, row: Row<'_>, tags: &Tags) -> Result<bool, Down>;
    /// Replaces a row that must be there and not have expired; false when it is not.
    async fn update(&self, row: Row<'_>) -> Result<bool, Down>;
    /// The text of a row, expired or not.
    async fn find(&self, key: &Key) -> Result<Option<String>, Down>;
    /// Removes a row.
    async fn remove(&self, key: &Key) -> Result<(), Down>;
    /// Removes every row with this tag, and says how many.
    async fn remove_tagged(&self, tag: &Key) -> Result<u64, Down>;
    /// Sets a mark; false when it is set already and has not run out.
    async fn mark(&self, key: &Key, now: UnixTime, until: UnixTime) -> Result<bool, Down>;
    /// Whether a mark is set and has not run out.
    async fn is_marked(&self, key: &Key, now: UnixTime) -> Result<bool, Down>;
    /// Whether it would answer.
    async fn ping(&self) -> Result<(), Down>;
    /// Forgets at most `most` rows and as many marks that have expired, and says how many rows and marks that were.
    async fn sweep(&self, now: UnixTime, most: u32) -> Result<u64, Down>;
}
