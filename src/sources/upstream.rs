//! The host's own session endpoint, asked with the visitor's own session cookie.
//!
//! Only the named cookies travel, to one fixed address, and what comes back is a verdict only when it is unmistakably one:
//! everything else is an outage, never "logged out" (C-1 to C-7).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use url::Url;

use crate::base::clock::Clock;
use crate::config::env::{Env, Var};
use crate::net::cookies;
use crate::net::field::is_token;
use crate::net::outbound::{Call, Fault, Limits, Outbound, Reply, Target, Visitor, is_loopback, retry_after};
use crate::net::peer::TrustedProxies;
use crate::net::verdicts::{CACHE_MAX, Verdicts};
use crate::session::mapping::{Mapping, MappingVars};
use crate::session::{Authenticator, Guarded, Outage, Session};

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
    "Names of the session cookies that are relayed, comma-separated. No other cookie and no other header of the visitor leaves.",
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
    "Statuses that mean \"nobody is logged in\". A redirect always does; everything else but 200 is an outage.",
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
    cookies: Vec<String>,
    logged_out: Vec<u16>,
    mapping: Mapping,
    verdicts: Option<Verdicts<Option<Session>>>,
    proxies: TrustedProxies,
    clock: Clock,
}

impl Upstream {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[
        &URL,
        &COOKIES,
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
        let cookies: Vec<String> = env.list(&COOKIES);
        if cookies.is_empty() {
            env.mistake_in(&COOKIES, "is required for the source upstream: the host's session cookie");
        }
        if let Some(bad) = cookies.iter().find(|name| !is_token(name.as_bytes())) {
            env.mistake_in(&COOKIES, &format!("`{bad}` is not a cookie's name"));
        }
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
        Some(Self { target, url, cookies, logged_out, mapping, verdicts, proxies, clock })
    }

    /// The one `Cookie` header that is sent: the named cookies in their configured order, each at most once.
    fn relayed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let present = self.cookies.iter().filter_map(|name| Some((name, cookies::one(headers, name)?)));
        let pairs: Vec<Vec<u8>> = present.map(|(name, value)| [name.as_bytes(), b"=", value].concat()).collect();
        let mut value =
            HeaderValue::from_maybe_shared(Bytes::from(pairs.join(&b"; "[..]))).ok().filter(|v| !v.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    async fn ask(&self, cookie: HeaderValue, request: &Parts) -> Result<Option<Session>, Outage> {
        let visitor = Visitor { credential: cookie.as_bytes(), address: self.proxies.visitor(request) };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(COOKIE, cookie.clone());
        let call = Call { method: Method::GET, url: self.url.clone(), headers, body: Bytes::new() };
        let reply = self.target.call_for(call, visitor).await.map_err(outage)?;
        let session = self.verdict(&reply)?;
        if session.is_some() {
            self.target.know(cookie.as_bytes());
        }
        Ok(session)
    }

    fn verdict(&self, reply: &Reply) -> Result<Option<Session>, Outage> {
        let down = |reason, retry_after| Err(Outage { source_name: NAME, reason, retry_after });
        let status = reply.status;
        match status {
            StatusCode::OK => self.session(reply),
            StatusCode::TOO_MANY_REQUESTS => down("rate_limited", retry_after(&reply.headers, &self.clock)),
            // Session guards redirect to their login page; that page is never followed and never read.
            _ if status.is_redirection() || self.logged_out.contains(&status.as_u16()) => Ok(None),
            _ if status.is_server_error() => down("server_error", retry_after(&reply.headers, &self.clock)),
            _ => down("unexpected_status", None),
        }
    }

    fn session(&self, reply: &Reply) -> Result<Option<Session>, Outage> {
        let document: Value = serde_json::from_slice(&reply.body).map_err(|_| Outage {
            source_name: NAME,
            reason: "not_json",
            retry_after: None,
        })?;
        let mapped = self.mapping.apply(&document).map_err(|misfit| misfit.outage(NAME))?;
        if mapped.is_none() {
            tracing::warn!("the session endpoint answered 200 without a usable subject: check UPSTREAM_SUBJECT");
        }
        Ok(mapped.map(|m| Session {
            identity: m.identity,
            source: NAME,
            expires_at: m.expires_at,
            authenticated_at: m.authenticated_at,
        }))
    }
}

#[async_trait]
impl Authenticator for Upstream {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { cookies: self.cookies.clone(), ..Guarded::default() }
    }

    fn is_resting(&self) -> bool {
        self.target.is_resting()
    }

    async fn authenticate(&self, request: &Parts) -> Result<Option<Session>, Outage> {
        let Some(cookie) = self.relayed(&request.headers) else { return Ok(None) };
        let Some(verdicts) = &self.verdicts else { return self.ask(cookie, request).await };
        let key = verdicts.key(cookie.as_bytes());
        let now = self.clock.now();
        if let Some(known) = verdicts.get(&key).filter(|known| known.as_ref().is_none_or(|known| known.is_live(now))) {
            return Ok(known);
        }
        let session = self.ask(cookie, request).await?;
        verdicts.put(key, session.clone(), session.is_some());
        Ok(session)
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
    Outage { source_name: NAME, reason, retry_after }
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
