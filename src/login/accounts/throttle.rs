//! How often somebody may try a password (RL-1).
//!
//! An attempt is counted before the password is looked at, so that a thousand at once are a thousand attempts; a right
//! password takes its count back. Names are counted whether or not they exist, so that being kept waiting tells nothing.
//! What is counted is this process's own: replicas each count for themselves.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::login::accounts::name::canonical;
use crate::net::peer::network;

/// What is counted: how many attempts are free, and then each doubles the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    /// This name from this address: a person who has forgotten, or somebody guessing.
    NameHere,
    /// This name from anywhere: guessing spread over many addresses. Kept high, because it can keep the person out, too.
    Name,
    /// Any name from this address: one password tried on many names.
    Here,
}

impl Counted {
    fn free(self) -> u32 {
        match self {
            Self::NameHere => 5,
            Self::Name => 50,
            Self::Here => 100,
        }
    }

    /// After how long one attempt is forgotten; `None` where all of them are kept until nobody tries any more. A whole
    /// building may share one address, and its typing errors must not add up over days.
    fn fades(self) -> Option<Duration> {
        match self {
            Self::NameHere | Self::Name => None,
            Self::Here => Some(Duration::from_mins(1)),
        }
    }
}

/// The first wait after the free attempts; each further attempt doubles it.
const FIRST: Duration = Duration::from_secs(15);
/// The longest wait: long enough that guessing leads nowhere, short enough that locking somebody out does not, either.
const LONGEST: Duration = Duration::from_mins(15);
/// After this long without an attempt everything is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(1);
/// Most counts that are kept.
const MOST: usize = 100_000;

/// The counts.
pub struct LoginThrottle {
    clock: Clock,
    hasher: RandomState,
    counts: Mutex<HashMap<u64, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    attempts: u32,
    /// Up to when attempts have faded.
    faded: Duration,
    last: Duration,
    until: Duration,
}

impl fmt::Debug for LoginThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginThrottle").field("counts", &self.lock().len()).finish_non_exhaustive()
    }
}

/// An attempt that may be made. Until it is [`Attempt::forgive`]n, it counts.
#[derive(Debug)]
pub struct Attempt<'a> {
    throttle: &'a LoginThrottle,
    keys: Vec<(Counted, u64)>,
}

impl LoginThrottle {
    /// Nobody has tried anything yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, hasher: RandomState::new(), counts: Mutex::default() }
    }

    /// Counts an attempt for this name from this address.
    ///
    /// # Errors
    /// How long to wait, when there were too many. Attempts that are refused do not count.
    pub fn admit(&self, name: &str, address: Option<IpAddr>) -> Result<Attempt<'_>, Duration> {
        let keys = self.keys(name, address);
        let now = self.clock.monotonic();
        let mut counts = self.lock();
        let waits = keys.iter().filter_map(|(_, key)| counts.get(key)?.until.checked_sub(now));
        if let Some(wait) = waits.filter(|wait| !wait.is_zero()).max() {
            return Err(wait);
        }
        if counts.len() + keys.len() > MOST {
            counts.retain(|_, count| now.saturating_sub(count.last) < FORGOTTEN && count.until > now);
        }
        for (counted, key) in &keys {
            let count =
                counts.entry(*key).or_insert(Count { attempts: 0, faded: now, last: now, until: Duration::ZERO });
            count.attempt(*counted, now);
        }
        drop(counts);
        Ok(Attempt { throttle: self, keys })
    }

    /// Forgets what is long past. To be called now and then.
    pub fn forget_idle(&self) {
        let now = self.clock.monotonic();
        self.lock().retain(|_, count| now.saturating_sub(count.last) < FORGOTTEN);
    }

    fn keys(&self, name: &str, address: Option<IpAddr>) -> Vec<(Counted, u64)> {
        // What can be no name has no account to guess at; it is counted as it stands.
        let name = canonical(name).unwrap_or_else(|_| name.to_owned());
        let mut keys = vec![(Counted::Name, self.key(Counted::Name, &name))];
        if let Some(address) = address.map(network) {
            keys.push((Counted::NameHere, self.key(Counted::NameHere, (&name, address))));
            keys.push((Counted::Here, self.key(Counted::Here, address)));
        }
        keys
    }

    fn key(&self, counted: Counted, what: impl Hash) -> u64 {
        self.hasher.hash_one((counted, what))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn attempt(&mut self, counted: Counted, now: Duration) {
        if now.saturating_sub(self.last) >= FORGOTTEN {
            self.attempts = 0;
        }
        self.fade(counted, now);
        self.attempts = self.attempts.saturating_add(1);
        self.last = now;
        let doublings = self.attempts.checked_sub(counted.free());
        self.until = doublings.map_or(Duration::ZERO, |n| now + (FIRST * 2_u32.saturating_pow(n.min(10))).min(LONGEST));
    }
}

impl Count {
    fn fade(&mut self, counted: Counted, now: Duration) {
        let Some(each) = counted.fades() else { return };
        let steps = now.saturating_sub(self.faded).as_secs() / each.as_secs();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.attempts = self.attempts.saturating_sub(steps);
        self.faded = if self.attempts == 0 { now } else { self.faded + each * steps };
    }
}

impl Attempt<'_> {
    /// The password was right: what was counted against the name is forgotten, and this attempt is taken off the address.
    pub fn forgive(self) {
        let mut counts = self.throttle.lock();
        for (counted, key) in self.keys {
            match counted {
                Counted::Name | Counted::NameHere => drop(counts.remove(&key)),
                Counted::Here => {
                    if let Some(count) = counts.get_mut(&key) {
                        count.attempts = count.attempts.saturating_sub(1);
                        count.until = Duration::ZERO;
                    }
                }
            }
        }
    }
}
