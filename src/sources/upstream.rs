//! The host's own session endpoint, asked with the visitor's own session cookie.
//!
//! Only the named cookies travel, to one fixed address, and what comes back is a verdict only when it is unmistakably one:
//! everything else is an outage, never "logged out" (C-1 to C-7).

mod relay;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{COOKIE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;
use url::Url;

use self::relay::Relay;
use crate::base::clock::Clock;
use crate::config::env::{Env, Var};
use crate::net::outbound::{Call, Fault, Limits, Outbound, Reply, Target, Visitor, is_loopback, retry_after};
use crate::net::peer::TrustedProxies;
use crate::net::verdicts::{CACHE_MAX, Verdicts};
use crate::session::mapping::{Mapping, MappingVars};
use crate::session::nobody::Nobody;
use crate::session::renewed::Renewed;
use crate::session::{Authenticator, Found, Guarded, Misfit, Outage, Session, Unfound, answer};

/// Name of this source.
pub const NAME: &str = "upstream";

/// The endpoint.
pub const URL: Var = Var::new(
    "UPSTREAM_SESSION_URL",
    "",
    "https://www.example.org/api/me",
    "The host's own endpoint that answers who the visitor of a session cookie is, as JSON.",
);
/// The cookies.
pub const COOKIES: Var = Var::new(
    "UPSTREAM_SESSION_COOKIES",
    "",
    "session_id",
    "Names of the session cookies that are relayed, comma-separated; `name.*` is a cookie in numbered pieces, such as next-auth.session-token.*. No other cookie and no other header of the visitor leaves.",
);
const HEADERS: Var = Var {
    example: "Host=www.example.org,Origin=https://www.example.org,X-Forwarded-Proto=https",
    ..Var::secret(
        "UPSTREAM_HEADERS",
        "Headers that every call to the endpoint carries, as name=value: what its framework insists on, such as Host, Origin, Referer, X-Forwarded-Proto, X-Forwarded-Host, X-Requested-With, or an API key. A value with a comma needs a JSON array.",
    )
};
const RENEWED: Var = Var::new(
    "UPSTREAM_RENEWED_COOKIES",
    "",
    "session_id",
    "Names of cookies that the endpoint may renew: what it sets for them is passed back to the visitor with our answer, for hosts that rotate their session cookie. `name.*` as above.",
);
const ALLOW_HTTP: Var = Var::new(
    "UPSTREAM_ALLOW_HTTP",
    "false",
    "true",
    "Accept a plain-HTTP endpoint that is not on this machine. The session cookie then crosses the network unprotected.",
);
const DEADLINE: Var =
    Var::new("UPSTREAM_DEADLINE", "2s", "1s", "Longest time to wait for the endpoint's complete answer, at most 10s.");
const LOGGED_OUT: Var = Var::new(
    "UPSTREAM_LOGGED_OUT_STATUS",
    "401,403,404",
    "401",
    "Statuses that mean \"nobody is logged in\". A redirect to a login page does, too; everything else but 200 is an outage.",
);
const CACHE: Var = Var::new(
    "UPSTREAM_CACHE",
    "0s",
    "5s",
    "How long a positive verdict is reused, at most 30s and never beyond the session. 0s asks every time.",
);
const CONCURRENCY: Var =
    Var::new("UPSTREAM_CONCURRENCY", "64", "16", "Calls to the endpoint that may be open at once.");
const SUBJECT: Var = Var::new("UPSTREAM_SUBJECT", "/sub", "/user/id", "JSON pointer to the visitor's stable id.");
const DISPLAY: Var = Var::new("UPSTREAM_NAME", "/name", "/user/full_name", "JSON pointer to the display name.");
const EMAIL: Var = Var::new("UPSTREAM_EMAIL", "/email", "/user/email", "JSON pointer to the e-mail address.");
const EMAIL_VERIFIED: Var = Var::new(
    "UPSTREAM_EMAIL_VERIFIED",
    "/email_verified",
    "/user/email_confirmed",
    "JSON pointer to whether the address is verified.",
);
const GROUPS: Var = Var::new("UPSTREAM_GROUPS", "/groups", "/user/roles", "JSON pointer to the groups.");
const LOCALE: Var = Var::new("UPSTREAM_LOCALE", "/locale", "/user/language", "JSON pointer to the language tag.");
const EXPIRES: Var = Var::new(
    "UPSTREAM_EXPIRES",
    "/exp",
    "/session/expires_at",
    "JSON pointer to the end of the session: seconds or milliseconds since 1970, RFC 3339 with its zone, or an HTTP date.",
);
const AUTH_TIME: Var =
    Var::new("UPSTREAM_AUTH_TIME", "/auth_time", "/session/started_at", "JSON pointer to when the visitor logged in.");
const ATTRIBUTES: Var = Var::new(
    "UPSTREAM_ATTRIBUTES",
    "",
    "plan=/account/plan",
    "Further values to read, as name=/pointer: `attributes.name` in claim templates.",
);

const MAPPING: MappingVars<'_> = MappingVars {
    subject: &SUBJECT,
    name: &DISPLAY,
    email: &EMAIL,
    email_verified: &EMAIL_VERIFIED,
    groups: &GROUPS,
    locale: &LOCALE,
    expires: &EXPIRES,
    auth_time: &AUTH_TIME,
    attributes: &ATTRIBUTES,
};

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
    /// The settings of this room.
    pub const VARS: &[&Var] = &[
        &URL,
        &COOKIES,
        &HEADERS,
        &RENEWED,
        &ALLOW_HTTP,
        &DEADLINE,
        &LOGGED_OUT,
        &CACHE,
        &CONCURRENCY,
        &SUBJECT,
        &DISPLAY,
        &EMAIL,
        &EMAIL_VERIFIED,
        &GROUPS,
        &LOCALE,
        &EXPIRES,
        &AUTH_TIME,
        &ATTRIBUTES,
    ];

    /// Reads the endpoint, the cookies and the pointers; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound, proxies: &TrustedProxies, clock: &Clock) -> Option<Self> {
        let url = read_url(env);
        let relay = Relay::read(env, &COOKIES, &HEADERS, &RENEWED);
        let deadline = env.duration_within(&DEADLINE, Duration::from_millis(50), Duration::from_secs(10));
        let concurrency = env.parse(&CONCURRENCY).filter(|n| *n > 0).unwrap_or(Limits::DEFAULT.concurrency);
        let cache = env.duration_within(&CACHE, Duration::ZERO, CACHE_MAX).unwrap_or_default();
        let mapping = Mapping::read(env, &MAPPING);
        let logged_out = env.list(&LOGGED_OUT);
        if let Some(bad) = logged_out.iter().find(|s| !(400..500).contains(*s) || **s == 429) {
            env.mistake_in(&LOGGED_OUT, &format!("{bad} is not a 4xx status, or says something else than logged out"));
        }
        let limits = Limits { deadline: deadline?, concurrency, ..Limits::DEFAULT };
        let url = url?;
        let target = Target::new(outbound, &url, limits, clock.clone());
        let target = target.map_err(|problem| env.mistake_in(&URL, &problem)).ok()?;
        let verdicts = (!cache.is_zero()).then(|| Verdicts::new(cache, clock.clone()));
        let (proxies, clock) = (proxies.clone(), clock.clone());
        Some(Self { target, url, relay: relay?, logged_out, mapping, verdicts, proxies, clock })
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
        self.target.know(cookie.as_bytes());
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
            return Outage::misconfigured(NAME, Misfit { setting: URL.name, problem }).into();
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
        Fault::Connect => ("no_connection", None),
        Fault::Deadline => ("deadline", None),
        Fault::TooLarge => ("too_large", None),
        Fault::Broken => ("broken_answer", None),
    };
    Outage::of(NAME, reason, retry_after)
}

fn read_url(env: &mut Env) -> Option<Url> {
    if !env.is_set(&URL) {
        env.mistake_in(&URL, "is required for the source upstream: the host's endpoint that says who is logged in");
    }
    let url: Url = env.parse(&URL)?;
    let plain_is_fine = env.flag(&ALLOW_HTTP) || is_loopback(&url);
    let problem = match url.scheme() {
        "https" => None,
        "http" if plain_is_fine => None,
        "http" => Some("is plain HTTP: use https, or set UPSTREAM_ALLOW_HTTP=true if the network in between is yours"),
        _ => Some("is not an http(s) address"),
    };
    let credentials = !url.username().is_empty() || url.password().is_some();
    let problem = problem.or(credentials.then_some("holds a user name or password; put none into an address"));
    if let Some(problem) = problem {
        env.mistake_in(&URL, problem);
        return None;
    }
    Some(url)
}
