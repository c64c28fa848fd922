//! The one door to the network outside: bounded in time, in size, in number, and in patience.
//!
//! A [`Target`] is one server we call. It follows no redirect, reads no more than it was told to, never waits beyond its
//! deadline (queueing, DNS, connect, TLS, and body together), holds at most so many calls open at once, and stops calling
//! a server that keeps failing until a probe succeeds.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::{Host, Url};

use crate::base::clock::Clock;
use crate::config::env::{Env, Var};
use crate::net::field::trim_str;

/// Proxy for outbound HTTPS.
pub const HTTPS_PROXY: Var = Var {
    aliases: &["https_proxy"],
    ..Var::secret(
        "HTTPS_PROXY",
        "Proxy for calls to vendors and to the session endpoint, `http://[user:password@]host:port`.",
    )
};
/// Hosts that are called directly.
pub const NO_PROXY: Var =
    Var::new("NO_PROXY", "", "localhost,.internal", "Hosts that are called without the proxy.").or(&["no_proxy"]);
/// Extra certificate authorities.
pub const EXTRA_CA_FILE: Var = Var::new(
    "EXTRA_CA_CERTS",
    "",
    "/etc/ssl/company-ca.pem",
    "PEM file of certificate authorities to trust besides the system's.",
);

/// Settings shared by every target.
#[derive(Clone, Default)]
pub struct Outbound {
    proxy: Option<reqwest::Proxy>,
    extra_roots: Vec<reqwest::Certificate>,
    /// The proxy's host, without credentials, for the start-up message.
    pub proxy_host: Option<String>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("proxy", &self.proxy_host)
            .field("extra_roots", &self.extra_roots.len())
            .finish()
    }
}

impl Outbound {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[&HTTPS_PROXY, &NO_PROXY, &EXTRA_CA_FILE];

    /// Reads the proxy and the extra authorities.
    pub fn read(env: &mut Env) -> Self {
        let no_proxy = env.text(&NO_PROXY).and_then(|list| reqwest::NoProxy::from_string(&list));
        let address = env.text(&HTTPS_PROXY).map(SecretString::from);
        let proxy_url = address.as_ref().and_then(|a| Url::parse(a.expose_secret()).ok());
        let proxy =
            proxy_url.clone().and_then(|url| reqwest::Proxy::all(url).ok()).map(|proxy| proxy.no_proxy(no_proxy));
        if address.is_some() && proxy.is_none() {
            env.mistake_in(&HTTPS_PROXY, "is not a proxy address such as http://proxy.internal:3128");
        }
        let proxy_host = proxy_url.and_then(|url| url.host_str().map(str::to_owned));
        Self { proxy, extra_roots: read_roots(env), proxy_host }
    }

    fn client(&self, plain: bool) -> Result<reqwest::Client, reqwest::Error> {
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .referer(false)
            .https_only(!plain)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(std::sync::Arc::new(CarefulResolver));
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        // A plain-HTTP target needs no certificate store, and must work on a machine that has none.
        builder = if plain { builder.tls_certs_only([]) } else { builder.tls_certs_merge(self.extra_roots.clone()) };
        builder.build()
    }
}

fn read_roots(env: &mut Env) -> Vec<reqwest::Certificate> {
    let Some(path) = env.text(&EXTRA_CA_FILE).map(PathBuf::from) else { return Vec::new() };
    let pem = std::fs::read(&path).map_err(|e| e.kind().to_string());
    match pem.and_then(|pem| reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| "not PEM certificates".to_owned()))
    {
        Ok(roots) if !roots.is_empty() => roots,
        Ok(_) => {
            env.mistake_in(&EXTRA_CA_FILE, "holds no certificate");
            Vec::new()
        }
        Err(problem) => {
            env.mistake_in(&EXTRA_CA_FILE, &format!("cannot be used: {problem}"));
            Vec::new()
        }
    }
}

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

/// One server we call, with everything that protects us from it and it from us.
#[derive(Debug)]
pub struct Target {
    client: reqwest::Client,
    limits: Limits,
    open: Semaphore,
    waiting: Semaphore,
    breaker: Breaker,
}

