//! A document that somebody else publishes, kept: fetched by one caller for all, fresh for as long as its publisher says
//! within our bounds, renewed before it ends, and used past its end for a while when the publisher cannot be reached.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::Url;

use crate::base::availability::KEY_SET;
use crate::base::clock::Clock;
use crate::net::field::trim_str;
use crate::net::outbound::{Call, Fault, Limits, Outbound, Reply, Target, is_loopback};
use crate::session::{Outage, STRANGERS};

/// Largest document. Key sets in the field have a few kilobytes; without a bound a broken server fills our memory.
pub const BODY_MAX: usize = 512 * 1024;
/// Shortest time a document counts as fresh: a publisher that forbids caching would be asked at every request.
pub const LEAST: Duration = Duration::from_mins(1);
/// Longest time a document counts as fresh: a withdrawn key is trusted no longer than this.
pub const MOST: Duration = Duration::from_hours(24);
/// How long it counts as fresh when the publisher says nothing.
pub const UNSAID: Duration = Duration::from_mins(15);
/// Most names that are remembered as missing.
const MISSING: usize = 64;
/// How long it is used past its end while the publisher cannot be reached.
pub const STALE: Duration = Duration::from_hours(4);
/// How often at most a document is fetched because it lacks something, however many callers miss it.
pub const WINDOW: Duration = Duration::from_secs(30);
/// Rest after a failed fetch.
pub const RETRY: Duration = Duration::from_secs(5);

const LIMITS: Limits =
    Limits { deadline: Duration::from_secs(3), body_max: BODY_MAX, concurrency: 2, queue: 16, retry_on: &[] };

/// Something of the producer's could not be had, so nothing can be said about its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What went wrong, in a word for logs and metrics.
    pub reason: &'static str,
    /// When to try again, where that is known.
    pub retry_after: Option<Duration>,
    /// Whether the server answered, and said that there is no such document.
    pub absent: bool,
}

impl Unavailable {
    /// An unavailability of which only the reason is known.
    #[must_use]
    pub const fn because(reason: &'static str) -> Self {
        Self { reason, retry_after: None, absent: false }
    }

    /// The same, as a session source says it.
    #[must_use]
    pub fn outage(self, source_name: &'static str) -> Outage {
        Outage::of(source_name, self.reason, self.retry_after)
    }
}

impl From<Fault> for Unavailable {
    fn from(fault: Fault) -> Self {
        let reason = match fault {
            Fault::Busy => "busy",
            Fault::Resting { retry_after } => {
                return Self { retry_after: Some(retry_after), ..Self::because("resting") };
            }
            Fault::Strangers { retry_after } => {
                return Self { retry_after: Some(retry_after), ..Self::because(STRANGERS) };
            }
            Fault::Connect => "no_connection",
            Fault::Deadline => "deadline",
            Fault::TooLarge => "too_large",
            Fault::Broken => "broken_answer",
        };
        Self::because(reason)
    }
}

/// Says why an address may not be called: keys and endpoints come over HTTPS, or over HTTP from this very machine.
///
/// # Errors
/// A sentence for the operator.
pub fn callable(url: &Url) -> Result<(), &'static str> {
    match url.scheme() {
        _ if url.host().is_none() => Err("the address names no host"),
        _ if !url.username().is_empty() || url.password().is_some() => Err("the address holds a user name or password"),
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err("the address must be https (http only on this machine)"),
    }
}

type Reader<T> = Box<dyn Fn(&[u8]) -> Result<T, &'static str> + Send + Sync>;

/// A handle on such a document. Clones share what is kept.
pub struct Remote<T>(Arc<Inner<T>>);

struct Inner<T> {
    url: Url,
    target: Target,
    clock: Clock,
    read: Reader<T>,
    held: Mutex<Held<T>>,
}

/// A fetch under way. It runs in a task of its own, so that a caller who goes away does not take it along.
type Flight = Shared<BoxFuture<'static, ()>>;

