//! The accept loop: TCP or a Unix socket, bounded connections, timeouts, and a stop that loses nothing.
//!
//! HTTP/1.1 only: proxies speak it, and there is less of it to attack. A watchdog per connection tells three waits apart
//! that one header timeout cannot: a client that sends its request slowly (short), a proxy that keeps an idle connection
//! for later (long, or the proxy would meet closed connections), and a visitor waiting for our answer (not ours to cut).

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::base::clock::random_bytes;
use crate::net::peer::Peer;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err("a Unix socket needs an absolute path: unix:/run/countersign/http.sock".to_owned()),
            None => text.parse().map(Self::Tcp).map_err(|_| format!("`{text}` is neither address:port nor unix:/path")),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How patient the listener is.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Longest time from the first byte of a request (or from connecting) to the end of its headers.
    pub headers: Duration,
    /// Longest time a connection may rest between requests.
    pub idle: Duration,
    /// Longest time that requests in flight get to finish when we stop.
    pub grace: Duration,
    /// Most connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
}

impl Timeouts {
    /// Ten seconds for headers, two minutes of rest, thirty seconds of grace, 4096 connections.
    pub const DEFAULT: Self = Self {
        headers: Duration::from_secs(10),
        idle: Duration::from_mins(2),
        grace: Duration::from_secs(30),
        connections: 4096,
    };
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix, with the path to remove at the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// The system's, with the address.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}"));
        match address {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp).map_err(named),
            Address::Unix(path) => bind_unix(path).map(|l| Self::Unix(l, path.clone())).map_err(named),
        }
    }

    /// The TCP address that was bound, port 0 resolved; `None` for a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, from)| {
                // A token is one small answer: waiting to fill a packet would only add latency.
                let _ = stream.set_nodelay(true);
                (Stream::Tcp(stream), Peer::Tcp(from.ip()))
            }),
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), Peer::Unix)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Only the owner and the group may connect: who may open the socket is who is believed about identity.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    bind_in_private(path)
}

/// Made in a folder that is ours alone, and moved to its place when its rights are set: bound in its place, it would be open
/// to everybody for a moment, as far as the umask says.
fn bind_in_private(path: &Path) -> io::Result<UnixListener> {
    let folder = path.with_file_name(format!(".{}", hex::encode(random_bytes::<4>())));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let inside = folder.join("s");
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o660))?;
        std::fs::rename(&inside, path)?;
        Ok(listener)
    });
    let _ = std::fs::remove_file(&inside);
    let _ = std::fs::remove_dir(&folder);
    bound
}

/// Serves until `shutdown` completes, then lets requests in flight finish.
pub async fn serve<F, A>(listener: Listener, timeouts: Timeouts, answer: F, shutdown: impl Future<Output = ()>)
where
    F: Fn(Request) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(timeouts.connections));
    // Every connection holds a receiver: it learns of the stop there, and the last one to go closes the channel.
    let (stopping, stopped) = watch::channel(false);
    let begin = |(stream, peer, place): Accepted| {
        tokio::spawn(connection(stream, peer, place, timeouts, answer.clone(), stopped.clone()));
    };
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept_when_free(&listener, &places) => accepted,
        };
        if let Some(accepted) = accepted {
            begin(accepted);
        }
    }
    take_the_queued(&listener, &places, &begin).await;
    drop((listener, stopped));
    let _ = stopping.send(true);
    if tokio::time::timeout(timeouts.grace, stopping.closed()).await.is_err() {
        tracing::warn!("stopped with requests still in flight");
    }
}

type Accepted = (Stream, Peer, OwnedSemaphorePermit);

