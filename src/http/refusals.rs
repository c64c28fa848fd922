//! The latest refusals, so that an operator can ask by a request's id why there was no token. In memory, and as many as
//! [`KEPT`]: an answer to somebody who has just called, no second audit log. Nothing in it tells who the visitor is.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::UnixTime;

/// How many are kept. About a MiB.
pub const KEPT: usize = 2000;

/// One request that got no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its id.
    pub request: String,
    /// When it was answered.
    pub at: UnixTime,
    /// Which widget was asked for; empty when none was found.
    pub widget: String,
    /// Which source had found somebody; empty when none had.
    pub source: &'static str,
    /// The status of the answer; nothing when there was nobody to answer.
    pub status: Option<u16>,
    /// Its code.
    pub code: &'static str,
    /// Our own word for why.
    pub reason: &'static str,
    /// The same in a sentence for the operator; empty where the word says all there is.
    pub why: String,
    /// How long it took.
    pub took: Duration,
}

/// The latest of them.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<VecDeque<Refused>>);

impl Refusals {
    /// Keeps one more, and forgets the oldest when there are too many.
    pub fn note(&self, refused: Refused) {
        let mut kept = self.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(refused);
    }

    /// Those of this request's id, the latest first. Whoever names requests may have used a name twice.
    #[must_use]
    pub fn of(&self, request: &str) -> Vec<Refused> {
        self.lock().iter().rev().filter(|refused| refused.request == request).cloned().collect()
    }

    /// How many there are, and how far back they go.
    #[must_use]
    pub fn extent(&self) -> (usize, Option<UnixTime>) {
        let kept = self.lock();
        (kept.len(), kept.front().map(|refused| refused.at))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
