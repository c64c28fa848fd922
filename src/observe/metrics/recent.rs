//! What the counters said a while ago, so that the console can show how it is going: a few numbers every few seconds, in a
//! bounded memory, taken from the counters that monitoring reads. Nothing is added to the way of a request.

use std::collections::VecDeque;
use std::time::Duration;

use super::labels::RefusedLabels;
use crate::base::clock::UnixTime;

/// How many are kept: a quarter of an hour, a beat every five seconds.
const KEPT: usize = 180;

/// What happened between two looks at the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// When the second look was.
    pub at: UnixTime,
    /// Tokens that were issued.
    pub issued: u64,
    /// Requests that got none.
    pub refused: u64,
    /// Mean time of a decision in microseconds; zero when there was none.
    pub mean_us: u64,
}

/// A kind of refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// Of which widget, with which code and reason.
    pub kind: RefusedLabels,
    /// How many since the start.
    pub total: u64,
    /// When a beat last saw more of them.
    pub seen: UnixTime,
}

/// The memory.
#[derive(Debug, Default)]
pub struct Recent {
    beats: VecDeque<Minute>,
    last: Option<Look>,
    refusals: Vec<Refusals>,
}

/// One look at the counters.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) issued: u64,
    pub(super) refused: Vec<(RefusedLabels, u64)>,
    pub(super) decisions: u64,
    pub(super) took: Duration,
}

impl Recent {
    /// Every beat that is kept, the oldest first.
    #[must_use]
    pub fn beats(&self) -> Vec<Minute> {
        self.beats.iter().copied().collect()
    }

    /// Every kind of refusal there has been, the latest first.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusals> {
        let mut all = self.refusals.clone();
        all.sort_by(|a, b| b.seen.cmp(&a.seen).then(b.total.cmp(&a.total)));
        all
    }

    pub(super) fn beat(&mut self, at: UnixTime, now: Look) {
        self.note(at, &now.refused);
        let count = |look: &Look| look.refused.iter().map(|(_, n)| n).sum::<u64>();
        let (refused, before) = (count(&now), self.last.take().unwrap_or_default());
        let decisions = now.decisions.saturating_sub(before.decisions);
        if self.beats.len() == KEPT {
            self.beats.pop_front();
        }
        self.beats.push_back(Minute {
            at,
            issued: now.issued.saturating_sub(before.issued),
            refused: refused.saturating_sub(count(&before)),
            mean_us: mean_us(now.took.saturating_sub(before.took), decisions),
        });
        self.last = Some(now);
    }

    fn note(&mut self, at: UnixTime, counted: &[(RefusedLabels, u64)]) {
        for (kind, total) in counted {
            match self.refusals.iter_mut().find(|refusals| refusals.kind == *kind) {
                Some(known) if known.total == *total => {}
                Some(known) => (known.total, known.seen) = (*total, at),
                None => self.refusals.push(Refusals { kind: kind.clone(), total: *total, seen: at }),
            }
        }
    }
}

fn mean_us(took: Duration, decisions: u64) -> u64 {
    took.as_micros().checked_div(decisions.into()).and_then(|mean| u64::try_from(mean).ok()).unwrap_or_default()
}
