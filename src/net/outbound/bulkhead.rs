//! How many calls to one server are open and wait at once, and how much of that anybody may take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// Shares are looked through for idle ones when there are more than this.
const SHARES: usize = 1024;

/// The places at one server, or the share of them that is one visitor's.
#[derive(Debug)]
pub(super) struct Places {
    /// Calls that are open.
    pub(super) open: Semaphore,
    /// Calls that are open or wait.
    pub(super) taken: Semaphore,
}

impl Places {
    /// So many at once, and so many more that wait.
    #[must_use]
    pub(super) fn new(open: usize, waiting: usize) -> Self {
        Self { open: Semaphore::new(open), taken: Semaphore::new(waiting.saturating_add(open)) }
    }
}

/// Every visitor's share, while they have calls under way.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<HashMap<u64, Arc<Places>>>);

impl Shares {
    /// The share of this visitor.
    #[must_use]
    pub(super) fn of(&self, whom: u64, make: impl FnOnce() -> Places) -> Arc<Places> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() > SHARES {
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        shares.entry(whom).or_insert_with(|| Arc::new(make())).clone()
    }
}
