//! Every outbound call: bounded in time, in size and in number, and not made while its host keeps failing.
//!
//! A [`Target`] is one server we call. It follows no redirect, reads no more than it was told to, never waits beyond its
//! deadline (queueing, DNS, connect, TLS, and body together), holds at most so many calls open at once, and stops calling
//! a server that keeps failing until a probe succeeds. No one visitor can take all of its places or stop its calls.

mod address;
pub mod breaker;
mod bulkhead;
pub mod client;
mod strangers;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, DATE, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};
use url::Url;

pub use self::address::{is_loopback, is_off_limits};
pub use self::breaker::{Breaker, Outcome};
use self::bulkhead::{Places, Shares};
pub use self::client::Outbound;
use self::strangers::Strangers;
use crate::base::availability::{Availability, Kind};
use crate::base::clock::Clock;
use crate::base::request;
use crate::net::field::trim_str;

/// How much of itself a target may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest time a call may take, queueing included.
    pub deadline: Duration,
    /// Most bytes of a body, after decompression.
    pub body_max: usize,
    /// Calls open at once; further ones wait, within the deadline.
    pub concurrency: usize,
    /// Calls that may wait; further ones are refused at once.
    pub queue: usize,
    /// Answers after which a second attempt is made, once. A failed connect always gets one.
    pub retry_on: &'static [u16],
}

impl Limits {
    /// Two seconds, 64 KiB, 64 at once, one retry on connect failure only (C-7).
    pub const DEFAULT: Self =
        Self { deadline: Duration::from_secs(2), body_max: 64 * 1024, concurrency: 64, queue: 4096, retry_on: &[] };
}

/// One call to make.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Absolute address.
    pub url: Url,
    /// Every header that is sent besides those of the transport. Mark secret ones as sensitive.
    pub headers: HeaderMap,
    /// Body; empty is none.
    pub body: Bytes,
}

/// A complete answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Whole body, decompressed.
    pub body: Bytes,
}

/// Why there is no complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Too many calls are waiting already.
    #[error("too many calls are waiting for this server")]
    Busy,
    /// The server failed repeatedly; no call is made for a while.
    #[error("the server failed repeatedly and is being left alone")]
    Resting {
        /// When the next attempt will be made.
        retry_after: Duration,
    },
    /// The visitor's address has brought more credentials that nobody knows than it may.
    #[error("too many credentials that nobody knows come from one address")]
    Strangers {
        /// When the next one may come.
        retry_after: Duration,
    },
    /// No connection: name, route, TCP or TLS.
    #[error("no connection could be made")]
    Connect,
    /// The deadline passed.
    #[error("no complete answer within the deadline")]
    Deadline,
    /// The body is larger than allowed.
    #[error("the answer is larger than allowed")]
    TooLarge,
    /// The connection broke or the answer is not HTTP.
    #[error("the answer broke off or is not HTTP")]
    Broken,
}

/// A fault, and what the system or the TLS library says about it.
struct Failed {
    fault: Fault,
    cause: Option<String>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, cause: None }
    }
}

impl Failed {
    /// Longest cause in a log line, in characters.
    const CAUSE_MAX: usize = 200;

    /// The innermost error says what happened; those around it, that something did. Its text is the system's or a library's, and
    /// may quote a name out of a certificate.
    fn of(error: &reqwest::Error) -> Self {
        let fault = if error.is_connect() { Fault::Connect } else { Fault::Broken };
        let outer: &dyn std::error::Error = error;
        let innermost = std::iter::successors(Some(outer), |error| error.source()).last();
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let cause = innermost.map(|error| error.to_string().chars().map(plain).take(Self::CAUSE_MAX).collect());
        Self { fault, cause }
    }
}

/// On whose behalf a call is made, when it carries something that the visitor brought.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// The credential that travels.
    pub credential: &'a [u8],
    /// Where they are, where that is known.
    pub address: Option<IpAddr>,
}

/// Most credentials that are remembered as known to the server.
const KNOWN: u64 = 10_000;
/// A visitor whose credential is not yet known may hold one in so many of all places.
const SHARE: usize = 4;
/// Calls with one credential that are open at once; a page with many frames needs no more.
const ONES: usize = 4;

/// One server we call, with everything that protects us from it and it from us.
#[derive(Debug)]
pub struct Target {
    host: String,
    client: reqwest::Client,
    limits: Limits,
    places: Places,
    shares: Shares,
    known: Cache<u64, ()>,
    strangers: Option<Strangers>,
    hasher: RandomState,
    breaker: Breaker,
    clock: Clock,
    watched: Option<Arc<Availability>>,
}

