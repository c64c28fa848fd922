//! What a connection is waiting for, and which of its answers is its last.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::limits::ConnectionLimits;
use super::places::Place;
use crate::http::head::HeadFault;

/// What a connection is waiting for: the two low bits say which, the rest counts changes, so that the watchdog can tell
/// a phase that lasts from one that recurs. And which of its answers is its last.
#[derive(Debug)]
pub(super) struct Phase {
    waits: AtomicU64,
    stops: AtomicBool,
    begun: AtomicU64,
    ends_with: AtomicU64,
    refused: OnceLock<(u64, HeadFault)>,
}

impl Default for Phase {
    /// A connection that has just opened owes us a request.
    fn default() -> Self {
        Self {
            waits: AtomicU64::new(Self::READING),
            stops: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            ends_with: AtomicU64::new(u64::MAX),
            refused: OnceLock::new(),
        }
    }
}

impl Phase {
    pub(super) const IDLE: u64 = 0;
    pub(super) const READING: u64 = 1;
    pub(super) const ANSWERING: u64 = 2;

    pub(super) fn enter(&self, phase: u64) {
        let now = self.waits.load(Ordering::Relaxed);
        self.waits.store((now & !3).wrapping_add(4) | phase, Ordering::Relaxed);
    }

    pub(super) fn this_is_the_last(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_last(&self, number: u64) -> bool {
        self.stops.load(Ordering::Relaxed) || number >= self.ends_with.load(Ordering::Relaxed)
    }

    /// The number of the request that is answered from now on, counted from one.
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The request of this number is the last one.
    pub(super) fn ends_with(&self, number: u64) {
        self.ends_with.store(number, Ordering::Relaxed);
    }

    /// The request of this number is refused, and the last one.
    pub(super) fn refuses(&self, number: u64, fault: HeadFault) {
        let _ = self.refused.set((number, fault));
        self.ends_with(number);
    }

    pub(super) fn fault_of(&self, number: u64) -> Option<HeadFault> {
        self.refused.get().filter(|(refused, _)| *refused == number).map(|(_, fault)| *fault)
    }

    pub(super) fn bytes_came(&self) {
        if self.waits.load(Ordering::Relaxed) & 3 == Self::IDLE {
            self.enter(Self::READING);
        }
    }

    /// Completes when the connection has been in one phase for longer than that phase may last, which is less as places
    /// become scarce.
    pub(super) async fn watchdog(&self, limits: ConnectionLimits, place: &Place) {
        let tick = Duration::from_secs(1).min(limits.headers);
        let mut seen = self.waits.load(Ordering::Relaxed);
        let mut lasted = Duration::ZERO;
        loop {
            tokio::time::sleep(tick).await;
            let now = self.waits.load(Ordering::Relaxed);
            lasted = if now == seen { lasted + tick } else { Duration::ZERO };
            seen = now;
            let most = match now & 3 {
                Self::READING => place.patience(limits.headers),
                Self::IDLE => place.patience(limits.idle),
                _ => continue,
            };
            if lasted >= most {
                return;
            }
        }
    }
}
