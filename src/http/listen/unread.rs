//! Bodies that nobody wanted.
//!
//! What is left of a request's body stands before the next request, so the library closes the connection behind the answer,
//! and does not say so in it. A proxy then keeps the connection for its next visitor, who meets a closed one: a 502.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// How often the library is given the chance to hand over what has come already.
const ROUNDS: usize = 4;

/// How many bytes are read for the sake of the connection.
const MOST: usize = 64 * 1024;

/// A request's body that the connection can still read when its handler has dropped it.
#[derive(Clone)]
pub(super) struct Unread(Arc<Mutex<Incoming>>);

impl Unread {
    /// `None` when there is nothing to read.
    pub(super) fn of(body: Incoming) -> Option<Self> {
        (!body.is_end_stream()).then(|| Self(Arc::new(Mutex::new(body))))
    }

    /// Reads what has come already and waits for nothing; whether that was the body's end.
    pub(super) async fn reaches_its_end(mut self) -> bool {
        let mut read = 0;
        for _ in 0..ROUNDS {
            while let Poll::Ready(frame) = poll_fn(|context| Poll::Ready(Pin::new(&mut self).poll_frame(context))).await
            {
                match frame {
                    None => return true,
                    Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(_)) => return false,
                }
                if read > MOST {
                    return false;
                }
            }
            tokio::task::yield_now().await;
        }
        self.is_end_stream()
    }

    fn with<T>(&self, what: impl FnOnce(&mut Incoming) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Body for Unread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
