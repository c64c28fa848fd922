//! Records on their way to the writer: grants in one lane, refusals in another.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::counts::AuditCounts;
use super::entry::Entry;
use super::flood::{Floods, Sum};

/// Grants that may wait for a sink that does not take them. While there are so many, nothing more is granted.
pub(super) const GRANTS_MAX: u64 = 16 * 1024;
/// Grants that nobody could be asked to wait for (logins) and requests on their way are kept up to here, and lost beyond.
const GRANTS_END: u64 = 2 * GRANTS_MAX;
/// Refusals that wait one by one. Beyond it they are summed.
const REFUSALS_MAX: usize = 4 * 1024;
/// How long the writer rests after a write. What comes meanwhile is written together, and nobody who records has to wake
/// it: on a busy service that costs more than making the token does.
const REST: Duration = Duration::from_millis(10);
/// How often the writer looks for sums whose time is over.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Lanes {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    progress: Notify,
    granted: AtomicU64,
    written: AtomicU64,
    failing: AtomicBool,
    pub(super) required: bool,
    pub(super) counts: AuditCounts,
}

#[derive(Debug, Default)]
struct State {
    grants: Vec<Entry>,
    refusals: Vec<Entry>,
    floods: Floods,
    places: u64,
    /// The writer is awake, or will be soon without being told.
    writing: bool,
    /// Somebody waits for the lanes to be empty.
    hurry: bool,
    reopen: bool,
}

/// What the writer has to do next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the order in which they came.
    pub(super) entries: Vec<Entry>,
    pub(super) sums: Vec<Sum>,
    /// The file is to be opened anew first.
    pub(super) reopen: bool,
    grants: u64,
    place: u64,
}

impl State {
    fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.refusals.is_empty()
    }

    fn is_done(&self) -> bool {
        self.is_empty() && !self.writing && !self.floods.any()
    }

    fn next_place(&mut self, mut entry: Entry) -> Entry {
        self.places += 1;
        entry.place = self.places;
        entry
    }
}

impl Lanes {
    pub(super) fn new(required: bool, counts: AuditCounts) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            progress: Notify::new(),
            granted: AtomicU64::new(0),
            written: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            required,
            counts,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a grant can be taken.
    pub(super) fn has_room(&self) -> bool {
        self.granted.load(Ordering::Relaxed) < GRANTS_MAX && !(self.required && self.is_failing())
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    pub(super) fn has_written(&self, place: u64) -> bool {
        self.written.load(Ordering::Acquire) >= place
    }

    /// Waits until `condition` holds.
    pub(super) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let mut progress = std::pin::pin!(self.progress.notified());
            progress.as_mut().enable();
            if condition(self) {
                return;
            }
            progress.await;
        }
    }

    /// Keeps the record of a grant.
    pub(super) fn grant(&self, entry: Entry) -> u64 {
        if self.granted.fetch_add(1, Ordering::Relaxed) >= GRANTS_END {
            self.granted.fetch_sub(1, Ordering::Relaxed);
            self.counts.lost.inc();
            tracing::error!("an audit record was lost: the audit log takes none");
            return u64::MAX;
        }
        self.counts.waiting.inc();
        let mut state = self.lock();
        let entry = state.next_place(entry);
        let place = entry.place;
        state.grants.push(entry);
        self.wake(state);
        place
    }

    /// Keeps the record of a refusal, alone or in a sum.
    pub(super) fn refusal(&self, entry: Entry) -> u64 {
        let mut state = self.lock();
        let entry = state.next_place(entry);
        let (place, room) = (entry.place, state.refusals.len() < REFUSALS_MAX);
        if state.floods.admit(&entry, room) {
            state.refusals.push(entry);
        } else {
            self.counts.summed.inc();
        }
        self.wake(state);
        place
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        let asleep = !state.writing;
        drop(state);
        if asleep {
            self.filled.notify_one();
        }
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.filled.notify_one();
    }

    /// Does not let the writer rest.
    pub(super) fn hurry(&self) {
        self.lock().hurry = true;
        self.filled.notify_one();
    }

    /// Waits until everything is written or the sink takes nothing, but no longer than `within`.
    pub(super) fn settle(&self, within: Duration) {
        let mut state = self.lock();
        state.hurry = true;
        self.filled.notify_one();
        let waited = self.emptied.wait_timeout_while(state, within, |s| !s.is_done() && !self.is_failing());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until everything is written, but no longer than `within`; how many records are still waiting then.
    pub(super) fn flush(&self, within: Duration) -> Option<usize> {
        let mut state = self.lock();
        if state.is_done() {
            return None;
        }
        state.hurry = true;
        self.filled.notify_one();
        let waited = self.emptied.wait_timeout_while(state, within, |s| !s.is_done());
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if !waited.timed_out() {
            return None;
        }
        let granted = usize::try_from(self.granted.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let waiting = granted.max(state.grants.len()) + state.refusals.len();
        self.counts.lost.inc_by(waiting.try_into().unwrap_or(i64::MAX));
        Some(waiting)
    }

    /// Lets records gather, unless somebody waits for them.
    pub(super) fn rest(&self) {
        let state = self.lock();
        drop(self.filled.wait_timeout_while(state, REST, |s| !s.hurry));
    }

    /// Waits before the next attempt at a sink that takes nothing; whether it is to be opened anew first.
    pub(super) fn rest_after_failure(&self) -> bool {
        let state = self.lock();
        let waited = self.filled.wait_timeout_while(state, LOOK, |s| !s.reopen);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::take(&mut state.reopen)
    }

    /// Everything that has gathered; nothing when there was nothing for a while. `now` is asked when it wakes.
    pub(super) fn take(&self, spare: Vec<Entry>, now: impl Fn() -> Duration) -> Batch {
        let mut state = self.lock();
        state.writing = false;
        if state.is_done() {
            state.hurry = false;
            self.emptied.notify_all();
        }
        let idle = |s: &mut State| s.is_empty() && !s.reopen && !(s.hurry && s.floods.any());
        let mut state = if state.floods.any() {
            self.filled.wait_timeout_while(state, LOOK, idle).unwrap_or_else(PoisonError::into_inner).0
        } else {
            let quiet = |s: &mut State| idle(s) && !s.floods.any();
            self.filled.wait_while(state, quiet).unwrap_or_else(PoisonError::into_inner)
        };
        state.writing = true;
        let hurry = state.hurry;
        let mut entries = std::mem::replace(&mut state.grants, spare);
        let grants = entries.len() as u64;
        if !state.refusals.is_empty() {
            entries.append(&mut state.refusals);
            entries.sort_by_key(|entry| entry.place);
        }
        let sums = state.floods.take(now(), hurry);
        Batch { entries, sums, reopen: std::mem::take(&mut state.reopen), grants, place: state.places }
    }

    /// The batch is in the sink.
    pub(super) fn done(&self, batch: &Batch) {
        self.failing.store(false, Ordering::Release);
        self.granted.fetch_sub(batch.grants, Ordering::Relaxed);
        self.counts.waiting.dec_by(batch.grants.try_into().unwrap_or(i64::MAX));
        self.written.store(batch.place, Ordering::Release);
        self.progress.notify_waiters();
    }

    /// The sink takes nothing.
    pub(super) fn fail(&self) {
        self.failing.store(true, Ordering::Release);
        self.progress.notify_waiters();
        // Whoever is about to wait for it holds the lock until it waits.
        drop(self.lock());
        self.emptied.notify_all();
    }
}
