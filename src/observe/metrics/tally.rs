//! A counter for every widget and kind: found without making labels, looked at without reading the exposition.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

fn counter_of<K: Copy + Eq>(kinds: &[(K, Counter)], kind: K) -> Option<&Counter> {
    kinds.iter().find(|(known, _)| *known == kind).map(|(_, counter)| counter)
}

/// Counters of a family whose label sets are a widget's name and a kind `K` of our own words.
#[derive(Debug)]
pub(super) struct Tally<K, L: Clone + Hash + Eq> {
    family: Family<L, Counter>,
    /// By widget; the kinds are few, and words that are compared sooner than hashed.
    known: RwLock<HashMap<String, Vec<(K, Counter)>>>,
}

impl<K, L> Tally<K, L>
where
    K: Copy + Eq,
    L: Clone + Eq + Hash + EncodeLabelSet + From<(String, K)>,
{
    pub(super) fn of(family: Family<L, Counter>) -> Self {
        Self { family, known: RwLock::default() }
    }

    /// Makes the counter.
    pub(super) fn know(&self, widget: &str, kind: K) {
        self.family.get_or_create_owned(&(widget.to_owned(), kind).into());
    }

    /// Counts one. What it costs does not depend on how many widgets there are.
    pub(super) fn count(&self, widget: &str, kind: K) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(widget).and_then(|kinds| counter_of(kinds, kind)) {
            counter.inc();
            return;
        }
        drop(known);
        let counter = self.family.get_or_create_owned(&(widget.to_owned(), kind).into());
        counter.inc();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let kinds = known.entry(widget.to_owned()).or_default();
        // Two that were first at once have the same counter.
        if counter_of(kinds, kind).is_none() {
            kinds.push((kind, counter));
        }
    }

    /// Calls `look` with every counter.
    pub(super) fn each(&self, mut look: impl FnMut(&str, K, u64)) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        for (widget, kinds) in known.iter() {
            for (kind, counter) in kinds {
                look(widget, *kind, counter.get());
            }
        }
    }

    /// The sums by widget.
    pub(super) fn by_widget(&self) -> HashMap<String, u64> {
        let mut sums = HashMap::new();
        self.each(|widget, _, count| *sums.entry(widget.to_owned()).or_default() += count);
        sums
    }
}
