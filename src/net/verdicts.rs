//! What a server said a moment ago about a credential: remembered for a short time, and only where that is configured.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;

use crate::base::clock::{Clock, random_bytes};

/// Good verdicts are kept at most this long: within it, what was revoked still counts (CA-3).
pub const CACHE_MAX: Duration = Duration::from_secs(30);
/// Bad ones at most this long, so that somebody who has just logged in is not told otherwise.
const BAD_MAX: Duration = Duration::from_secs(2);
/// Most verdicts that are kept.
const ENTRIES: u64 = 10_000;

/// What a verdict is remembered by: not the credential, and nothing that could be computed from one outside this process.
pub type Name = [u8; 32];

/// Recent verdicts of one server (CA-2). Every rule that depends on the request or the widget is still checked on a
/// remembered one, because only what the server said is kept (CA-1).
#[derive(Debug)]
pub struct Verdicts<T: Clone + Send + Sync + 'static> {
    span: Duration,
    salt: [u8; 32],
    clock: Clock,
    entries: Cache<Name, (Duration, T)>,
}

impl<T: Clone + Send + Sync + 'static> Verdicts<T> {
    /// A memory that keeps good verdicts for so long.
    #[must_use]
    pub fn new(span: Duration, clock: Clock) -> Self {
        Self { span, salt: random_bytes(), clock, entries: Cache::new(ENTRIES) }
    }

    /// The name of a credential.
    #[must_use]
    pub fn key(&self, credential: &[u8]) -> Name {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.salt);
        hash.update(credential);
        let mut name = [0; 32];
        name.copy_from_slice(hash.finish().as_ref());
        name
    }

    /// What was said, if that was a moment ago.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<T> {
        let (until, verdict) = self.entries.get(name)?;
        (self.clock.monotonic() < until).then_some(verdict)
    }

    /// Remembers what was said.
    pub fn put(&self, name: Name, verdict: T, good: bool) {
        let span = if good { self.span } else { self.span.min(BAD_MAX) };
        self.entries.insert(name, (self.clock.monotonic() + span, verdict));
    }
}
