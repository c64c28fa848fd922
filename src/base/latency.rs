//! How long something takes, counted in buckets without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in seconds: from a local look to a slow server.
pub const BOUNDS: [f64; 12] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

/// A histogram.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Latency {
    /// Counts one.
    pub fn note(&self, span: Duration) {
        let seconds = span.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound).and_then(|at| self.buckets.get(at)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(u64::try_from(span.as_nanos()).unwrap_or_default(), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were, and their mean.
    #[must_use]
    pub fn mean(&self) -> (u64, Duration) {
        let count = self.count.load(Ordering::Relaxed);
        let nanos = self.nanos.load(Ordering::Relaxed);
        (count, Duration::from_nanos(nanos.checked_div(count).unwrap_or_default()))
    }

    /// The bound under which this many of a hundred stayed, in seconds: infinity when that is beyond the last; 0 when there was
    /// none.
    #[must_use]
    pub fn bound_of(&self, percent: u64) -> f64 {
        let (_, count, buckets) = self.look();
        let (wanted, mut seen) = ((count * percent).div_ceil(100), 0);
        let reached = buckets.into_iter().find(|(_, in_bucket)| {
            seen += in_bucket;
            seen >= wanted
        });
        reached.filter(|_| count > 0).map_or(0.0, |(bound, _)| bound)
    }

    /// The sum in seconds, the count, and how many were in each bucket, those beyond the last bound at the end.
    #[must_use]
    pub fn look(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let count = self.count.load(Ordering::Relaxed);
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let beyond = count.saturating_sub(counts.iter().sum());
        let buckets = BOUNDS.into_iter().zip(counts).chain([(f64::INFINITY, beyond)]).collect();
        (Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64(), count, buckets)
    }
}
