//! Records on their way to the writer: grants in one lane, refusals in another.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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
/// How long the writer rests after a write when nobody waits for the next. What comes meanwhile is written together.
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
    blocked: AtomicBool,
    pub(super) required: bool,
    pub(super) counts: AuditCounts,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish or a fact of its own, set by another party")]
struct State {
    grants: Vec<Entry>,
    refusals: Vec<Entry>,
    floods: Floods,
    places: u64,
    /// Those who wait for the grants in the lane.
    commit: Arc<Notify>,
    /// Grants that are on their way into the log and must not stay there.
    withheld: HashSet<u64>,
    /// Records that were lost since the last one that was written.
    lost: u64,
    /// The writer is at work.
    writing: bool,
    /// It waits for more before it looks again, unless it is called.
    resting: bool,
    /// Somebody will call the writer for the grants in the lane.
    caller: bool,
    /// The writer is called for them.
    called: bool,
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
    /// Records that were lost before.
    pub(super) lost: u64,
    commit: Arc<Notify>,
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
        counts.up.set(1);
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            progress: Notify::new(),
            granted: AtomicU64::new(0),
            written: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
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

    /// Why the log takes no records at present.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        let blocked = self.blocked.load(Ordering::Relaxed).then_some("the audit log is blocked; records wait");
        if self.is_failing() { Some("the audit log takes no records; they wait") } else { blocked }
    }

    /// Waits until `condition` holds; it is looked at after every write.
    pub(super) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        until(&self.progress, || condition(self)).await;
    }

    /// Waits until this grant is written, or the sink turns out to take nothing.
    pub(super) async fn committed(&self, grant: &Grant) {
        until(&grant.commit, || self.has_written(grant.place) || self.is_failing()).await;
    }

    /// Keeps the record of a grant.
    pub(super) fn grant(&self, entry: Entry) -> Grant {
        if self.granted.fetch_add(1, Ordering::Relaxed) >= GRANTS_END {
            self.granted.fetch_sub(1, Ordering::Relaxed);
            self.counts.lost.inc();
            self.lock().lost += 1;
            tracing::error!("an audit record was lost: the audit log takes none");
            return Grant { place: u64::MAX, commit: Arc::default(), calls: true };
        }
        self.counts.waiting.inc();
        let mut state = self.lock();
        let entry = state.next_place(entry);
        let calls = !std::mem::replace(&mut state.caller, true);
        let grant = Grant { place: entry.place, commit: state.commit.clone(), calls };
        state.grants.push(entry);
        grant
    }

    /// Calls the writer for the grants in the lane.
    pub(super) fn call(&self) {
        let mut state = self.lock();
        let asleep = !state.writing || state.resting;
        let awaited = !std::mem::replace(&mut state.called, true);
        self.wake(state, asleep && awaited);
    }

    /// How many grants are in the lane or on their way into the log.
    pub(super) fn waiting(&self) -> u64 {
        self.granted.load(Ordering::Relaxed)
    }

    /// Keeps the record of a refusal, alone or in a sum.
    pub(super) fn refusal(&self, entry: Entry) {
        let mut state = self.lock();
        let entry = state.next_place(entry);
        let room = state.refusals.len() < REFUSALS_MAX;
        if state.floods.admit(&entry, room) {
            state.refusals.push(entry);
        } else {
            self.counts.summed.inc();
        }
        let asleep = !state.writing;
        self.wake(state, asleep);
    }

    /// What this grant is about does not leave: its record is taken back.
    pub(super) fn withhold(&self, place: u64) {
        let mut state = self.lock();
        if let Some(at) = state.grants.iter().position(|entry| entry.place == place) {
            state.grants.remove(at);
            self.granted.fetch_sub(1, Ordering::Relaxed);
            self.counts.waiting.dec();
        } else if !self.has_written(place) && place != u64::MAX {
            state.withheld.insert(place);
        }
    }

    /// Leaves out what has been withheld since, as nothing of it is written.
    pub(super) fn leave_out_withheld(&self, batch: &mut Batch) {
        let mut state = self.lock();
        batch.entries.retain(|entry| !state.withheld.remove(&entry.place));
    }

    /// The sink has taken nothing for longer than anybody waits.
    pub(super) fn say_blocked(&self) {
        self.counts.up.set(0);
        if !self.blocked.swap(true, Ordering::Relaxed) && !self.is_failing() {
            tracing::error!("the audit log is blocked; records wait");
        }
    }

    fn wake(&self, state: MutexGuard<'_, State>, asleep: bool) {
        drop(state);
        if asleep {
            self.filled.notify_one();
        }
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
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
        self.counts.lost.inc_by(waiting as u64);
        Some(waiting)
    }

    /// Lets refusals gather.
    pub(super) fn rest(&self) {
        let mut state = self.lock();
        if !state.called {
            state.resting = true;
            let waited = self.filled.wait_timeout_while(state, REST, |s| !s.hurry && !s.called);
            waited.unwrap_or_else(PoisonError::into_inner).0.resting = false;
        }
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
        let idle = |s: &mut State| {
            !s.called && s.refusals.is_empty() && !s.reopen && !(s.hurry && (s.floods.any() || !s.grants.is_empty()))
        };
        let mut state = if state.floods.any() {
            self.filled.wait_timeout_while(state, LOOK, idle).unwrap_or_else(PoisonError::into_inner).0
        } else {
            let quiet = |s: &mut State| idle(s) && !s.floods.any();
            self.filled.wait_while(state, quiet).unwrap_or_else(PoisonError::into_inner)
        };
        state.writing = true;
        (state.caller, state.called) = (false, false);
        let hurry = state.hurry;
        let mut entries = std::mem::replace(&mut state.grants, spare);
        let grants = entries.len() as u64;
        if !state.refusals.is_empty() {
            entries.append(&mut state.refusals);
            entries.sort_by_key(|entry| entry.place);
        }
        let sums = state.floods.take(now(), hurry);
        Batch {
            entries,
            sums,
            reopen: std::mem::take(&mut state.reopen),
            lost: std::mem::take(&mut state.lost),
            commit: std::mem::take(&mut state.commit),
            grants,
            place: state.places,
        }
    }

    /// The batch is in the sink.
    pub(super) fn done(&self, batch: &Batch) {
        let failed = self.failing.swap(false, Ordering::AcqRel);
        if self.blocked.swap(false, Ordering::Relaxed) || failed {
            tracing::info!("the audit log takes records again");
        }
        self.counts.up.set(1);
        self.granted.fetch_sub(batch.grants, Ordering::Relaxed);
        self.counts.waiting.dec_by(batch.grants.try_into().unwrap_or(i64::MAX));
        self.written.store(batch.place, Ordering::Release);
        self.take_back(batch);
        batch.commit.notify_waiters();
        self.progress.notify_waiters();
    }

    /// What was withheld while it was being written is in the log, and a record after it says so.
    fn take_back(&self, batch: &Batch) {
        let mut state = self.lock();
        if state.withheld.is_empty() {
            return;
        }
        let withheld = std::mem::take(&mut state.withheld);
        for entry in batch.entries.iter().filter(|entry| withheld.contains(&entry.place)) {
            let record = state.next_place(entry.withheld());
            state.refusals.push(record);
        }
    }

    /// The sink takes nothing.
    pub(super) fn fail(&self, batch: &Batch, kind: ErrorKind) {
        self.counts.up.set(0);
        if !self.failing.swap(true, Ordering::AcqRel) {
            tracing::error!(%kind, "the audit log takes no records; they wait");
        }
        self.progress.notify_waiters();
        // Whoever is about to wait for it holds the lock until it waits.
        let next = self.lock().commit.clone();
        batch.commit.notify_waiters();
        next.notify_waiters();
        self.emptied.notify_all();
    }
}

/// A grant on its way into the log.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) place: u64,
    /// Whoever has this grant is to call the writer, for all that are in the lane by then.
    pub(super) calls: bool,
    commit: Arc<Notify>,
}

/// Waits until `condition` holds; it is looked at whenever `sign` is given.
async fn until(sign: &Notify, condition: impl Fn() -> bool) {
    loop {
        let mut given = std::pin::pin!(sign.notified());
        given.as_mut().enable();
        if condition() {
            return;
        }
        given.await;
    }
}
