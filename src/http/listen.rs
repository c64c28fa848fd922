//! The accept loop: TCP or a Unix socket, bounded connections and heads, timeouts, and a stop that loses nothing.
//!
//! HTTP/1.1 only: proxies speak it, and there is less of it to attack. A watchdog per connection tells three waits apart
//! that one header timeout cannot: a client that sends its request slowly (short), a proxy that keeps an idle connection
//! for later (long, or the proxy would meet closed connections), and a visitor waiting for our answer (not ours to cut).

mod accept;
mod bind;
mod gate;
pub mod limits;
mod phase;
pub mod places;
mod shed;
pub mod tls;
mod unread;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONNECTION, EXPECT};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use self::accept::Accepting;
pub use self::bind::{Address, Listener};
use self::gate::{Stream, Watched};
pub use self::limits::ConnectionLimits;
use self::phase::Phase;
use self::places::{Place, Places};
use self::shed::Shedder;
use self::tls::Tls;
use self::unread::Unread;
use super::head::{HeadFault, HeadLimits};
use super::problem::Problem;
use crate::net::peer::Peer;
use crate::observe::metrics::Connections;

/// Whether a peer speaks for many visitors, so that its connections are not counted as one visitor's.
pub type IsProxy = Arc<dyn Fn(Peer) -> bool + Send + Sync>;

/// The keys in force.
pub type CurrentTls = Arc<dyn Fn() -> Option<Arc<Tls>> + Send + Sync>;

/// How connections are taken.
#[derive(Clone)]
pub struct ListenerOptions {
    /// How many there may be, and how long they may wait.
    pub limits: ConnectionLimits,
    /// How much a request may carry before its body.
    pub heads: HeadLimits,
    /// What is counted.
    pub counts: Connections,
    /// Whose connections are not counted as one visitor's.
    pub is_proxy: IsProxy,
    /// With which keys, from the next connection on; `None` for plain HTTP.
    pub tls: CurrentTls,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            limits: ConnectionLimits::DEFAULT,
            heads: HeadLimits::DEFAULT,
            counts: Connections::default(),
            is_proxy: Arc::new(|_| false),
            tls: Arc::new(|| None),
        }
    }
}

impl fmt::Debug for ListenerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerOptions")
            .field("limits", &self.limits)
            .field("heads", &self.heads)
            .finish_non_exhaustive()
    }
}

/// What comes in: a request, or one that is refused for its head alone.
pub type ReceivedRequest = Result<Request, RejectedRequest>;

/// A request whose head is larger than it may be, or means different things to different readers.
#[derive(Debug)]
pub struct RejectedRequest {
    /// Its method and target, where those were sound, and nothing else of it.
    pub request: Request,
    /// Why.
    pub fault: HeadFault,
}

impl RejectedRequest {
    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response {
        let problem = Problem::Head(self.fault);
        tracing::warn!(code = problem.code(), reason = problem.reason(), "request refused: {}", self.fault);
        problem.response()
    }
}

/// Serves until `shutdown` completes, then lets requests in flight finish.
pub async fn serve<F, A>(listener: Listener, options: ListenerOptions, answer: F, shutdown: impl Future<Output = ()>)
where
    F: Fn(ReceivedRequest) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    let acceptor = Acceptor {
        shedder: Shedder::new().await,
        places: Places::new(options.clone()),
        tls: options.tls.clone(),
        listener,
    };
    // Every connection holds a receiver: it learns of the stop there, and the last one to go closes the channel.
    let (stopping, stopped) = watch::channel(false);
    let begin = |accepted: Connection| {
        let (limits, heads, tls) = (options.limits, options.heads, (options.tls)());
        let (answer, stopped) = (answer.clone(), stopped.clone());
        tokio::spawn(async move {
            let Some((stream, peer, place)) = handshake(accepted, tls, limits).await else { return };
            connection(stream, peer, place, limits, heads, answer, stopped).await;
        });
    };
    let mut accepting = Accepting::default();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = acceptor.accept(&mut accepting) => accepted,
        };
        if let Some(accepted) = accepted {
            begin(accepted);
        }
    }
    acceptor.drain_backlog(&mut accepting, &begin).await;
    drop((acceptor, stopped));
    let _ = stopping.send(true);
    if tokio::time::timeout(options.limits.grace, stopping.closed()).await.is_err() {
        tracing::warn!("stopped with requests still in flight: they took longer than SHUTDOWN_GRACE");
    }
}

type Connection = (Stream, Peer, Place);

