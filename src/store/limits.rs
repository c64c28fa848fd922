//! How many tokens one visitor may ask for.

use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::base::clock::Clock;
use crate::base::rate::Rate;
use crate::config::env::Env;
use crate::config::read::unless;

crate::settings! {
    pub vars VARS {
        RATE_LIMIT_VISITOR("60/m", "600/h"; at_start()),
            "Most tokens one visitor may fetch per widget, as count/s, count/m or count/h; `off` sets no limit. All of it may come at once.";
    }
}

/// Reads the rate; `None` when nothing is limited.
pub fn read(env: &mut Env) -> Option<Rate> {
    unless("off", Env::parse)(env, &RATE_LIMIT_VISITOR).flatten()
}

/// Our clock, as the limiter wants to see it.
#[derive(Debug, Clone)]
struct Ticking(Clock);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(Duration);

impl Reference for Tick {
    fn duration_since(&self, earlier: Self) -> governor::nanos::Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: governor::nanos::Nanos) -> Self {
        Self(self.0.saturating_sub(duration.into()))
    }
}

impl std::ops::Add<governor::nanos::Nanos> for Tick {
    type Output = Self;

    fn add(self, nanos: governor::nanos::Nanos) -> Self {
        Self(self.0 + Duration::from(nanos))
    }
}

impl GovernorClock for Ticking {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(self.0.monotonic())
    }
}

/// A visitor's key is a keyed hash already; hashing it again would add nothing.
#[derive(Debug, Clone, Copy, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |all, byte| all.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Counts = DashMapStateStore<u64, BuildHasherDefault<AsItIs>>;
type Keyed = RateLimiter<u64, Counts, Ticking, NoOpMiddleware<Tick>>;

/// Counts what each visitor asked for.
pub struct Limiter {
    keyed: Option<Keyed>,
    hasher: RandomState,
    clock: Clock,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("on", &self.keyed.is_some()).finish_non_exhaustive()
    }
}

impl Limiter {
    /// A limiter of this rate; `None` limits nothing.
    #[must_use]
    pub fn new(rate: Option<Rate>, clock: &Clock) -> Self {
        let quota = rate.and_then(|r| Some(Quota::with_period(r.per / r.count.get())?.allow_burst(r.count)));
        let keyed = quota.map(|q| RateLimiter::new(q, Counts::default(), Ticking(clock.clone())));
        Self { keyed, hasher: RandomState::new(), clock: clock.clone() }
    }

    /// Takes one from this visitor's allowance at this widget.
    ///
    /// # Errors
    /// How long to wait when nothing is left of it.
    pub fn take(&self, widget: &str, subject: &str) -> Result<(), Duration> {
        let Some(keyed) = &self.keyed else { return Ok(()) };
        let key = self.hasher.hash_one((widget, subject));
        keyed.check_key(&key).map_err(|until| until.wait_time_from(Tick(self.clock.monotonic())))
    }

    /// Forgets visitors whose allowance is whole again. To be called now and then, or the memory of them grows.
    pub fn forget_idle(&self) {
        if let Some(keyed) = &self.keyed {
            keyed.retain_recent();
            keyed.shrink_to_fit();
        }
    }
}
