//! The times of a token (RFC 7519 section 4.1), and clocks that are not quite together.

use std::time::Duration;

use serde_json::Value;

use crate::base::clock::UnixTime;
use crate::jose::jws::rejected::Rejected;

/// How far two clocks may be apart unless configured otherwise.
pub const SKEW: Duration = Duration::from_secs(30);
/// How far at most: more than this would be a longer life, not a wrong clock.
pub const SKEW_MAX: Duration = Duration::from_mins(1);
/// 9999-12-31T23:59:59Z. Later times are milliseconds that somebody took for seconds.
const TIME_MAX: u64 = 253_402_300_799;

/// The times of a token or of an introspection answer, as far as it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// `exp`.
    pub expires_at: Option<UnixTime>,
    /// `nbf`.
    pub not_before: Option<UnixTime>,
    /// `iat`.
    pub issued_at: Option<UnixTime>,
}

impl Times {
    /// Reads the times among the claims.
    ///
    /// # Errors
    /// [`Rejected::Time`] for a time that is none.
    pub fn read(claims: &Value) -> Result<Self, Rejected> {
        let time = |name| claims.get(name).map(|value| numeric_date(value).ok_or(Rejected::Time)).transpose();
        Ok(Self { expires_at: time("exp")?, not_before: time("nbf")?, issued_at: time("iat")? })
    }

    /// Whether now is between these times, and `iat` not longer ago than `max_age` where that is given. Clocks may be
    /// apart by `skew`: `exp` counts until that much later, `nbf` and `iat` from that much earlier.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn check(&self, now: UnixTime, skew: Duration, max_age: Option<Duration>) -> Result<(), Rejected> {
        if self.expires_at.is_some_and(|end| now >= end.plus(skew)) {
            return Err(Rejected::Expired);
        }
        if [self.not_before, self.issued_at].into_iter().flatten().any(|start| now.plus(skew) < start) {
            return Err(Rejected::Early);
        }
        match (max_age, self.issued_at) {
            (Some(_), None) => Err(Rejected::Time),
            (Some(most), Some(issued_at)) if now > issued_at.plus(most).plus(skew) => Err(Rejected::TooOld),
            _ => Ok(()),
        }
    }
}

/// Seconds since the epoch, whole or not (RFC 7519 section 2). Fractions are cut off; nothing before 1970 or after 9999.
#[must_use]
pub fn numeric_date(value: &Value) -> Option<UnixTime> {
    let seconds = value.as_u64().or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).map(whole));
    seconds.filter(|seconds| *seconds <= TIME_MAX).map(UnixTime)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and `as` stops at the largest"
)]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}
