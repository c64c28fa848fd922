//! How many credentials that nobody knows one client address may bring to a server.

use std::time::Duration;

use moka::sync::Cache;

use crate::base::clock::Clock;
use crate::base::rate::Rate;

/// Most addresses that are counted at once; of more the least seen are forgotten.
const ADDRESSES: u64 = 10_000;

/// Counts, by address, calls with credentials that the server has not vouched for.
#[derive(Debug)]
pub(super) struct Strangers {
    rate: Rate,
    clock: Clock,
    seen: Cache<u128, Window>,
}

/// What an address has brought since a moment.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Duration,
    count: u32,
}

impl Strangers {
    #[must_use]
    pub(super) fn new(rate: Rate, clock: Clock) -> Self {
        Self { rate, clock, seen: Cache::new(ADDRESSES) }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// When the next one may come.
    pub(super) fn admit(&self, address: u128) -> Result<(), Duration> {
        let now = self.clock.monotonic();
        let window = self.window(address).unwrap_or(Window { since: now, count: 0 });
        if window.count >= self.rate.count.get() {
            return Err((window.since + self.rate.per).saturating_sub(now));
        }
        self.seen.insert(address, Window { count: window.count + 1, ..window });
        Ok(())
    }

    /// The last one was somebody after all, and does not count.
    pub(super) fn forgive(&self, address: u128) {
        if let Some(window) = self.window(address) {
            self.seen.insert(address, Window { count: window.count.saturating_sub(1), ..window });
        }
    }

    fn window(&self, address: u128) -> Option<Window> {
        let now = self.clock.monotonic();
        self.seen.get(&address).filter(|window| now.saturating_sub(window.since) < self.rate.per)
    }
}