/// A visitor as a target knows them.
struct Party {
    whom: u64,
    known: bool,
    shares: Vec<Arc<Places>>,
}

impl Target {
    /// Makes a target for addresses like `url`.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called or no client can be made.
    pub fn new(outbound: &Outbound, url: &Url, limits: Limits, clock: Clock) -> Result<Self, String> {
        outbound.check(url)?;
        let client =
            outbound.client(url.scheme() == "http").map_err(|_| "no HTTPS client: is there a CA store?".to_owned())?;
        Ok(Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            client,
            limits,
            places: Places::new(limits.concurrency, limits.queue),
            shares: Shares::default(),
            known: Cache::new(KNOWN),
            strangers: outbound.strangers.map(|rate| Strangers::new(rate, clock.clone())),
            hasher: RandomState::new(),
            breaker: Breaker::new(clock.clone()),
            clock,
            watched: None,
        })
    }

    /// The same, as a dependency of this kind: its outages are logged and counted.
    #[must_use]
    pub fn watched(self, kind: Kind) -> Self {
        let watched = Availability::of(kind, &self.host, &self.clock);
        Self { watched: Some(watched), ..self }
    }

    /// Makes the call: within the deadline, with at most one retry.
    ///
    /// # Errors
    /// [`Fault`] when there is no complete answer. An answer with an error status is an answer.
    pub async fn call(&self, call: Call) -> Result<Reply, Fault> {
        self.call_by(call, self.deadline()).await
    }

    /// When a call that begins now must be over. For several calls that share one deadline ([`Target::call_by`]).
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.limits.deadline
    }

    /// As [`Target::call`], but to be over by `deadline`.
    ///
    /// # Errors
    /// As [`Target::call`].
    pub async fn call_by(&self, call: Call, deadline: Instant) -> Result<Reply, Fault> {
        self.call_as(call, deadline, None).await
    }

    /// As [`Target::call`], with a visitor's credential: one visitor holds no more than a share of the places, what the
    /// server fails on counts once for each of them, and one address brings only so many credentials that nobody knows.
    ///
    /// # Errors
    /// As [`Target::call`].
    pub async fn call_for(&self, call: Call, visitor: Visitor<'_>) -> Result<Reply, Fault> {
        let party = self.party(visitor);
        if let (Some(strangers), Some(address), false) = (&self.strangers, visitor.address, party.known) {
            strangers.admit(neighbourhood(address)).map_err(|retry_after| Fault::Strangers { retry_after })?;
        }
        self.call_as(call, self.deadline(), Some(party)).await
    }

    /// Remembers that the server knows this visitor's credential: whoever holds it is somebody.
    pub fn know(&self, visitor: Visitor<'_>) {
        let name = self.hasher.hash_one(visitor.credential);
        if let (Some(strangers), Some(address), false) =
            (&self.strangers, visitor.address, self.known.contains_key(&name))
        {
            strangers.forgive(neighbourhood(address));
        }
        self.known.insert(name, ());
    }

    /// Whether calls are being made at present, for readiness and the console.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.breaker.is_open()
    }

    fn party(&self, visitor: Visitor<'_>) -> Party {
        let name = self.hasher.hash_one(visitor.credential);
        let ones = self.shares.of(name, || Places::new(ONES.min(self.limits.concurrency), share(self.limits.queue)));
        if self.known.contains_key(&name) {
            return Party { whom: name, known: true, shares: vec![ones] };
        }
        let whom = self.hasher.hash_one(visitor.address.map(neighbourhood));
        let theirs = self.shares.of(whom, || Places::new(share(self.limits.concurrency), share(self.limits.queue)));
        Party { whom, known: false, shares: vec![ones, theirs] }
    }

    async fn call_as(&self, call: Call, deadline: Instant, party: Option<Party>) -> Result<Reply, Fault> {
        let shares = party.as_ref().map(|party| party.shares.as_slice()).unwrap_or_default();
        let mut taken = Vec::with_capacity(shares.len() + 1);
        for places in shares.iter().map(|share| &**share).chain([&self.places]) {
            taken.push(places.taken.try_acquire().map_err(|_| Fault::Busy)?);
        }
        let watched = self.watched.as_deref();
        let _calling = watched.map(Availability::calling);
        let turn = self.breaker.admit().map_err(|retry_after| {
            watched.inspect(|watched| watched.turn_away());
            Fault::Resting { retry_after }
        })?;
        let since = self.clock.monotonic();
        let began = AtomicBool::new(false);
        let result = timeout_at(deadline, self.attempt_twice(call, shares, &began, deadline)).await;
        if !began.load(Ordering::Relaxed) {
            // It never left the queue: that says we are busy, and nothing about the server.
            return Err(Fault::Busy);
        }
        let result = result.unwrap_or_else(|_| Err(Fault::Deadline.into()));
        if let Some(watched) = watched {
            watched.took.note(self.clock.monotonic().saturating_sub(since));
            self.report(watched, &result);
        }
        let result = result.map_err(|failed| self.say(&failed));
        turn.settle(outcome(&result, party.as_ref()));
        watched.inspect(|watched| watched.set_resting(self.breaker.is_open()));
        result
    }

    fn report(&self, watched: &Availability, result: &Result<Reply, Failed>) {
        match result {
            Ok(reply) if reply.status.is_server_error() => watched.down(&format!("answered {}", reply.status.as_u16())),
            Ok(reply) => {
                watched.up();
                if let Some(seconds) = skew(&reply.headers, &self.clock) {
                    watched.set_skew(seconds);
                }
            }
            Err(Failed { fault: Fault::Busy, .. }) => watched.turn_away(),
            Err(Failed { fault, cause }) => watched.down(cause.as_deref().unwrap_or(&fault.to_string())),
        }
    }

    /// Whom to look after, and why. Who asked, and what for, is in the caller's own lines.
    fn say(&self, Failed { fault, cause }: &Failed) -> Fault {
        if *fault != Fault::Busy {
            tracing::warn!(host = self.host, cause, "{fault}");
        }
        *fault
    }

    async fn attempt_twice(
        &self,
        call: Call,
        shares: &[Arc<Places>],
        began: &AtomicBool,
        deadline: Instant,
    ) -> Result<Reply, Failed> {
        let mut permits = Vec::with_capacity(shares.len() + 1);
        for places in shares.iter().map(|share| &**share).chain([&self.places]) {
            permits.push(places.open.acquire().await.map_err(|_| Failed::from(Fault::Busy))?);
        }
        // Too late to begin: a call cut off after a moment would be booked as the server's failure, and the place it gives
        // up would go to the next one that is as late.
        if deadline.saturating_duration_since(Instant::now()) < self.limits.deadline / 10 {
            return Err(Fault::Busy.into());
        }
        began.store(true, Ordering::Relaxed);
        let first = self.attempt(call.clone()).await;
        match &first {
            Err(failed) if failed.fault == Fault::Connect => self.attempt(call).await,
            Ok(reply) if self.limits.retry_on.contains(&reply.status.as_u16()) => self.attempt(call).await,
            _ => first,
        }
    }

    async fn attempt(&self, call: Call) -> Result<Reply, Failed> {
        let mut request = self.client.request(call.method.clone(), call.url).headers(call.headers);
        if let Some(id) = request::current() {
            request = request.header(request::X_REQUEST_ID, id);
        }
        let request = match (call.body.is_empty(), &call.method) {
            (false, _) => request.body(call.body),
            // A POST without a body still says so (RFC 9110 section 8.6): gateways answer 411 to one that does not.
            (true, &Method::POST) => request.header(CONTENT_LENGTH, "0"),
            (true, _) => request,
        };
        let mut response = request.send().await.map_err(|e| Failed::of(&e))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| Failed::of(&e))? {
            if body.len() + chunk.len() > self.limits.body_max {
                return Err(Fault::TooLarge.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: body.freeze() })
    }
}