struct Held<T> {
    kept: Option<Kept<T>>,
    last: Option<Attempt>,
    flight: Option<Flight>,
    /// Names that a fetch was made for in vain, with when that was.
    missing: VecDeque<(String, Duration)>,
}

struct Kept<T> {
    document: Arc<T>,
    since: Duration,
    lifetime: Duration,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Duration,
    failure: Option<Unavailable>,
}

enum Step<T> {
    Answer(Result<Arc<T>, Unavailable>),
    Await(Flight),
}

impl<T> Clone for Remote<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Remote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.0.url.as_str()).finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Remote<T> {
    /// A document at `url`, which `read` understands or says what is wrong with. Nothing is fetched yet.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called.
    pub fn new(
        url: Url,
        outbound: &Outbound,
        clock: Clock,
        read: impl Fn(&[u8]) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        callable(&url)?;
        let target = Target::new(outbound, &url, LIMITS, clock.clone())?.watched(KEY_SET);
        let held = Mutex::new(Held { kept: None, last: None, flight: None, missing: VecDeque::new() });
        Ok(Self(Arc::new(Inner { url, target, clock, read: Box::new(read), held })))
    }

    /// Where the document is.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0.url
    }

    /// The document: as kept while it is fresh, else fetched. One that is about to end is renewed behind the caller's back.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be fetched and what is kept is too old, or nothing is.
    pub async fn get(&self) -> Result<Arc<T>, Unavailable> {
        match self.step() {
            Step::Answer(answer) => answer,
            Step::Await(flight) => {
                flight.await;
                self.lock().answer(self.now())
            }
        }
    }

    /// The document as it is now, for a caller who has missed `name` in it since `asked`: fetched again at most once per
    /// [`WINDOW`].
    ///
    /// # Errors
    /// [`Unavailable`] when the last fetch failed, or was made before anybody asked for this name: what is missing may well
    /// be there by now.
    pub async fn again(&self, name: &str, asked: Duration) -> Result<Arc<T>, Unavailable> {
        let flight = {
            let now = self.now();
            let mut held = self.lock();
            if held.is_missing(name, asked, now) {
                return held.answer(now);
            }
            let due = !held.tried_within(WINDOW, now);
            held.flight.clone().or_else(|| due.then(|| self.start(&mut held))).ok_or_else(|| held.too_soon(now))?
        };
        flight.await;
        let now = self.now();
        let mut held = self.lock();
        if let Some(failure) = held.failure() {
            return Err(failure);
        }
        held.missing.push_front((name.to_owned(), now));
        held.missing.truncate(MISSING);
        held.answer(now)
    }

    /// The moment that [`Remote::again`] is told.
    #[must_use]
    pub fn moment(&self) -> Duration {
        self.now()
    }

    fn step(&self) -> Step<T> {
        let now = self.now();
        let mut held = self.lock();
        if held.kept.as_ref().is_some_and(|kept| kept.age(now) < kept.lifetime / 5 * 4) {
            return Step::Answer(held.answer(now));
        }
        // What has not ended is served while it is renewed. What has ended is served only when asking just failed.
        let patient = held.kept.as_ref().is_some_and(|kept| {
            let age = kept.age(now);
            age < kept.lifetime || age < kept.lifetime + STALE && held.failure().is_some()
        });
        let due = !held.tried_within(RETRY, now);
        let flight = held.flight.clone().or_else(|| due.then(|| self.start(&mut held)));
        match flight {
            Some(flight) if !patient => Step::Await(flight),
            _ => Step::Answer(held.answer(now)),
        }
    }

    fn start(&self, held: &mut Held<T>) -> Flight {
        let this = self.clone();
        let task = tokio::spawn(async move {
            let landing = Landing(this);
            let outcome = landing.0.fetch().await;
            landing.0.settle(outcome);
        });
        let flight = async move { drop(task.await) }.boxed().shared();
        held.flight = Some(flight.clone());
        flight
    }

    async fn fetch(&self) -> Result<Kept<T>, Unavailable> {
        let Inner { url, target, .. } = &*self.0;
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"))]);
        let call = Call { method: Method::GET, url: url.clone(), headers, body: Bytes::new() };
        let reply = target.call(call).await?;
        let document = self.understand(&reply)?;
        Ok(Kept { document: Arc::new(document), since: self.now(), lifetime: lifetime(&reply.headers) })
    }

    fn understand(&self, reply: &Reply) -> Result<T, Unavailable> {
        match reply.status {
            StatusCode::OK => (self.0.read)(&reply.body).map_err(Unavailable::because),
            // S3, where some of these documents live, answers 403 for what is not there.
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => {
                Err(Unavailable { absent: true, ..Unavailable::because("not_there") })
            }
            _ => Err(Unavailable::because("error_status")),
        }
    }

    fn settle(&self, outcome: Result<Kept<T>, Unavailable>) {
        let failure = outcome.as_ref().err().copied();
        let now = self.now();
        let mut held = self.lock();
        held.last = Some(Attempt { at: now, failure });
        if let Ok(kept) = outcome {
            held.kept = Some(kept);
        }
        let past_end = held.kept.as_ref().map_or(0, |kept| kept.age(now).saturating_sub(kept.lifetime).as_secs());
        drop(held);
        if let Some(Unavailable { reason, .. }) = failure {
            tracing::warn!(host = self.0.url.host_str(), reason, past_end, "a published document could not be renewed");
        }
    }

    fn now(&self) -> Duration {
        self.0.clock.monotonic()
    }
}

