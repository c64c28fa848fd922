//! The request that is being answered, for whoever writes a line or calls somebody on its behalf.

use http::{HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;

/// The header that carries its id, in, out, and to those we ask.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// Runs `work` on behalf of the request of this id.
pub fn within<F: Future>(id: HeaderValue, work: F) -> TaskLocalFuture<HeaderValue, F> {
    CURRENT.scope(id, work)
}

/// The same for work that waits for nothing.
pub fn within_sync<T>(id: HeaderValue, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(id, work)
}

/// The id of the request that is being answered, when one is.
#[must_use]
pub fn current() -> Option<HeaderValue> {
    CURRENT.try_with(Clone::clone).ok()
}
