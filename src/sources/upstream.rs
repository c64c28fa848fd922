//! The host's own session endpoint, asked with the visitor's own session cookie.
//!
//! Only the named cookies travel, to one fixed address, and what comes back is a verdict only when it is unmistakably one:
//! everything else is an outage, never "logged out" (C-1 to C-7).

mod relay;
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{COOKIE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;
use url::Url;

use self::relay::Relay;
use self::settings::{Settings, UPSTREAM_SESSION_URL};
use crate::base::availability::SESSION_ENDPOINT;
use crate::base::clock::Clock;
use crate::net::outbound::{Call, Fault, Limits, Reply, Target, Visitor, retry_after};
use crate::net::peer::TrustedProxies;
use crate::net::verdicts::Verdicts;
use crate::session::mapping::Mapping;
use crate::session::nobody::Nobody;
use crate::session::renewed::Renewed;
use crate::session::{Authenticator, Found, Guarded, Misfit, Outage, STRANGERS, Session, Unfound, answer};
use crate::sources::plan::{Collaborators, Kind, SourceSettings, shared};

/// Name of this source.
pub const NAME: &str = "upstream";

/// This kind of source.
pub const KIND: Kind = Kind {
    name: NAME,
    title: "Source `upstream`: the host's session endpoint",
    vars: settings::VARS,
    parse: |env, context| shared(Settings::read(env, context.outbound)),
};

impl SourceSettings for Settings {
    fn attributes(&self) -> Vec<String> {
        self.mapping.attributes()
    }

    fn build(&self, with: &Collaborators<'_>) -> Result<Arc<dyn Authenticator>, String> {
        Ok(Arc::new(Upstream::new(self.clone(), with)?))
    }
}

/// The source.
#[derive(Debug)]
pub struct Upstream {
    target: Target,
    url: Url,
    relay: Relay,
    logged_out: Vec<u16>,
    mapping: Mapping,
    verdicts: Option<Verdicts<Found>>,
    proxies: TrustedProxies,
    clock: Clock,
}

impl Upstream {
    /// A source that asks this endpoint.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn new(settings: Settings, with: &Collaborators<'_>) -> Result<Self, String> {
        let Settings { url, deadline, logged_out, cache, concurrency, mapping, .. } = settings;
        let limits = Limits { deadline, concurrency, ..Limits::DEFAULT };
        let relay = Relay::new(settings.cookies, settings.renewed, settings.headers);
        let target = Target::new(with.outbound, &url, limits, with.clock.clone())?.watched(SESSION_ENDPOINT);
        let verdicts = (!cache.is_zero()).then(|| Verdicts::new(cache, with.clock.clone()));
        let (proxies, clock) = (with.proxies.clone(), with.clock.clone());
        Ok(Self { target, url, relay, logged_out, mapping, verdicts, proxies, clock })
    }

    async fn ask(&self, cookie: HeaderValue, request: &Parts) -> Result<Session, Unfound> {
        let visitor = Visitor { credential: cookie.as_bytes(), address: self.proxies.visitor(request) };
        let mut headers = self.relay.headers();
        headers.insert(COOKIE, cookie.clone());
        let call = Call { method: Method::GET, url: self.url.clone(), headers, body: Bytes::new() };
        let reply = self.target.call_for(call, visitor).await.map_err(outage)?;
        if let Some(renewed) = request.extensions.get::<Renewed>() {
            renewed.add(self.relay.renewed(&reply.headers));
        }
        let session = self.verdict(&reply)?;
        self.target.know(visitor);
        Ok(session)
    }

    fn verdict(&self, reply: &Reply) -> Result<Session, Unfound> {
        let down = |reason, retry_after| Err(Outage::of(NAME, reason, retry_after).into());
        let status = reply.status;
        match status {
            StatusCode::OK => self.session(reply),
            StatusCode::TOO_MANY_REQUESTS => down("rate_limited", retry_after(&reply.headers, &self.clock)),
            _ if is_redirect(status) => Err(self.redirected(reply)),
            _ if self.logged_out.contains(&status.as_u16()) => Err(said_no(status, None)),
            _ if status.is_server_error() => down("server_error", retry_after(&reply.headers, &self.clock)),
            _ => down("unexpected_status", None),
        }
    }

    /// Session guards redirect to their login page; that page is never followed and never read. A redirect to the same path
    /// is no word about the visitor: the endpoint has another address than we were told.
    fn redirected(&self, reply: &Reply) -> Unfound {
        let location = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|text| self.url.join(text).ok());
        if target.as_ref().is_some_and(|target| plain_path(target) == plain_path(&self.url)) {
            let problem = "is answered with a redirect to the same path, over https, with another slash or at another host: name that address, or say in UPSTREAM_HEADERS how the proxy asks (Host, X-Forwarded-Proto)";
            return Outage::misconfigured(NAME, Misfit { setting: UPSTREAM_SESSION_URL.name, problem }).into();
        }
        said_no(reply.status, target.as_ref().and_then(Url::host_str))
    }

    fn session(&self, reply: &Reply) -> Result<Session, Unfound> {
        let document: Value = serde_json::from_slice(&reply.body).map_err(|_| Outage::of(NAME, "not_json", None))?;
        let mapped = self.mapping.apply(&document).map_err(|unmapped| unmapped.of(NAME))?;
        Ok(Session {
            identity: mapped.identity,
            source: NAME,
            expires_at: mapped.expires_at,
            authenticated_at: mapped.authenticated_at,
        })
    }
}

/// 300 asks to choose, 304 says nothing without the copy it speaks of: neither leads anywhere.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn said_no(status: StatusCode, location: Option<&str>) -> Unfound {
    Nobody::SaidNo { status: status.as_u16(), location: location.map(str::to_owned) }.into()
}

fn plain_path(url: &Url) -> &str {
    url.path().trim_end_matches('/')
}

#[async_trait]
impl Authenticator for Upstream {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { cookies: self.relay.names(), ..Guarded::default() }
    }

    fn is_resting(&self) -> bool {
        self.target.is_resting()
    }

    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        let cookie = match self.relay.cookie(&request.headers) {
            Ok(cookie) => cookie,
            Err(nobody) => return Ok(Err(nobody)),
        };
        let Some(verdicts) = &self.verdicts else { return answer(self.ask(cookie, request).await) };
        let key = verdicts.key(cookie.as_bytes());
        let now = self.clock.now();
        let is_live = |known: &Found| known.as_ref().map_or(true, |session| session.is_live(now));
        if let Some(known) = verdicts.get(&key).filter(is_live) {
            return Ok(known);
        }
        let found = answer(self.ask(cookie, request).await)?;
        verdicts.put(key, found.clone(), found.is_ok());
        Ok(found)
    }
}

fn outage(fault: Fault) -> Outage {
    let (reason, retry_after) = match fault {
        Fault::Busy => ("busy", Some(Duration::from_secs(1))),
        Fault::Resting { retry_after } => ("resting", Some(retry_after)),
        Fault::Strangers { retry_after } => (STRANGERS, Some(retry_after)),
        Fault::Connect => ("no_connection", None),
        Fault::Deadline => ("deadline", None),
        Fault::TooLarge => ("too_large", None),
        Fault::Broken => ("broken_answer", None),
    };
    Outage::of(NAME, reason, retry_after)
}
