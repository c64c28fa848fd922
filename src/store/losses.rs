//! A store that comes back empty answers like any other: that sessions, revocations and marks are gone shows only in what should be
//! there. So each process keeps a row of its own there, and looks for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Down, Key, Store};
use crate::base::clock::{UnixTime, random_id};

/// How long the row is kept, when nobody renews it.
const KEPT: Duration = Duration::from_mins(10);

/// A process's own row: its name, and until when it must be there.
#[derive(Debug)]
pub(super) struct Presence {
    key: Key,
    until: Mutex<UnixTime>,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { key: Key::of("presence", &[&random_id()]), until: Mutex::new(UnixTime(0)) }
    }
}

impl Store {
    /// Whether the store has lost what was kept in it since the last time this was asked, which it then says in the log. To be
    /// called more often than every ten minutes.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn has_lost(&self) -> Result<bool, Down> {
        let Presence { key, until } = &self.0.presence;
        let expected = self.now() < *until.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = expected && self.noted(key).await?.is_none();
        if lost {
            let host = self.0.watched.as_ref().map_or("", |watched| watched.host.as_str());
            tracing::error!(
                host,
                "the session store has lost what was kept in it: visitors of our own login have to log in again, revocations are to be repeated, and tokens that count once may count once more"
            );
        }
        let end = self.now().plus(KEPT);
        self.note(key, HashMap::new(), end).await?;
        *until.lock().unwrap_or_else(PoisonError::into_inner) = end;
        Ok(lost)
    }
}