async fn accept_when_free(listener: &Listener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(problem) => {
            tracing::warn!(kind = %problem.kind(), "a connection could not be accepted");
            // Out of descriptors is the usual reason; spinning on it would take the whole core.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Connections that the kernel has completed and we have not yet taken hold requests too: closing the listener now would
/// lose them. Those that come while we look are taken along, but not for long: a busy service must be able to stop.
async fn take_the_queued(listener: &Listener, places: &Arc<Semaphore>, begin: impl Fn(Accepted)) {
    let soon = Duration::from_millis(20);
    let take = async {
        while let Ok(Some(accepted)) = tokio::time::timeout(soon, accept_when_free(listener, places)).await {
            begin(accepted);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), take).await;
}

/// How long a connection that owes us nothing stays open after the stop, because its request may be on the way. Closing at
/// once would lose requests that the kernel has and we have not read.
const LAST_CALL: Duration = Duration::from_millis(250);

async fn connection<F, A>(
    stream: Stream,
    peer: Peer,
    _place: OwnedSemaphorePermit,
    timeouts: Timeouts,
    answer: F,
    mut stopped: watch::Receiver<bool>,
) where
    F: Fn(Request) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    let phase = Arc::new(Phase::default());
    let io = TokioIo::new(Watched { stream, phase: phase.clone() });
    let in_service = phase.clone();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        in_service.enter(Phase::ANSWERING);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let answered = answer(request);
        let phase = in_service.clone();
        async move {
            let mut response = answered.await;
            if phase.is_last() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            phase.enter(Phase::IDLE);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    // No timer of hyper's own per request: the watchdog below does its work once a second.
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(64 * 1024).half_close(false);
    // Copying one small answer behind its headers is cheaper than handing the kernel two pieces.
    builder.writev(false);
    let mut served = std::pin::pin!(builder.serve_connection(io, service));
    let mut watchdog = std::pin::pin!(phase.watchdog(timeouts));
    let last_call = async {
        let _ = stopped.wait_for(|stop| *stop).await;
        phase.this_is_the_last();
        tokio::time::sleep(LAST_CALL).await;
    };
    tokio::select! {
        biased;
        _ = served.as_mut() => return,
        () = watchdog.as_mut() => return,
        () = last_call => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = served => {}
        () = watchdog => {}
    }
}

/// What a connection is waiting for: the two low bits say which, the rest counts changes, so that the watchdog can tell
/// a phase that lasts from one that recurs. And whether its next answer is its last.
#[derive(Debug)]
struct Phase(AtomicU64, AtomicBool);

impl Default for Phase {
    /// A connection that has just opened owes us a request.
    fn default() -> Self {
        Self(AtomicU64::new(Self::READING), AtomicBool::new(false))
    }
}

impl Phase {
    const IDLE: u64 = 0;
    const READING: u64 = 1;
    const ANSWERING: u64 = 2;

    fn enter(&self, phase: u64) {
        let now = self.0.load(Ordering::Relaxed);
        self.0.store((now & !3).wrapping_add(4) | phase, Ordering::Relaxed);
    }

    fn this_is_the_last(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    fn is_last(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    fn bytes_came(&self) {
        if self.0.load(Ordering::Relaxed) & 3 == Self::IDLE {
            self.enter(Self::READING);
        }
    }

    /// Completes when the connection has been in one phase for longer than that phase may last.
    async fn watchdog(&self, timeouts: Timeouts) {
        let tick = Duration::from_secs(1).min(timeouts.headers);
        let mut seen = self.0.load(Ordering::Relaxed);
        let mut lasted = Duration::ZERO;
        loop {
            tokio::time::sleep(tick).await;
            let now = self.0.load(Ordering::Relaxed);
            lasted = if now == seen { lasted + tick } else { Duration::ZERO };
            seen = now;
            let most = match now & 3 {
                Self::READING => timeouts.headers,
                Self::IDLE => timeouts.idle,
                _ => continue,
            };
            if lasted >= most {
                return;
            }
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A stream that tells its phase when bytes come in.
struct Watched {
    stream: Stream,
    phase: Arc<Phase>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if buf.filled().len() > before {
            self.phase.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