/// What a call says about the server. That there is no connection says the same whoever asked; anything else may be due to what
/// the visitor brought.
fn outcome(result: &Result<Reply, Fault>, party: Option<&Party>) -> Outcome {
    match (result, party) {
        (Ok(reply), _) if !reply.status.is_server_error() => Outcome::Well,
        (Err(Fault::Connect), _) | (_, None) => Outcome::Failed,
        (_, Some(Party { whom, known, .. })) => Outcome::FailedFor { whom: *whom, known: *known },
    }
}

/// What one party may hold of what there is for all.
fn share(all: usize) -> usize {
    (all / SHARE).max(1)
}

/// Whoever has one address of an IPv6 network has them all.
fn neighbourhood(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => u128::from(v6) >> 64 << 64,
    }
}

/// By how many seconds the server's clock is ahead of ours, as its `Date` says.
fn skew(headers: &HeaderMap, clock: &Clock) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let theirs = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(theirs).ok()?.checked_sub(i64::try_from(clock.now().0).ok()?)
}

/// `Retry-After` (RFC 9110 section 10.2.3) in seconds or as a date, bounded to an hour; `None` when absent or unreadable.
#[must_use]
pub fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    const MOST: u64 = 3600;
    let text = trim_str(headers.get(RETRY_AFTER)?.to_str().ok()?);
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let at = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(at.as_secs().saturating_sub(clock.now().0))
    })?;
    Some(Duration::from_secs(seconds.min(MOST)))
}
