//! The one door to the network outside: bounded in time, in size, in number, and in patience.
//!
//! A [`Target`] is one server we call. It follows no redirect, reads no more than it was told to, never waits beyond its
//! deadline (queueing, DNS, connect, TLS, and body together), holds at most so many calls open at once, and stops calling
//! a server that keeps failing until a probe succeeds. No one visitor can take all of its places or stop its calls.

mod address;
mod breaker;
mod bulkhead;
mod client;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};
use url::Url;

pub use self::address::{is_loopback, is_off_limits};
pub use self::breaker::{Breaker, Outcome};
use self::bulkhead::{Places, Shares};
pub use self::client::Outbound;
use crate::base::clock::Clock;
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
    client: reqwest::Client,
    limits: Limits,
    places: Places,
    shares: Shares,
    known: Cache<u64, ()>,
    hasher: RandomState,
    breaker: Breaker,
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
        address::check_literal(url)?;
        outbound.check_plain(url)?;
        let client =
            outbound.client(url.scheme() == "http").map_err(|_| "no HTTPS client: is there a CA store?".to_owned())?;
        Ok(Self {
            client,
            limits,
            places: Places::new(limits.concurrency, limits.queue),
            shares: Shares::default(),
            known: Cache::new(KNOWN),
            hasher: RandomState::new(),
            breaker: Breaker::new(clock),
        })
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

    /// As [`Target::call`], with a visitor's credential: one visitor holds no more than a share of the places, and what the
    /// server fails on counts once for each of them.
    ///
    /// # Errors
    /// As [`Target::call`].
    pub async fn call_for(&self, call: Call, visitor: Visitor<'_>) -> Result<Reply, Fault> {
        self.call_as(call, self.deadline(), Some(self.party(visitor))).await
    }

    /// Remembers that the server knows this credential: whoever holds it is somebody.
    pub fn know(&self, credential: &[u8]) {
        self.known.insert(self.hasher.hash_one(credential), ());
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
        let turn = self.breaker.admit().map_err(|retry_after| Fault::Resting { retry_after })?;
        let began = AtomicBool::new(false);
        let result = timeout_at(deadline, self.attempt_twice(call, shares, &began, deadline)).await;
        if !began.load(Ordering::Relaxed) {
            // It never left the queue: that says we are busy, and nothing about the server.
            return Err(Fault::Busy);
        }
        let result = result.unwrap_or(Err(Fault::Deadline));
        turn.settle(outcome(&result, party.as_ref()));
        result
    }

    async fn attempt_twice(
        &self,
        call: Call,
        shares: &[Arc<Places>],
        began: &AtomicBool,
        deadline: Instant,
    ) -> Result<Reply, Fault> {
        let mut permits = Vec::with_capacity(shares.len() + 1);
        for places in shares.iter().map(|share| &**share).chain([&self.places]) {
            permits.push(places.open.acquire().await.map_err(|_| Fault::Busy)?);
        }
        // Too late to begin: a call cut off after a moment would be booked as the server's failure, and the place it gives
        // up would go to the next one that is as late.
        if deadline.saturating_duration_since(Instant::now()) < self.limits.deadline / 10 {
            return Err(Fault::Busy);
        }
        began.store(true, Ordering::Relaxed);
        let first = self.attempt(call.clone()).await;
        match &first {
            Err(Fault::Connect) => self.attempt(call).await,
            Ok(reply) if self.limits.retry_on.contains(&reply.status.as_u16()) => self.attempt(call).await,
            _ => first,
        }
    }

    async fn attempt(&self, call: Call) -> Result<Reply, Fault> {
        let request = self.client.request(call.method.clone(), call.url).headers(call.headers);
        let request = match (call.body.is_empty(), &call.method) {
            (false, _) => request.body(call.body),
            // A POST without a body still says so (RFC 9110 section 8.6): gateways answer 411 to one that does not.
            (true, &Method::POST) => request.header(CONTENT_LENGTH, "0"),
            (true, _) => request,
        };
        let mut response =
            request.send().await.map_err(|e| if e.is_connect() { Fault::Connect } else { Fault::Broken })?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Fault::Broken)? {
            if body.len() + chunk.len() > self.limits.body_max {
                return Err(Fault::TooLarge);
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