impl<T> Remote<T> {
    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight however it ended, so that the next caller can start another.
struct Landing<T>(Remote<T>);

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.0.lock().flight = None;
    }
}

impl<T> Held<T> {
    fn answer(&self, now: Duration) -> Result<Arc<T>, Unavailable> {
        match &self.kept {
            Some(kept) if kept.age(now) < kept.lifetime + STALE => Ok(kept.document.clone()),
            _ => Err(self.failure().unwrap_or(Unavailable::because("not_asked_yet"))),
        }
    }

    fn failure(&self) -> Option<Unavailable> {
        self.last.and_then(|last| last.failure)
    }

    /// Whether it is known that this name is not in the document: it was fetched after the name was asked for.
    fn is_missing(&self, name: &str, asked: Duration, now: Duration) -> bool {
        let fetched_since = self.failure().is_none() && self.kept.as_ref().is_some_and(|kept| kept.since >= asked);
        let recent = |(known, at): &(String, Duration)| known == name && now.saturating_sub(*at) < WINDOW;
        fetched_since || self.failure().is_none() && self.missing.iter().any(recent)
    }

    /// What is said until the document may be fetched again.
    fn too_soon(&self, now: Duration) -> Unavailable {
        let since = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last.at));
        let limited = Unavailable {
            retry_after: Some(WINDOW.saturating_sub(since)),
            ..Unavailable::because("key_lookups_limited")
        };
        self.failure().unwrap_or(limited)
    }

    fn tried_within(&self, span: Duration, now: Duration) -> bool {
        self.last.is_some_and(|last| now.saturating_sub(last.at) < span)
    }
}

impl<T> Kept<T> {
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }
}

/// How long an answer counts as fresh: `max-age` less `Age` (RFC 9111 sections 4.2.1 and 5.1), within our bounds.
fn lifetime(headers: &HeaderMap) -> Duration {
    let said = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> = said(header::CACHE_CONTROL)
        .flat_map(|line| line.split(','))
        .map(|directive| trim_str(directive).to_ascii_lowercase())
        .collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return LEAST;
    }
    let max_age = directives.iter().find_map(|directive| directive.strip_prefix("max-age=")?.parse::<u64>().ok());
    let age = said(header::AGE).find_map(|age| trim_str(age).parse::<u64>().ok()).unwrap_or(0);
    let fresh = max_age.map_or(UNSAID, |seconds| Duration::from_secs(seconds.saturating_sub(age)));
    fresh.clamp(LEAST, MOST)
}
