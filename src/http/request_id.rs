//! A name for every request.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};

use crate::base::byte_set::ByteSet;
use crate::base::clock::random_id;
use crate::base::request::X_REQUEST_ID;

/// Our name for one request in logs, and the visitor's if it is a harmless one (LOG-2).
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Its value in a header.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Makes such names.
#[derive(Debug)]
pub struct RequestIds {
    process: String,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self { process: random_id()[..8].replace(['-', '_'], "0"), next: AtomicU64::new(1) }
    }
}

impl RequestIds {
    /// The name of a request with these headers.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap) -> RequestId {
        let given = headers.get(&X_REQUEST_ID).filter(|id| id.to_str().is_ok_and(is_harmless_id));
        let own = || format!("{}-{:x}", self.process, self.next.fetch_add(1, Ordering::Relaxed));
        RequestId(given.cloned().or_else(|| own().try_into().ok()).unwrap_or(HeaderValue::from_static("-")))
    }
}

/// `[A-Za-z0-9._-]{1,64}`: what can stand in a log line without meaning anything there.
fn is_harmless_id(id: &str) -> bool {
    const PLAIN: ByteSet = ByteSet::alphanumeric_and(b"._-");
    (1..=64).contains(&id.len()) && PLAIN.has_all_of(id.as_bytes())
}
