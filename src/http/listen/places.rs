//! The places for connections: so many in all, so many for one address, and less patience as they become scarce.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ListenerOptions;
use crate::net::peer::{Peer, network};
use crate::observe::metrics::{Connections, Shed};

/// What even the shortest patience is.
const LEAST: Duration = Duration::from_secs(1);

/// All places of a listener.
pub struct Places {
    options: ListenerOptions,
    taken: AtomicUsize,
    /// Whether something else is short, descriptors above all.
    scarce: AtomicBool,
    /// Whether newcomers are turned away, and how many were.
    full: AtomicBool,
    turned_away: AtomicU64,
    by_address: Mutex<HashMap<IpAddr, Held>>,
    head_bytes: AtomicI64,
}

/// What one address holds.
#[derive(Debug, Default)]
struct Held {
    places: usize,
    /// Whether the log has been told that it holds as many as it may.
    said: bool,
}

impl Places {
    /// As many as these options say.
    #[must_use]
    pub fn new(options: ListenerOptions) -> Arc<Self> {
        options.counts.limit.set(options.limits.most.try_into().unwrap_or(i64::MAX));
        Arc::new(Self {
            options,
            taken: AtomicUsize::default(),
            scarce: AtomicBool::default(),
            full: AtomicBool::default(),
            turned_away: AtomicU64::default(),
            by_address: Mutex::default(),
            head_bytes: AtomicI64::default(),
        })
    }

    pub(super) fn counts(&self) -> &Connections {
        &self.options.counts
    }

    /// A place for whoever has connected.
    ///
    /// # Errors
    /// Why there is none.
    pub fn take(self: &Arc<Self>, peer: Peer) -> Result<Place, Shed> {
        let most = self.options.limits.most;
        let free = |taken: usize| (taken < most).then_some(taken + 1);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_err() {
            self.turn_away();
            return Err(Shed::Full);
        }
        // From here on whatever is dropped gives its place back.
        let mut place = Place { places: self.clone(), address: None };
        self.counts().open.inc();
        let address = match peer {
            Peer::Tcp(address) if !(self.options.is_proxy)(peer) => network(address),
            _ => return Ok(place),
        };
        if !self.count(address) {
            return Err(Shed::Address);
        }
        place.address = Some(address);
        Ok(place)
    }

    /// One more for this address, as far as it may have one.
    fn count(&self, address: IpAddr) -> bool {
        let most = self.options.limits.per_address;
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let held = by_address.entry(address).or_default();
        if held.places < most {
            held.places += 1;
            return true;
        }
        if !std::mem::replace(&mut held.said, true) {
            // Whose it is stands in no log (LOG-1); `ss -tn` tells.
            tracing::warn!(
                connections = most,
                "one address holds as many connections as it may: its further ones are answered 503 (CONNECTIONS_PER_ADDRESS; a proxy belongs into TRUSTED_PROXIES)"
            );
        }
        false
    }

    fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        if !self.full.swap(true, Ordering::Relaxed) {
            let connections = self.options.limits.most;
            tracing::error!(
                connections,
                "every place for a connection is taken: further ones are answered 503 (CONNECTIONS_MAX)"
            );
        }
    }

    fn give_back(&self, address: Option<IpAddr>) {
        let left = self.taken.fetch_sub(1, Ordering::Relaxed) - 1;
        self.counts().open.dec();
        // Said once a tenth is free again, or one visitor who comes and goes would be two lines each time.
        let most = self.options.limits.most;
        if left <= most - most.div_ceil(10)
            && self.full.load(Ordering::Relaxed)
            && self.full.swap(false, Ordering::Relaxed)
        {
            let turned_away = self.turned_away.swap(0, Ordering::Relaxed);
            tracing::info!(turned_away, "there are places for connections again");
        }
        let Some(address) = address else { return };
        if let Entry::Occupied(mut held) = self.by_address.lock().unwrap_or_else(PoisonError::into_inner).entry(address)
        {
            held.get_mut().places -= 1;
            if held.get().places == 0 {
                held.remove();
            }
        }
    }

    /// Whether something that connections need is short.
    pub fn set_scarce(&self, scarce: bool) {
        self.scarce.store(scarce, Ordering::Relaxed);
    }

    /// How long something may last that lasts so long while there is room: all of it as long as half of the places are free,
    /// from there on less with each place that is taken.
    #[must_use]
    pub fn patience(&self, whole: Duration) -> Duration {
        let most = self.options.limits.most;
        let free = most.saturating_sub(self.taken.load(Ordering::Relaxed));
        let shortest = LEAST.min(whole);
        if self.scarce.load(Ordering::Relaxed) {
            return shortest;
        }
        let ratio = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let share = f64::from(ratio(free)) * 2.0 / f64::from(ratio(most));
        whole.mul_f64(share.min(1.0)).max(shortest)
    }

    /// Room for so many more bytes of unfinished heads (or fewer), unless they would be too many.
    fn reserve(&self, more: i64) -> bool {
        let most = i64::try_from(self.options.limits.memory).unwrap_or(i64::MAX);
        let fits = |bytes: i64| (more <= 0 || bytes + more <= most).then_some(bytes + more);
        let reserved = self.head_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if reserved {
            self.counts().head_bytes.inc_by(more);
        } else {
            self.counts().shed(Shed::Memory);
        }
        reserved
    }
}

/// One connection's place, given back when it is dropped.
pub struct Place {
    places: Arc<Places>,
    address: Option<IpAddr>,
}

impl Place {
    /// How long something may last at present that lasts so long while there is room.
    #[must_use]
    pub fn patience(&self, whole: Duration) -> Duration {
        self.places.patience(whole)
    }

    /// Room for the connection's unfinished head.
    #[must_use]
    pub fn room(&self) -> Room {
        Room { places: self.places.clone(), bytes: 0 }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(self.address);
    }
}

/// The memory that one unfinished head takes, given back when it is dropped.
pub struct Room {
    places: Arc<Places>,
    bytes: i64,
}

impl Room {
    /// Takes so many bytes in all; `false`, and as before, when there is no room for them.
    pub fn set(&mut self, bytes: usize) -> bool {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let reserved = bytes == self.bytes || self.places.reserve(bytes - self.bytes);
        if reserved {
            self.bytes = bytes;
        }
        reserved
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.set(0);
    }
}
