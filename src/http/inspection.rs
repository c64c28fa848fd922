//! What reached us of the requests that an operator's own `countersign doctor` sends through the proxy.
//!
//! The doctor must learn which headers arrive here, and nobody else may. So the public listener never answers with any of it: an
//! operator opens an inspection at the operations listener and is given a name that cannot be guessed; requests that bear the name
//! are answered like all others; and what they arrived with is told at the operations listener alone. Only such requests are looked
//! at, none of a visitor's; and of those only names of headers and cookies are kept, whether a value is the one that was sent (it
//! holds the inspection's name), a fingerprint of the proof, and addresses. One inspection is open at a time, for two minutes.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use super::guard::{Guard, fold};
use crate::base::clock::{Clock, random_id};
use crate::base::secret::{fingerprint, same};
use crate::config::env::Reading;
use crate::net::cookies;
use crate::net::peer::{Peer, TrustedProxies};
use crate::sources::forwarded::proof::FORWARDED_PROOF_HEADER;

/// The header that bears the inspection's name, and after a `.` the step's.
pub const HEADER: HeaderName = HeaderName::from_static("x-countersign-inspection");
/// How long an inspection is open.
const OPEN: Duration = Duration::from_mins(2);
/// Most requests that are kept.
const KEPT: usize = 64;

/// What one request arrived with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which step of the doctor's it was.
    pub step: String,
    /// Its path.
    pub path: String,
    /// Headers of identity or proof whose value the doctor sent, as they were spelt.
    pub smuggled: Vec<String>,
    /// Such headers with another value.
    pub set: Vec<String>,
    /// Fingerprint of the proof.
    pub proof: Option<String>,
    /// Names of cookies.
    pub cookies: Vec<String>,
    /// There is an `Authorization`.
    pub authorization: bool,
    /// There is an `Origin`.
    pub origin: bool,
    /// `Sec-Fetch-Site`.
    pub fetch_site: String,
    /// The visitor's address as we know it.
    pub client: Option<IpAddr>,
    /// The other end of the connection; `None` for a Unix socket.
    pub peer: Option<IpAddr>,
    /// Whether that is one of the named proxies.
    pub trusted: bool,
}

/// What of the configuration says how to read a request.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// Which headers carry identity or proof.
    pub guard: &'a Guard,
    /// Whose word about addresses counts.
    pub proxies: &'a TrustedProxies,
    /// Which header carries the proof.
    pub reading: &'a Reading,
}

/// The inspection that is open, if one is.
#[derive(Debug, Default)]
pub struct Inspections {
    /// So that every other request costs one look at this.
    any: AtomicBool,
    open: Mutex<Option<Inspection>>,
}

#[derive(Debug)]
struct Inspection {
    name: String,
    until: Duration,
    seen: Vec<Seen>,
}

impl Inspections {
    /// Opens one, in place of the one that was open, and gives its name.
    pub fn begin(&self, clock: &Clock) -> String {
        let name = random_id();
        let until = clock.monotonic() + OPEN;
        *self.lock() = Some(Inspection { name: name.clone(), until, seen: Vec::new() });
        self.any.store(true, Ordering::Release);
        name
    }

    /// What has been seen under this name; `None` when it is not open.
    #[must_use]
    pub fn seen(&self, name: &str, clock: &Clock) -> Option<Vec<Seen>> {
        let mut open = self.lock();
        let inspection = Self::current(&mut open, clock)?;
        same(inspection.name.as_bytes(), name.as_bytes()).then(|| inspection.seen.clone())
    }

    /// Looks at a request, if it is one of the doctor's.
    pub fn look(&self, ours: &Ours<'_>, request: &Request, clock: &Clock) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut open = self.lock();
        let Some(inspection) = Self::current(&mut open, clock) else {
            self.any.store(false, Ordering::Release);
            return;
        };
        let sent = request.headers().get(&HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (name, step) = sent.split_once('.').unwrap_or((sent, ""));
        if same(inspection.name.as_bytes(), name.as_bytes()) && inspection.seen.len() < KEPT {
            inspection.seen.push(Seen::of(ours, request, name, step));
        }
    }

    fn current<'a>(open: &'a mut Option<Inspection>, clock: &Clock) -> Option<&'a mut Inspection> {
        if open.as_ref().is_some_and(|inspection| inspection.until <= clock.monotonic()) {
            *open = None;
        }
        open.as_mut()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Inspection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn of(ours: &Ours<'_>, request: &Request, name: &str, step: &str) -> Self {
        let headers = request.headers();
        let text = |header: &str| headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let guarded: Vec<String> = ours.guard.folded().collect();
        let told = headers
            .iter()
            .filter(|(header, value)| !value.is_empty() && guarded.iter().any(|known| *known == fold(header.as_str())));
        let holds = |value: &[u8]| value.windows(name.len()).any(|part| part == name.as_bytes());
        let (smuggled, set): (Vec<_>, Vec<_>) = told.partition(|(_, value)| holds(value.as_bytes()));
        let names = |pairs: Vec<(&HeaderName, _)>| pairs.into_iter().map(|(header, _)| header.to_string()).collect();
        let peer = request.extensions().get::<Peer>().copied();
        let client = peer.and_then(|peer| ours.proxies.client(peer, headers).address);
        Self {
            step: step.to_owned(),
            path: request.uri().path().to_owned(),
            smuggled: names(smuggled),
            set: names(set),
            proof: proof(ours.reading, headers),
            cookies: cookies::pairs(headers).map(|(cookie, _)| cookie.to_owned()).collect(),
            authorization: headers.contains_key(AUTHORIZATION),
            origin: headers.contains_key(ORIGIN),
            fetch_site: text("sec-fetch-site").to_owned(),
            client,
            peer: match peer {
                Some(Peer::Tcp(address) | Peer::Certified(address)) => Some(address),
                _ => None,
            },
            trusted: peer.is_some_and(|peer| ours.proxies.trust(peer)),
        }
    }
}

/// The same few digits by which `check` and the console name the secret.
fn proof(reading: &Reading, headers: &HeaderMap) -> Option<String> {
    let setting = reading.effective.iter().find(|setting| setting.name == FORWARDED_PROOF_HEADER.name)?;
    headers.get(setting.shown.as_str()).map(|value| fingerprint(value.as_bytes()))
}
