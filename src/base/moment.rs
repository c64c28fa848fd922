//! A time as somebody else writes it: in a header, a claim, a session document. One reader for all of them, so that nothing is
//! an end in one place and no end in the next.

use std::time::SystemTime;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::base::clock::UnixTime;

/// 9999-12-31T23:59:59Z. What is larger is not seconds: it is milliseconds, of a day in 1978 or later.
pub const LAST_SECOND: u64 = 253_402_300_799;

/// What stands there is no time that can be told. It says what it looks like, and never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotATime {
    /// A number before 1970, or one so large that it is neither seconds nor milliseconds.
    #[error("a number that is neither seconds nor milliseconds since 1970")]
    Number,
    /// A date without a zone, which is hours away from itself.
    #[error("a date and time without a time zone")]
    NoZone,
    /// Any other text.
    #[error("a text that is neither a number of seconds, nor RFC 3339, nor an HTTP date")]
    Text,
    /// A flag, a list, an object.
    #[error("neither a number nor a text")]
    Kind,
}

/// Writes a time (RFC 3339, UTC).
#[must_use]
pub fn show(at: UnixTime) -> String {
    let date = i64::try_from(at.0).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Reads a time: seconds since 1970 or milliseconds, told apart by their size, whole or not, as a number or as text; RFC 3339
/// with its zone; or an HTTP date (RFC 9110 section 5.6.7). Fractions are cut off.
///
/// # Errors
/// [`NotATime`].
pub fn read(value: &Value) -> Result<UnixTime, NotATime> {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(whole) => of_whole(whole),
            None => number.as_f64().ok_or(NotATime::Number).and_then(of_number),
        },
        Value::String(text) => read_text(text),
        _ => Err(NotATime::Kind),
    }
}

/// The same for text.
///
/// # Errors
/// [`NotATime`].
pub fn read_text(text: &str) -> Result<UnixTime, NotATime> {
    let text = text.trim_ascii();
    if is_decimal(text) {
        return text.parse().map_or_else(|_| text.parse().map_err(|_| NotATime::Number).and_then(of_number), of_whole);
    }
    let at = rfc3339(text).or_else(|| http_date(text));
    at.map(UnixTime).ok_or(if is_zoneless(text) { NotATime::NoZone } else { NotATime::Text })
}

fn of_whole(number: u64) -> Result<UnixTime, NotATime> {
    let seconds = if number <= LAST_SECOND { number } else { number / 1000 };
    (seconds <= LAST_SECOND).then_some(UnixTime(seconds)).ok_or(NotATime::Number)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and `as` stops at the largest"
)]
fn of_number(number: f64) -> Result<UnixTime, NotATime> {
    if number >= 0.0 { of_whole(number as u64) } else { Err(NotATime::Number) }
}

/// Digits with a sign or one point at most: `inf`, `1e9` and `+1` are nobody's time.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// A space between day and hour is as good as a `T`, and a small letter as a capital (RFC 3339 section 5.6).
fn rfc3339(text: &str) -> Option<u64> {
    let date = OffsetDateTime::parse(&text.to_ascii_uppercase(), &Rfc3339).ok()?;
    u64::try_from(date.unix_timestamp()).ok()
}

fn http_date(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

/// A date that would be read if it ended in `Z`.
fn is_zoneless(text: &str) -> bool {
    rfc3339(&format!("{text}Z")).is_some()
}
