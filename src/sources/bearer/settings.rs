//! From the environment to what an access token must be like.

use std::time::Duration;

use url::Url;

use crate::config::env::{Env, Var};
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::discovery::document_of;
use crate::jose::jwks::remote::callable;
use crate::jose::jws::rules::{Audience, Requirement, Rules};
use crate::jose::jws::times::{SKEW, SKEW_MAX};
use crate::net::outbound::Outbound;
use crate::net::verdicts::CACHE_MAX;
use crate::session::mapping::Mapping;
use crate::sources::bearer::introspection::Endpoint;

crate::mapping! { pub of "BEARER" {
    subject("/sub", "/username"),
        "JSON pointer to the claim that identifies the visitor.";
    name("/name", "/preferred_username");
    email("/email", "/mail");
    email_verified("/email_verified", "/user/email/verified");
    groups("/groups", "/realm_access/roles");
    locale("/locale", "/lang");
    expires("", "/session_expires_at"),
        "JSON pointer to the end of the session, where it may come before the token's own end.";
    auth_time("/auth_time", "/login_at"),
        "JSON pointer to when the visitor logged in.";
    attributes("", "tenant=/tid"),
        "Further claims to read, as name=/pointer: `attributes.name` in claim templates.";
} }

crate::settings! {
    pub vars VARS + MAPPING_VARS {
        BEARER_ISSUER("", "https://login.example.org/realms/main"),
            "Issuer of the access tokens that a page sends as Authorization: Bearer. Its discovery document says where its keys are.";
        BEARER_AUDIENCE("", "https://chat.example.org"),
            "Audience an access token must be for; several with commas. Required with BEARER_ISSUER. `none` for servers whose access tokens have none (Cognito), with BEARER_CLIENTS.";
        BEARER_CLIENTS("", "web-app"),
            "Clients whose tokens are accepted (azp or client_id); any when not set. Several with commas.";
        BEARER_SCOPE("", "chat"),
            "Scopes that a token must have; several with commas, all required.";
        BEARER_JWKS_URL("", "https://login.example.org/keys"),
            "Where the issuer's keys are, if its discovery document cannot be used.";
        BEARER_ALGORITHMS("RS256,PS256,ES256,ES384,EdDSA", "ES256"),
            "Accepted signature algorithms.";
        BEARER_REQUIRE("", "/acr=urn:example:strong"),
            "Further claims that must have a certain value: /claim=value or /claim=value|value; several with commas.";
        BEARER_CLOCK_SKEW("30s", "60s"),
            "How far the issuer's clock and ours may be apart, up to 60s.";
        BEARER_INTROSPECTION_URL("", "https://login.example.org/introspect"),
            "Introspection endpoint (RFC 7662) for opaque tokens. Where BEARER_ISSUER is set too, signed tokens are checked here and only the others are asked about.";
        BEARER_INTROSPECTION_CLIENT_ID("", "countersign"),
            "Our client id at the introspection endpoint.";
        BEARER_INTROSPECTION_CLIENT_SECRET(secret),
            "Our client secret at the introspection endpoint.";
        BEARER_INTROSPECTION_CACHE("0s", "5s"),
            "How long a good introspection answer is remembered, up to 30s; within it a revoked token still counts.";
    }
}

/// What access tokens must be like, and how they are checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) signed: Option<Signed>,
    pub(super) opaque: Option<Opaque>,
    pub(super) scope: Vec<String>,
    pub(super) mapping: Mapping,
}

/// Tokens that are signed and checked here.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) rules: Rules,
    pub(super) keys: Option<Url>,
}

/// Tokens that the authorization server is asked about.
#[derive(Debug, Clone)]
pub(super) struct Opaque {
    pub(super) endpoint: Endpoint,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<Audience>,
    pub(super) clients: Vec<String>,
    pub(super) requirements: Vec<Requirement>,
    pub(super) skew: Duration,
}

impl Settings {
    /// Reads and checks them; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound) -> Option<Self> {
        let common = Common::read(env);
        let signed = common.issuer.is_some().then(|| read_signed(env, &common, outbound));
        let opaque = env.is_set(&BEARER_INTROSPECTION_URL).then(|| read_opaque(env, &common, outbound));
        if signed.is_none() && opaque.is_none() {
            env.mistake_in(
                &BEARER_ISSUER,
                "or BEARER_INTROSPECTION_URL is needed: who issues the tokens, or whom to ask",
            );
            return None;
        }
        let (scope, mapping) = (env.list(&BEARER_SCOPE), Mapping::read(env, &MAPPING));
        let signed = signed.map_or(Some(None), |read| read.map(Some))?;
        let opaque = opaque.map_or(Some(None), |read| read.map(Some))?;
        Some(Self { signed, opaque, scope, mapping })
    }
}

