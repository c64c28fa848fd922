//! What the counters said a while ago, so that the console can show how it is going: a few numbers every few seconds, in a
//! bounded memory, taken from the same text that monitoring reads. Nothing is added to the way of a request.

use std::collections::{BTreeMap, VecDeque};

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
    /// Widget name; empty when none was found.
    pub widget: String,
    /// Stable code of the answer.
    pub code: String,
    /// Our own word for why.
    pub reason: String,
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
    pub(super) refused: Counts,
    pub(super) decisions: u64,
    pub(super) seconds: f64,
}

/// Names and values of one series.
pub type Labels = BTreeMap<String, String>;

/// The series of one counter.
pub type Counts = Vec<(Labels, u64)>;

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
            mean_us: mean_us(now.seconds - before.seconds, decisions),
        });
        self.last = Some(now);
    }

    fn note(&mut self, at: UnixTime, counted: &[(Labels, u64)]) {
        for (labels, total) in counted {
            let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
            let (widget, code, reason) = (label("widget"), label("code"), label("reason"));
            match self.refusals.iter_mut().find(|r| r.widget == widget && r.code == code && r.reason == reason) {
                Some(known) if known.total == *total => {}
                Some(known) => (known.total, known.seen) = (*total, at),
                None => self.refusals.push(Refusals { widget, code, reason, total: *total, seen: at }),
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "for show")]
fn mean_us(seconds: f64, decisions: u64) -> u64 {
    if decisions == 0 { 0 } else { (seconds.max(0.0) * 1e6 / decisions as f64) as u64 }
}

/// The series of one counter in an exposition. Our own labels hold names and words that need no unescaping.
pub(super) fn series(exposition: &str, name: &str) -> Counts {
    let lines = exposition.lines().filter_map(|line| line.strip_prefix(name));
    let parts = lines.filter_map(|rest| rest.strip_prefix('{')?.split_once("} "));
    parts.filter_map(|(labels, value)| Some((read_labels(labels), value.parse().ok()?))).collect()
}

/// The value of a series without labels.
pub(super) fn number<'a>(exposition: &'a str, name: &str) -> Option<&'a str> {
    exposition.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

fn read_labels(text: &str) -> Labels {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}
