//! One record per decision: who asked for what, when, and what came of it. Never a token, a secret or a name.
//!
//! Records are JSON lines. The subject appears as a keyed hash, so that the lines of one visitor can be found by whoever
//! holds the key and by nobody else. A thread of its own writes them: it takes whatever has gathered and writes it at
//! once, so a quiet service logs immediately and a busy one logs in large writes.
//!
//! What was granted and what was refused wait in lanes of their own, so that nobody who is refused can keep a grant out of
//! the log. A grant is never dropped: while its lane is full, nothing more is granted. Refusals that flood are written as
//! sums.

mod counts;
mod entry;
mod flood;
mod lanes;
mod record;
pub mod settings;
mod sink;
pub mod subject;
mod writer;

use std::sync::Arc;
use std::time::Duration;

pub use self::counts::AuditCounts;
use self::entry::Entry;
use self::lanes::Lanes;
pub use self::record::{Deed, Event, Record};
use self::settings::AuditSettings;
use self::subject::{Hashes, SubjectKey};
use crate::base::clock::Clock;

/// Grants cannot be recorded at present, so there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log takes no records")]
pub struct Unrecorded;

/// Where audit records go.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    lanes: Option<Arc<Lanes>>,
    counts: AuditCounts,
}

/// How long a grant waits for its place in the log, or to be written where that is required.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the log.
const LAST_WRITE: Duration = Duration::from_secs(5);

impl Audit {
    /// Starts recording.
    ///
    /// # Errors
    /// A sentence about `AUDIT_LOG`, when it cannot be opened.
    pub fn start(settings: &AuditSettings, clock: Clock) -> Result<Self, String> {
        let counts = AuditCounts::default();
        let sink = settings.open()?;
        let hashes = Hashes::new(SubjectKey::new(settings.key()));
        let lanes = sink.map(|sink| {
            let lanes = Arc::new(Lanes::new(settings.required, counts.clone()));
            writer::start(lanes.clone(), sink, hashes, clock.clone());
            lanes
        });
        Ok(Self(Arc::new(Inner { clock, lanes, counts })))
    }

    /// What became of records.
    #[must_use]
    pub fn counts(&self) -> &AuditCounts {
        &self.0.counts
    }

    /// Records that were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.counts.lost.get().try_into().unwrap_or_default()
    }

    /// Waits until a grant can be recorded.
    ///
    /// # Errors
    /// [`Unrecorded`] when that takes too long: then there must be no grant.
    pub async fn room(&self) -> Result<(), Unrecorded> {
        let Some(lanes) = &self.0.lanes else { return Ok(()) };
        if lanes.has_room() {
            return Ok(());
        }
        if lanes.required {
            return Err(Unrecorded);
        }
        tokio::time::timeout(PATIENCE, lanes.until(Lanes::has_room)).await.map_err(|_| Unrecorded)
    }

    /// Writes down what came of one request for a token.
    pub fn record(&self, record: &Record<'_>) {
        self.push(record.reason.is_empty(), || Entry::of_token(record));
    }

    /// The same for a grant: where that is required, waits until it is written.
    ///
    /// # Errors
    /// [`Unrecorded`] when that takes too long or fails.
    pub async fn recorded(&self, record: &Record<'_>) -> Result<(), Unrecorded> {
        let place = self.push(true, || Entry::of_token(record));
        let Some(lanes) = self.0.lanes.as_ref().filter(|lanes| lanes.required) else { return Ok(()) };
        lanes.hurry();
        let settled = lanes.until(|lanes| lanes.has_written(place) || lanes.is_failing());
        let waited = tokio::time::timeout(PATIENCE, settled).await;
        if waited.is_ok() && lanes.has_written(place) { Ok(()) } else { Err(Unrecorded) }
    }

    /// Writes down a login or a logout of our own.
    pub fn event(&self, event: &Event<'_>) {
        self.push(event.reason.is_empty(), || Entry::of_event(event));
    }

    /// Writes down what an operator does, and waits until it is written.
    ///
    /// # Errors
    /// [`Unrecorded`] when it could not be written: then it must not be done.
    pub fn deed(&self, deed: &Deed<'_>) -> Result<(), Unrecorded> {
        let Some(lanes) = &self.0.lanes else { return Err(Unrecorded) };
        let place = self.push(true, || Entry::of_deed(deed));
        lanes.settle(LAST_WRITE);
        if lanes.has_written(place) { Ok(()) } else { Err(Unrecorded) }
    }

    /// Waits until everything recorded so far has been handed to the sink, but not for ever: what a sink has not taken by
    /// then counts as lost.
    pub fn flush(&self) {
        if let Some(lanes) = &self.0.lanes
            && let Some(waiting) = lanes.flush(LAST_WRITE)
        {
            tracing::error!(waiting, "audit records have not been written: the audit log takes none");
        }
    }

    /// Opens the file anew, after somebody has moved it away.
    pub fn reopen(&self) {
        if let Some(lanes) = &self.0.lanes {
            lanes.reopen();
        }
    }

    fn push(&self, granted: bool, entry: impl FnOnce() -> Entry) -> u64 {
        let Some(lanes) = &self.0.lanes else { return 0 };
        let mut entry = entry();
        entry.at = self.0.clock.since_epoch();
        if granted { lanes.grant(entry) } else { lanes.refusal(entry) }
    }
}