/// What is asked of tokens of either kind.
struct Common {
    issuer: Option<String>,
    audience: Option<Audience>,
    clients: Vec<String>,
    requirements: Vec<Requirement>,
    skew: Duration,
}

impl Common {
    fn read(env: &mut Env) -> Self {
        let clients: Vec<String> = env.list(&BEARER_CLIENTS);
        Self {
            issuer: env.text(&BEARER_ISSUER),
            audience: read_audience(env, &clients),
            clients,
            requirements: env.list(&BEARER_REQUIRE),
            skew: env.duration_within(&BEARER_CLOCK_SKEW, Duration::ZERO, SKEW_MAX).unwrap_or(SKEW),
        }
    }
}

fn read_audience(env: &mut Env, clients: &[String]) -> Option<Audience> {
    let names: Vec<String> = env.list(&BEARER_AUDIENCE);
    match names.as_slice() {
        [] => None,
        [none] if none.eq_ignore_ascii_case("none") => {
            if clients.is_empty() {
                env.mistake_in(&BEARER_CLIENTS, "is needed with BEARER_AUDIENCE=none: whose tokens are believed");
            }
            Some(Audience::Unnamed)
        }
        _ => Some(Audience::Includes(names)),
    }
}

fn read_signed(env: &mut Env, common: &Common, outbound: &Outbound) -> Option<Signed> {
    let algorithms: Vec<Algorithm> = env.list(&BEARER_ALGORITHMS);
    if algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
        env.mistake_in(&BEARER_ALGORITHMS, "HS256 is not for access tokens: whoever can check them could make them");
    }
    let issuer = common.issuer.clone()?;
    let keys = if env.is_set(&BEARER_JWKS_URL) { Some(callable_url(env, &BEARER_JWKS_URL, outbound)?) } else { None };
    if keys.is_none()
        && let Err(problem) = document_of(&issuer).and_then(|url| outbound.check(&url))
    {
        env.mistake_in(&BEARER_ISSUER, &format!("{problem}; or set BEARER_JWKS_URL"));
    }
    if common.audience.is_none() {
        env.mistake_in(
            &BEARER_AUDIENCE,
            "is needed: without it, tokens for any application of the issuer would be believed",
        );
    }
    let rules = Rules {
        // RFC 9068 section 2.1; most issuers still write JWT.
        types: &["at+jwt", "jwt"],
        clients: common.clients.clone(),
        requirements: common.requirements.clone(),
        skew: common.skew,
        ..Rules::new(algorithms, issuer, common.audience.clone()?)
    };
    Some(Signed { rules, keys })
}

fn read_opaque(env: &mut Env, common: &Common, outbound: &Outbound) -> Option<Opaque> {
    let url = callable_url(env, &BEARER_INTROSPECTION_URL, outbound);
    let client_id = env.text(&BEARER_INTROSPECTION_CLIENT_ID);
    let client_secret = env.secret(&BEARER_INTROSPECTION_CLIENT_SECRET);
    let cache = env.duration_within(&BEARER_INTROSPECTION_CACHE, Duration::ZERO, CACHE_MAX);
    for var in [&BEARER_INTROSPECTION_CLIENT_ID, &BEARER_INTROSPECTION_CLIENT_SECRET] {
        if !env.is_set(var) {
            env.mistake_in(var, "is needed with BEARER_INTROSPECTION_URL");
        }
    }
    if common.audience.is_none() && common.clients.is_empty() {
        env.mistake_in(
            &BEARER_AUDIENCE,
            "or BEARER_CLIENTS is needed: without it, tokens for anybody would be believed",
        );
        return None;
    }
    let endpoint = Endpoint { url: url?, client_id: client_id?, client_secret: client_secret?, cache: cache? };
    Some(Opaque {
        endpoint,
        issuer: common.issuer.clone(),
        audience: common.audience.clone(),
        clients: common.clients.clone(),
        requirements: common.requirements.clone(),
        skew: common.skew,
    })
}

fn callable_url(env: &mut Env, var: &Var, outbound: &Outbound) -> Option<Url> {
    let url: Url = env.parse(var)?;
    let called = callable(&url).map_err(str::to_owned).and_then(|()| outbound.check(&url));
    called.map_err(|problem| env.mistake_in(var, &problem)).ok()?;
    Some(url)
}
