//! Whether those we depend on answer: one mechanism for all of them, so that every outage has a line when it begins and one
//! when it is over, and a metric in between.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::{Clock, UnixTime};
use super::latency::Latency;

/// What a dependency is, and what its outage means to visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// What visitors get while it is away.
    pub effect: &'static str,
}

/// The host's session endpoint.
pub const SESSION_ENDPOINT: Kind = Kind {
    name: "session endpoint",
    effect: "visitors get 503 upstream_unavailable, and nobody is taken for logged out",
};
/// Token introspection (RFC 7662).
pub const INTROSPECTION: Kind =
    Kind { name: "introspection", effect: "visitors whose token is not known yet get 503 upstream_unavailable" };
/// Key sets and metadata.
pub const KEY_SET: Kind = Kind {
    name: "key set or metadata",
    effect: "keys at hand are used on for four hours; who needs others gets 503 upstream_unavailable",
};
/// Our own login's provider.
pub const PROVIDER: Kind = Kind { name: "identity provider", effect: "nobody can log in; who is logged in stays so" };
/// Who gives out a widget's tokens.
pub const VENDOR: Kind = Kind { name: "vendor", effect: "visitors get no token of this vendor (upstream_unavailable)" };
/// Where sessions are kept.
pub const SESSION_STORE: Kind =
    Kind { name: "session store", effect: "visitors of our own login get 503, and nobody is logged out" };

/// Somebody we depend on.
#[derive(Debug)]
pub struct Availability {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub host: String,
    /// How long calls take.
    pub took: Latency,
    clock: Clock,
    down: AtomicBool,
    resting: AtomicBool,
    calls: AtomicI64,
    failures: AtomicU64,
    turned_away: AtomicU64,
    skew: AtomicI64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Duration,
    turned_away_before: u64,
    last_error: Option<(UnixTime, String)>,
}

static ALL: Mutex<Vec<Arc<Availability>>> = Mutex::new(Vec::new());
/// Most that are watched: hosts can come out of tokens, and what they name is not ours to count.
const MOST: usize = 256;

/// Everybody we depend on.
#[must_use]
pub fn all() -> Vec<Arc<Availability>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Availability {
    /// The dependency of this kind at this host: the same one for everybody who asks, and after a reload.
    #[must_use]
    pub fn of(kind: Kind, host: &str, clock: &Clock) -> Arc<Self> {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| known.kind == kind && known.host == host) {
            return known.clone();
        }
        let fresh = Arc::new(Self::new(kind, host, clock));
        if all.len() < MOST {
            all.push(fresh.clone());
        }
        fresh
    }

    fn new(kind: Kind, host: &str, clock: &Clock) -> Self {
        Self {
            kind,
            host: host.to_owned(),
            took: Latency::default(),
            clock: clock.clone(),
            down: AtomicBool::default(),
            resting: AtomicBool::default(),
            calls: AtomicI64::default(),
            failures: AtomicU64::default(),
            turned_away: AtomicU64::default(),
            skew: AtomicI64::default(),
            state: Mutex::default(),
        }
    }

    /// It has answered.
    pub fn up(&self) {
        if !self.down.load(Ordering::Relaxed) || !self.down.swap(false, Ordering::Relaxed) {
            return;
        }
        let turned_away = self.turned_away.load(Ordering::Relaxed);
        let (seconds, turned_away) = {
            let state = self.lock();
            let lasted = self.clock.monotonic().saturating_sub(state.since);
            (lasted.as_secs(), turned_away.saturating_sub(state.turned_away_before))
        };
        let (dependency, host) = (self.kind.name, self.host.as_str());
        tracing::info!(dependency, host, down_seconds = seconds, turned_away, "the {dependency} is back");
    }

    /// It has not answered, or has failed, and whoever asked is turned away.
    pub fn down(&self, cause: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        state.last_error = Some((self.clock.now(), cause.to_owned()));
        let fresh = !self.down.swap(true, Ordering::Relaxed);
        let before = self.turned_away.fetch_add(1, Ordering::Relaxed);
        if fresh {
            (state.since, state.turned_away_before) = (self.clock.monotonic(), before);
            drop(state);
            let (dependency, host) = (self.kind.name, self.host.as_str());
            tracing::error!(dependency, host, cause, "the {dependency} is down: {}", self.kind.effect);
        }
    }

    /// Somebody was turned away without its being asked.
    pub fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is left alone after repeated failure.
    pub fn set_resting(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
    }

    /// By how many seconds its clock is ahead of ours.
    pub fn set_skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::Relaxed);
    }

    /// Counts a call as open or waiting until the answer is dropped.
    #[must_use]
    pub fn calling(&self) -> Calling<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Calling(&self.calls)
    }

    /// What there is to count at present.
    #[must_use]
    pub fn look(&self) -> Look {
        let relaxed = Ordering::Relaxed;
        Look {
            up: !self.down.load(relaxed),
            resting: self.resting.load(relaxed),
            calls: self.calls.load(relaxed),
            failures: self.failures.load(relaxed),
            turned_away: self.turned_away.load(relaxed),
            skew: self.skew.load(relaxed),
            last_error: self.lock().last_error.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is open or waits.
#[derive(Debug)]
pub struct Calling<'a>(&'a AtomicI64);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What there is to count about a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// It has answered the last time.
    pub up: bool,
    /// It is left alone after repeated failure.
    pub resting: bool,
    /// Calls that are open or wait.
    pub calls: i64,
    /// Calls that failed.
    pub failures: u64,
    /// How many were turned away.
    pub turned_away: u64,
    /// By how many seconds its clock is ahead of ours.
    pub skew: i64,
    /// When it failed last, and why.
    pub last_error: Option<(UnixTime, String)>,
}