/// The connection in TLS, where the listener speaks it; `None` when the two could not agree.
async fn handshake(
    (stream, peer, place): Connection,
    tls: Option<Arc<Tls>>,
    limits: ConnectionLimits,
) -> Option<Connection> {
    let (tls, stream, address) = match (tls, stream, peer) {
        (Some(tls), Stream::Tcp(stream), Peer::Tcp(address)) => (tls, stream, address),
        (_, stream, peer) => return Some((stream, peer, place)),
    };
    match tokio::time::timeout(place.patience(limits.headers), tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let peer = if tls.asks { Peer::Certified(address) } else { peer };
            Some((Stream::Tls(Box::new(stream)), peer, place))
        }
        Ok(Err(problem)) => {
            tracing::warn!(%problem, "a connection was closed: no TLS came about");
            None
        }
        Err(_) => None,
    }
}

/// Where connections come in, and the places for them.
struct Acceptor {
    listener: Listener,
    places: Arc<Places>,
    shedder: Shedder,
    tls: CurrentTls,
}

impl Acceptor {
    /// The next connection, or nothing where it was turned away or could not be accepted.
    async fn accept(&self, accepting: &mut Accepting) -> Option<Connection> {
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(problem) => {
                accepting.fails(&problem, &self.places).await;
                return None;
            }
        };
        accepting.works(&self.places);
        match self.places.take(peer) {
            Ok(place) => Some((stream, peer, place)),
            Err(why) => {
                self.places.counts().shed(why);
                // In TLS an answer would have to wait for a handshake: there the connection is just closed.
                if (self.tls)().is_none() {
                    self.shedder.turn_away(stream);
                }
                None
            }
        }
    }

    /// Connections that the kernel has completed and we have not yet taken hold requests too: closing the listener now would
    /// lose them. Those that come while we look are taken along, but not for long: a busy service must be able to stop.
    async fn drain_backlog(&self, accepting: &mut Accepting, begin: impl Fn(Connection)) {
        let soon = Duration::from_millis(20);
        let take = async {
            while let Ok(accepted) = tokio::time::timeout(soon, self.accept(accepting)).await {
                accepted.into_iter().for_each(&begin);
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), take).await;
    }
}

/// How long a connection that owes us nothing stays open after the stop, because its request may be on the way. Closing at
/// once would lose requests that the kernel has and we have not read.
const LAST_CALL: Duration = Duration::from_millis(250);

async fn connection<F, A>(
    stream: Stream,
    peer: Peer,
    place: Place,
    limits: ConnectionLimits,
    heads: HeadLimits,
    answer: F,
    mut stopped: watch::Receiver<bool>,
) where
    F: Fn(ReceivedRequest) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    let phase = Arc::new(Phase::default());
    let io = TokioIo::new(Watched::new(stream, heads, place.room(), phase.clone()));
    let in_service = phase.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        in_service.enter(Phase::ANSWERING);
        let number = in_service.begin();
        let (head, body) = request.into_parts();
        let unread = Unread::of(body);
        let waits_to_be_asked = unread.is_some() && head.headers.contains_key(EXPECT);
        let mut request = Request::from_parts(head, unread.clone().map_or_else(Body::empty, Body::new));
        request.extensions_mut().insert(peer);
        let answered = answer(match in_service.fault_of(number) {
            Some(fault) => Err(RejectedRequest { request, fault }),
            None => Ok(request),
        });
        let phase = in_service.clone();
        async move {
            let mut response = answered.await;
            let body_is_over = match unread {
                // Whoever waits to be asked for a body (RFC 9110 section 10.1.1) is not asked for one that nobody wants.
                Some(_) if waits_to_be_asked => false,
                Some(body) => body.reaches_its_end().await,
                None => true,
            };
            if phase.is_last(number) || !body_is_over {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            phase.enter(Phase::IDLE);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    // No timer of hyper's own per request: the watchdog below does its work once a second.
    builder.timer(TokioTimer::new()).header_read_timeout(None).half_close(false);
    // The gate has counted already; the library needs room for as much.
    builder.max_buf_size(heads.bytes + 64 * 1024).max_headers(heads.headers);
    // Copying one small answer behind its headers is cheaper than handing the kernel two pieces.
    builder.writev(false);
    let mut served = std::pin::pin!(builder.serve_connection(io, service));
    let mut watchdog = std::pin::pin!(phase.watchdog(limits, &place));
    let last_call = async {
        let _ = stopped.wait_for(|stop| *stop).await;
        phase.this_is_the_last();
        tokio::time::sleep(LAST_CALL).await;
    };
    tokio::select! {
        biased;
        ended = served.as_mut() => return tell(ended),
        () = watchdog.as_mut() => return,
        () = last_call => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = served => tell(ended),
        () = watchdog => {}
    }
}

/// A connection that fails is its peer's affair, unless the library has refused what the gate let pass.
fn tell(ended: hyper::Result<()>) {
    let Err(problem) = ended else { return };
    if problem.is_parse() {
        tracing::warn!(%problem, "a connection was closed: what it sent is no HTTP request");
    } else {
        tracing::debug!(%problem, "a connection was closed");
    }
}
