//! The settings of the host's session endpoint.

use std::time::Duration;

use http::HeaderMap;
use url::Url;

use super::relay::{Pattern, headers, patterns};
use crate::config::env::{Env, Var};
use crate::config::read::{flag, list, needed, number, within};
use crate::config::var::join;
use crate::net::outbound::{Outbound, is_loopback};
use crate::session::mapping::Mapping;

crate::settings! {
    /// The endpoint, what is sent to it, and how its answers are read.
    pub struct Settings {
        url: Url = UPSTREAM_SESSION_URL("", "https://www.example.org/api/me"),
            needed(" for the source upstream: the host's endpoint that says who is logged in", Env::parse),
            "The host's own endpoint that answers who the visitor of a session cookie is, as JSON.";
        cookies: Vec<Pattern> = UPSTREAM_SESSION_COOKIES("", "session_id"),
            needed(" for the source upstream: the host's session cookie", |env, var| patterns(env, var).filter(|all| !all.is_empty())),
            "Names of the session cookies that are relayed, comma-separated; `name.*` is a cookie in numbered pieces, such as next-auth.session-token.*. No other cookie and no other header of the visitor leaves.";
        headers: HeaderMap = UPSTREAM_HEADERS(secret "Host=www.example.org,Origin=https://www.example.org,X-Forwarded-Proto=https"), headers,
            "Headers that every call to the endpoint carries, as name=value: what its framework insists on, such as Host, Origin, Referer, X-Forwarded-Proto, X-Forwarded-Host, X-Requested-With, or an API key. A value with a comma needs a JSON array.";
        renewed: Vec<Pattern> = UPSTREAM_RENEWED_COOKIES("", "session_id"), patterns,
            "Names of cookies that the endpoint may renew: what it sets for them is passed back to the visitor with our answer, for hosts that rotate their session cookie. `name.*` as above.";
        allow_http: bool = UPSTREAM_ALLOW_HTTP("false", "true"), flag,
            "Accept a plain-HTTP endpoint that is not on this machine. The session cookie then crosses the network unprotected.";
        deadline: Duration = UPSTREAM_DEADLINE("2s", "1s"), within("50ms", "10s"),
            "Longest time to wait for the endpoint's complete answer, at most 10s.";
        logged_out: Vec<u16> = UPSTREAM_LOGGED_OUT_STATUS("401,403,404", "401"), statuses,
            "Statuses that mean \"nobody is logged in\". A redirect to a login page does, too; everything else but 200 is an outage.";
        cache: Duration = UPSTREAM_CACHE("0s", "5s"), within("0s", "30s"),
            "How long a positive verdict is reused, at most 30s and never beyond the session. 0s asks every time.";
        concurrency: usize = UPSTREAM_CONCURRENCY("64", "16"), number(1..=65_536),
            "Calls to the endpoint that may be open at once.";
        ..mapping: Mapping = |env| Some(Mapping::read(env, &MAPPING));
    }
}

crate::mapping! { pub of "UPSTREAM" {
    subject("/sub", "/user/id"),
        "JSON pointer to the visitor's stable id.";
    name("/name", "/user/full_name");
    email("/email", "/user/email");
    email_verified("/email_verified", "/user/email_confirmed");
    groups("/groups", "/user/roles");
    locale("/locale", "/user/language");
    expires("/exp", "/session/expires_at"),
        "JSON pointer to the end of the session: seconds or milliseconds since 1970, RFC 3339 with its zone, or an HTTP date.";
    auth_time("/auth_time", "/session/started_at"),
        "JSON pointer to when the visitor logged in.";
    attributes("", "plan=/account/plan"),
        "Further values to read, as name=/pointer: `attributes.name` in claim templates.";
} }

/// Each of these settings, in the order of the sample file.
pub const VARS: &[&Var] = &join::<{ Settings::VARS.len() + MAPPING_VARS.len() }>(Settings::VARS, MAPPING_VARS);

impl Settings {
    /// Reads and checks them; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound) -> Option<Self> {
        let settings = Self::parse(env)?;
        let problem = problem(&settings.url, settings.allow_http).map(str::to_owned);
        if let Some(problem) = problem.or_else(|| outbound.check(&settings.url).err()) {
            env.mistake_in(&UPSTREAM_SESSION_URL, &problem);
            return None;
        }
        Some(settings)
    }
}

fn problem(url: &Url, allow_http: bool) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds a user name or password; put none into an address");
    }
    match url.scheme() {
        "https" => None,
        "http" if allow_http || is_loopback(url) => None,
        "http" => Some("is plain HTTP: use https, or set UPSTREAM_ALLOW_HTTP=true if the network in between is yours"),
        _ => Some("is not an http(s) address"),
    }
}

fn statuses(env: &mut Env, var: &Var) -> Option<Vec<u16>> {
    let statuses: Vec<u16> = list(env, var)?;
    let bad = statuses.iter().find(|status| !(400..500).contains(*status) || **status == 429);
    if let Some(bad) = bad {
        env.mistake_in(var, &format!("{bad} is not a 4xx status, or says something else than logged out"));
    }
    bad.is_none().then_some(statuses)
}
