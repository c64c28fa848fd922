//! Stops calls after repeated failure; lets one probe through after a rest.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::Clock;

/// Failures in a row after which the server is left alone.
const FAILURES: usize = 5;
/// How long it is left alone. Short, because nobody restarts us: recovery is noticed within this time.
const REST: Duration = Duration::from_secs(2);

/// The breaker of one server.
#[derive(Debug)]
pub struct Breaker {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: usize,
    /// On whose calls it failed.
    failed_for: Vec<u64>,
    resting_until: Option<Duration>,
    probing: bool,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was an answer.
    Well,
    /// The server failed.
    Failed,
    /// It failed on something that a visitor brought. Each visitor counts once: what one of them sends says little about how
    /// the server fares with others.
    FailedFor {
        /// Which visitor.
        whom: u64,
        /// Whether the server has known their credential before, so that it cannot be what it failed on.
        known: bool,
    },
}

impl Breaker {
    /// A breaker that lets calls through.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Whether calls are stopped at present.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let now = self.clock.monotonic();
        self.lock().resting_until.is_some_and(|until| now < until)
    }

    /// Permission to make one call, to be settled with how it went.
    ///
    /// # Errors
    /// How long calls are stopped for.
    pub fn admit(&self) -> Result<Turn<'_>, Duration> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        match state.resting_until {
            Some(until) if now < until => Err(until.saturating_sub(now)),
            Some(_) if state.probing => Err(REST),
            resting => {
                state.probing = resting.is_some();
                drop(state);
                Ok(Turn { breaker: self, probe: resting.is_some(), settled: false })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a failure, and says whether it is one for a probe to end with.
    fn count(&mut self, outcome: Outcome) -> bool {
        let Outcome::FailedFor { whom, known } = outcome else {
            self.failures += 1;
            return true;
        };
        if !self.failed_for.contains(&whom) {
            self.failed_for.push(whom);
            self.failed_for.truncate(FAILURES);
            self.failures += 1;
        }
        known
    }
}

/// Permission to make one call. A call whose caller went away gives the permission back without a verdict.
#[derive(Debug)]
pub struct Turn<'a> {
    breaker: &'a Breaker,
    probe: bool,
    settled: bool,
}

impl Turn<'_> {
    /// Gives the verdict.
    pub fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        let now = self.breaker.clock.monotonic();
        let mut state = self.breaker.lock();
        if outcome == Outcome::Well {
            *state = State::default();
            return;
        }
        let counts = state.count(outcome);
        state.probing = state.probing && !self.probe;
        let rests = if self.probe { counts } else { state.failures >= FAILURES };
        if rests {
            state.resting_until = Some(now + REST);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.breaker.lock().probing = false;
        }
    }
}