impl Target {
    /// Makes a target for addresses like `url`.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called or no client can be made.
    pub fn new(outbound: &Outbound, url: &Url, limits: Limits, clock: Clock) -> Result<Self, String> {
        if let Some(address) = literal_address(url)
            && is_off_limits(address)
        {
            return Err(format!("{address} is a link-local or special address and is never called"));
        }
        let client =
            outbound.client(url.scheme() == "http").map_err(|_| "no HTTPS client: is there a CA store?".to_owned())?;
        let open = Semaphore::new(limits.concurrency);
        let waiting = Semaphore::new(limits.queue.saturating_add(limits.concurrency));
        Ok(Self { client, limits, open, waiting, breaker: Breaker::new(clock) })
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
        let _place = self.waiting.try_acquire().map_err(|_| Fault::Busy)?;
        let turn = self.breaker.admit()?;
        let began = AtomicBool::new(false);
        let result = tokio::time::timeout_at(deadline, self.attempt_twice(call, &began, deadline)).await;
        if !began.load(Ordering::Relaxed) {
            // It never left the queue: that says we are busy, and nothing about the server.
            return Err(Fault::Busy);
        }
        let result = result.unwrap_or(Err(Fault::Deadline));
        turn.settle(result.as_ref().is_ok_and(|reply| !reply.status.is_server_error()));
        result
    }

    /// Whether calls are being made at present, for readiness and the console.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.breaker.is_open()
    }

    async fn attempt_twice(&self, call: Call, began: &AtomicBool, deadline: Instant) -> Result<Reply, Fault> {
        let _permit = self.open.acquire().await.map_err(|_| Fault::Busy)?;
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

/// `Retry-After` (RFC 9110 section 10.2.3) in seconds or as a date, bounded to an hour; `None` when absent or unreadable.
#[must_use]
pub fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    const MOST: u64 = 3600;
    let text = trim_str(headers.get(http::header::RETRY_AFTER)?.to_str().ok()?);
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let date = time::PrimitiveDateTime::parse(text, &HTTP_DATE).ok()?;
        let at = u64::try_from(date.assume_utc().unix_timestamp()).ok()?;
        Some(at.saturating_sub(clock.now().0))
    })?;
    Some(Duration::from_secs(seconds.min(MOST)))
}

/// IMF-fixdate (RFC 9110 section 5.6.7).
const HTTP_DATE: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// Whether plain HTTP to this address stays on this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // Under schemes that browsers do not know (redis, postgres) an address is parsed as if it were a name.
        Some(Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|v4: Ipv4Addr| v4.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Addresses that answer for the machine or the cloud it runs in, not for a server somebody meant: link-local (cloud
/// metadata), unspecified, multicast, broadcast (C-2).
#[must_use]
pub fn is_off_limits(address: IpAddr) -> bool {
    const EC2_METADATA: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(a) => a.is_link_local() || a.is_unspecified() || a.is_multicast() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_unicast_link_local() || a.is_unspecified() || a.is_multicast() || a == EC2_METADATA,
    }
}

/// The system's resolver, minus addresses that are off limits: a name that is re-pointed at the cloud's metadata service
/// resolves to nothing.
struct CarefulResolver;

impl Resolve for CarefulResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|a| !is_off_limits(a.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no address that may be called".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Stops calls after repeated failure; lets one probe through after a rest.
#[derive(Debug)]
pub struct Breaker {
    clock: Clock,
    state: Mutex<BreakerState>,
}

#[derive(Debug, Default)]
struct BreakerState {
    failures: u32,
    resting_until: Option<Duration>,
    probing: bool,
}

/// Failures in a row after which the server is left alone.
const FAILURES: u32 = 5;
/// How long it is left alone. Short, because nobody restarts us: recovery is noticed within this time.
const REST: Duration = Duration::from_secs(2);

impl Breaker {
    /// A breaker that lets calls through.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Whether calls are stopped at present.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let now = self.clock.monotonic();
        self.lock().resting_until.is_some_and(|until| now < until)
    }

    /// Permission to make one call, to be settled with how it went.
    ///
    /// # Errors
    /// [`Fault::Resting`] while calls are stopped.
    pub fn admit(&self) -> Result<Turn<'_>, Fault> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        match state.resting_until {
            Some(until) if now < until => Err(Fault::Resting { retry_after: until.saturating_sub(now) }),
            Some(_) if state.probing => Err(Fault::Resting { retry_after: REST }),
            resting => {
                state.probing = resting.is_some();
                drop(state);
                Ok(Turn { breaker: self, probe: resting.is_some(), settled: false })
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission to make one call. A call whose caller went away gives the permission back without a verdict.
#[derive(Debug)]
pub struct Turn<'a> {
    breaker: &'a Breaker,
    probe: bool,
    settled: bool,
}

impl Turn<'_> {
    /// Gives the verdict: the call went well, or it did not.
    pub fn settle(mut self, well: bool) {
        self.settled = true;
        let now = self.breaker.clock.monotonic();
        let mut state = self.breaker.lock();
        if well {
            *state = BreakerState::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        state.probing = state.probing && !self.probe;
        if self.probe || state.failures >= FAILURES {
            state.resting_until = Some(now + REST);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.breaker.lock().probing = false;
        }
    }
}
