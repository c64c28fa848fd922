//! Cookies that the host renewed while it was asked who somebody is: they go back to the visitor with our answer, or the host
//! takes the visitor for somebody who kept an old one.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;

/// The `Set-Cookie` lines of one request. Put into the request's extensions by whoever answers it.
#[derive(Debug, Clone, Default)]
pub struct Renewed(Arc<Mutex<Vec<HeaderValue>>>);

impl Renewed {
    /// Adds lines.
    pub fn add(&self, lines: Vec<HeaderValue>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
    }

    /// Takes them out.
    #[must_use]
    pub fn take(&self) -> Vec<HeaderValue> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
