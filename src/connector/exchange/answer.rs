//! What a vendor's answer says, read by the format and believed as far as it is plausible.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::format::AnswerFormat;
use crate::base::clock::UnixTime;

/// Longest token, or further member, that is taken.
const TEXT_MAX: usize = 16 * 1024;

/// What the vendor gave.
#[derive(Clone)]
pub struct Exchanged {
    /// The token.
    pub token: SecretString,
    /// When it ends; `None` when the vendor does not say.
    pub expires_at: Option<UnixTime>,
    /// Further members for the page.
    pub fields: Map<String, Value>,
    /// The answer as it came, where the page gets it so.
    pub whole: Option<SecretString>,
}

/// What a number in an answer, and now, say about the token's end.
type Ending = fn(u64, UnixTime) -> UnixTime;

/// Names only: what a vendor gives is secret.
impl std::fmt::Debug for Exchanged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchanged").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Exchanged {
    /// How long it still lives; `None` when that is not known.
    #[must_use]
    pub fn left(&self, now: UnixTime) -> Option<Duration> {
        self.expires_at.map(|end| end.since(now))
    }

    /// Reads an answer; `None` when it holds no token that could be used.
    pub(super) fn read(format: &AnswerFormat, body: &[u8], now: UnixTime) -> Option<Self> {
        let answer: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
        let token = answer.pointer(&format.token)?.as_str().filter(|text| is_plain(text))?;
        let expires_at = format.end(&answer, now).ok()?;
        if expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        let mut fields = Map::new();
        for (name, pointer) in &format.fields {
            if let Some(value) = answer.pointer(pointer).filter(|value| is_small(value)) {
                fields.insert(name.clone(), value.clone());
            }
        }
        let whole = if format.unchanged { Some(std::str::from_utf8(body).ok()?.into()) } else { None };
        Some(Self { token: token.into(), expires_at, fields, whole })
    }
}

/// What should say when the token ends is no time.
struct NoTime;

impl AnswerFormat {
    /// When the token ends; `None` when nothing is said.
    fn end(&self, answer: &Value, now: UnixTime) -> Result<Option<UnixTime>, NoTime> {
        let ways: [(&Option<String>, Ending); 3] = [
            (&self.expires_in, |seconds, now| now.plus(Duration::from_secs(seconds))),
            (&self.expires_at, |seconds, _| UnixTime(seconds)),
            (&self.expires_at_ms, |millis, _| UnixTime(millis / 1000)),
        ];
        for (pointer, read) in ways {
            if let Some(value) = pointer.as_ref().and_then(|pointer| answer.pointer(pointer)) {
                return number(value).map(|number| Some(read(number, now))).ok_or(NoTime);
            }
        }
        Ok(self.expires_after.map(|seconds| now.plus(Duration::from_secs(seconds))))
    }
}

/// A whole number, or its digits.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Fit for an answer: visible ASCII of a bounded length.
fn is_plain(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Text, numbers and flags only.
fn is_small(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= TEXT_MAX,
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    }
}
