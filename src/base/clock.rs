//! The only place that reads the time or draws random bytes.
//!
//! Everything that asks what time it is, or needs a random value, asks here. Tests hand in a clock they can set, so no
//! test sleeps and none depends on the day it runs.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};

/// Whole seconds since 1970-01-01T00:00:00Z: JWT's `NumericDate` (RFC 7519 section 2) without fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This moment plus `span`, whole seconds, stopping at the largest value.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// This moment minus `span`, whole seconds, stopping at zero.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_secs()))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// `CLOCK_MONOTONIC` in microseconds, for other programs of this machine: theirs and ours count from the same moment.
#[must_use]
pub fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000)
}

/// Where the time comes from. Cheap to clone; every part that needs time holds one.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
    /// Another clock, and by how many milliseconds it was put forward.
    Ahead(Box<Clock>, Arc<AtomicU64>),
}

/// Puts a clock forward that otherwise runs as the one it was made from.
#[derive(Debug, Clone)]
pub struct Forward(Arc<AtomicU64>);

impl Forward {
    /// Puts the clock forward by this much more.
    pub fn by(&self, span: Duration) {
        self.0.fetch_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How far ahead it is.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Sets a manual clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, to: UnixTime) {
        self.0.store(to.0.saturating_mul(1000), Ordering::SeqCst);
    }
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until its hands are moved.
    #[must_use]
    pub fn manual(start: UnixTime) -> (Self, ManualClock) {
        let millis = Arc::new(AtomicU64::new(start.0.saturating_mul(1000)));
        (Self(Source::Manual(millis.clone())), ManualClock(millis))
    }

    /// A clock that runs as this one does, and can be put forward.
    #[must_use]
    pub fn with_forward(&self) -> (Self, Forward) {
        let ahead = Arc::new(AtomicU64::new(0));
        (Self(Source::Ahead(Box::new(self.clone()), ahead.clone())), Forward(ahead))
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        UnixTime(self.since_epoch().as_secs())
    }

    /// The time of day with its fraction, for log lines and windows shorter than a second.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place for it")]
    pub fn since_epoch(&self) -> Duration {
        match &self.0 {
            Source::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Source::Manual(millis) => Duration::from_millis(millis.load(Ordering::SeqCst)),
            Source::Ahead(clock, ahead) => clock.since_epoch() + Duration::from_millis(ahead.load(Ordering::SeqCst)),
        }
    }

    /// Time that never runs backwards, for measuring spans. Its zero point means nothing.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place for it")]
    pub fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match &self.0 {
            Source::System => START.get_or_init(Instant::now).elapsed(),
            Source::Manual(_) => self.since_epoch(),
            Source::Ahead(clock, ahead) => clock.monotonic() + Duration::from_millis(ahead.load(Ordering::SeqCst)),
        }
    }
}

/// `N` bytes from the operating system's generator.
///
/// # Panics
/// Never returns weaker bytes: if the generator itself is broken the process must not go on.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "the place for it; without random bytes nothing may be signed"
)]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random generator answers");
    bytes
}

/// A fresh unguessable id: 128 random bits as 22 base64url characters, used as `jti` (RFC 7519 section 4.1.7).
#[must_use]
pub fn random_id() -> String {
    BASE64URL_NOPAD.encode(random_bytes::<16>().as_ref())
}

/// A fresh random UUID (RFC 9562 section 5.4), for vendors that want their ids so.
#[must_use]
pub fn random_uuid() -> String {
    let mut bytes = random_bytes::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
