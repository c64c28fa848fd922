//! One record per decision and per deed of an operator: who asked for what, when, and what came of it. Never a token, a
//! secret or a name.
//!
//! Records are JSON lines. The subject appears as a keyed hash, so that the lines of one visitor can be found by whoever
//! holds the key and by nobody else. A thread of its own writes them: it takes whatever has gathered and writes it at
//! once, so a quiet service logs immediately and a busy one logs in large writes. An answer with a token leaves when its
//! record is written, so that a process that is killed has handed out nothing that the log does not know of.
//!
//! What was granted and what was refused wait in lanes of their own, so that nobody who is refused can keep a grant out of
//! the log. A grant is never dropped: while its lane is full, nothing more is granted. Refusals that flood are written as
//! sums.

pub mod chain;
mod counts;
mod entry;
mod file;
mod flood;
mod lanes;
mod record;
pub mod settings;
mod sink;
pub mod subject;
pub mod verify;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use self::chain::{Chain, Seal};
pub use self::counts::AuditCounts;
use self::entry::Entry;
pub use self::file::Rotation;
use self::lanes::{Grant, Lanes};
pub use self::record::{Change, Deed, Event, Record};
use self::settings::AuditSettings;
use self::subject::{Hashes, SubjectKey};
use self::writer::Writer;
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
    key: SubjectKey,
}

/// How long a grant waits for its place in the log, or to be written where that is required.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer waits for its record where it may leave without: longer than any disk takes that works.
const COURTESY: Duration = Duration::from_millis(500);
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
        let key = SubjectKey::new(settings.key());
        let lanes = sink.map(|sink| {
            let lanes = Arc::new(Lanes::new(settings.required, counts.clone()));
            let chain = Chain::new(Seal::new(settings.chain_key()), settings.replica.clone());
            Writer::new(sink, chain, Hashes::new(key.clone()), clock.clone()).start(lanes.clone());
            lanes
        });
        Ok(Self(Arc::new(Inner { clock, lanes, counts, key })))
    }

    /// What became of records.
    #[must_use]
    pub fn counts(&self) -> &AuditCounts {
        &self.0.counts
    }

    /// Records that were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.counts.lost.get()
    }

    /// What is wrong with the log at present.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        self.0.lanes.as_ref().and_then(|lanes| lanes.trouble())
    }

    /// The name of a token without an id.
    #[must_use]
    pub fn token_hash(&self, token: &str) -> String {
        if self.0.lanes.is_some() { self.0.key.token(token) } else { String::new() }
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

    /// The same for a grant, and waits until it is written. Where it need not be, a log that takes nothing holds up nobody
    /// for long. An answer that does not leave, because this fails or nobody waits for it any more, leaves no grant behind.
    ///
    /// # Errors
    /// [`Unrecorded`] when that takes too long or fails where it is required.
    pub async fn recorded(&self, record: &Record<'_>) -> Result<(), Unrecorded> {
        let Some(lanes) = &self.0.lanes else { return Ok(()) };
        let grant = lanes.grant(self.dated(Entry::of_token(record)));
        let mut held = Held { lanes, place: grant.place, leaves: false, call: grant.calls.then_some(Call(lanes)) };
        if held.call.is_some() {
            gathered(lanes).await;
            held.call = None;
        }
        if lanes.required || lanes.trouble().is_none() {
            let patience = if lanes.required { PATIENCE } else { COURTESY };
            if tokio::time::timeout(patience, lanes.committed(&grant)).await.is_err() {
                lanes.say_blocked();
            }
        }
        held.leaves = !lanes.required || lanes.has_written(grant.place);
        if held.leaves { Ok(()) } else { Err(Unrecorded) }
    }

    /// Writes down a login or a logout of our own.
    pub fn event(&self, event: &Event<'_>) {
        self.push(event.reason.is_empty(), || Entry::of_event(event));
    }

    /// Writes down what happens to the service itself.
    pub fn change(&self, change: &Change<'_>) {
        self.push(true, || Entry::of_change(change));
    }

    /// Writes down what an operator does, and waits until it is written.
    ///
    /// # Errors
    /// [`Unrecorded`] when it could not be written: then it must not be done.
    pub fn deed(&self, deed: &Deed<'_>) -> Result<(), Unrecorded> {
        let (Some(lanes), Some(grant)) = (&self.0.lanes, self.push(true, || Entry::of_deed(deed))) else {
            return Err(Unrecorded);
        };
        lanes.settle(LAST_WRITE);
        if lanes.has_written(grant.place) { Ok(()) } else { Err(Unrecorded) }
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

    fn push(&self, granted: bool, entry: impl FnOnce() -> Entry) -> Option<Grant> {
        let lanes = self.0.lanes.as_ref()?;
        let entry = self.dated(entry());
        if granted {
            let grant = lanes.grant(entry);
            lanes.call();
            return Some(grant);
        }
        lanes.refusal(entry);
        None
    }

    fn dated(&self, mut entry: Entry) -> Entry {
        entry.at = self.0.clock.since_epoch();
        entry
    }
}

/// Calls the writer when it is dropped, whatever becomes of whoever was to call it: others wait for the same write.
struct Call<'a>(&'a Lanes);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.call();
    }
}

/// Most turns that a grant waits for others. A turn of the runtime is all that is ready to be done.
const TURNS: usize = 4;

/// Lets all requests that are ready now come to the log before the writer is called: waking it for each of them costs more than
/// making a token does. Who is alone waits for nobody.
async fn gathered(lanes: &Lanes) {
    let mut before = lanes.waiting();
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        let now = lanes.waiting();
        if now == before {
            break;
        }
        before = now;
    }
}

/// A grant whose answer has not left yet.
struct Held<'a> {
    lanes: &'a Lanes,
    place: u64,
    leaves: bool,
    /// Dropped last: what does not leave is taken back before the writer is called, which may be at work in that very moment.
    call: Option<Call<'a>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.leaves {
            self.lanes.withhold(self.place);
        }
    }
}
