//! From the environment to what an access token must be like.

use std::time::Duration;

use url::Url;

use crate::config::env::{Env, Var};
use crate::jose::jwks::discovery::document_of;
use crate::jose::jwks::key::Algorithm;
use crate::jose::jwks::remote::callable;
use crate::jose::jws::rules::{Audience, Requirement, Rules};
use crate::jose::jws::times::{SKEW, SKEW_MAX};
use crate::net::verdicts::CACHE_MAX;
use crate::session::mapping::{Mapping, MappingVars};
use crate::sources::bearer::introspection::Endpoint;

/// Who issues the tokens.
pub(super) const ISSUER: Var = Var::new(
    "BEARER_ISSUER",
    "",
    "https://login.example.org/realms/main",
    "Issuer of the access tokens that a page sends as Authorization: Bearer. Its discovery document says where its keys are.",
);
/// Expected `aud`.
const AUDIENCE: Var = Var::new(
    "BEARER_AUDIENCE",
    "",
    "https://chat.example.org",
    "Audience an access token must be for; several with commas. Required with BEARER_ISSUER. `none` for servers whose access tokens have none (Cognito), with BEARER_CLIENTS.",
);
/// Accepted clients.
const CLIENTS: Var = Var::new(
    "BEARER_CLIENTS",
    "",
    "web-app",
    "Clients whose tokens are accepted (azp or client_id); any when not set. Several with commas.",
);
/// Required scope.
const SCOPE: Var =
    Var::new("BEARER_SCOPE", "", "chat", "Scopes that a token must have; several with commas, all required.");
/// Another place for the keys.
pub(super) const JWKS_URL: Var = Var::new(
    "BEARER_JWKS_URL",
    "",
    "https://login.example.org/keys",
    "Where the issuer's keys are, if its discovery document cannot be used.",
);
/// Accepted algorithms.
const ALGORITHMS: Var =
    Var::new("BEARER_ALGORITHMS", "RS256,PS256,ES256,ES384,EdDSA", "ES256", "Accepted signature algorithms.");
/// More requirements.
const REQUIRE: Var = Var::new(
    "BEARER_REQUIRE",
    "",
    "/acr=urn:example:strong",
    "Further claims that must have a certain value: /claim=value or /claim=value|value; several with commas.",
);
/// Clock skew.
const CLOCK_SKEW: Var =
    Var::new("BEARER_CLOCK_SKEW", "30s", "60s", "How far the issuer's clock and ours may be apart, up to 60s.");
/// Where to ask about tokens.
pub(super) const INTROSPECTION_URL: Var = Var::new(
    "BEARER_INTROSPECTION_URL",
    "",
    "https://login.example.org/introspect",
    "Introspection endpoint (RFC 7662) for opaque tokens. Where BEARER_ISSUER is set too, signed tokens are checked here and only the others are asked about.",
);
/// As whom.
const INTROSPECTION_CLIENT_ID: Var =
    Var::new("BEARER_INTROSPECTION_CLIENT_ID", "", "countersign", "Our client id at the introspection endpoint.");
/// With which secret.
const INTROSPECTION_CLIENT_SECRET: Var =
    Var::secret("BEARER_INTROSPECTION_CLIENT_SECRET", "Our client secret at the introspection endpoint.");
/// How long answers are remembered.
const INTROSPECTION_CACHE: Var = Var::new(
    "BEARER_INTROSPECTION_CACHE",
    "0s",
    "5s",
    "How long a good introspection answer is remembered, up to 30s; within it a revoked token still counts.",
);
const SUBJECT: Var =
    Var::new("BEARER_SUBJECT", "/sub", "/username", "JSON pointer to the claim that identifies the visitor.");
const DISPLAY: Var = Var::new("BEARER_NAME", "/name", "/preferred_username", "JSON pointer to the display name.");
const EMAIL: Var = Var::new("BEARER_EMAIL", "/email", "/mail", "JSON pointer to the e-mail address.");
const EMAIL_VERIFIED: Var = Var::new(
    "BEARER_EMAIL_VERIFIED",
    "/email_verified",
    "/user/email/verified",
    "JSON pointer to whether the address is verified.",
);
const GROUPS: Var = Var::new("BEARER_GROUPS", "/groups", "/realm_access/roles", "JSON pointer to the groups.");
const LOCALE: Var = Var::new("BEARER_LOCALE", "/locale", "/lang", "JSON pointer to the language tag.");
const EXPIRES: Var = Var::new(
    "BEARER_EXPIRES",
    "",
    "/session_expires_at",
    "JSON pointer to the end of the session, where it may come before the token's own end.",
);
const AUTH_TIME: Var =
    Var::new("BEARER_AUTH_TIME", "/auth_time", "/login_at", "JSON pointer to when the visitor logged in.");
const ATTRIBUTES: Var = Var::new(
    "BEARER_ATTRIBUTES",
    "",
    "tenant=/tid",
    "Further claims to read, as name=/pointer: `attributes.name` in claim templates.",
);

/// The settings of this room.
pub(super) const VARS: &[&Var] = &[
    &ISSUER,
    &AUDIENCE,
    &CLIENTS,
    &SCOPE,
    &JWKS_URL,
    &ALGORITHMS,
    &REQUIRE,
    &CLOCK_SKEW,
    &INTROSPECTION_URL,
    &INTROSPECTION_CLIENT_ID,
    &INTROSPECTION_CLIENT_SECRET,
    &INTROSPECTION_CACHE,
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

/// What access tokens must be like, and how they are checked.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) signed: Option<Signed>,
    pub(super) opaque: Option<Opaque>,
    pub(super) scope: Vec<String>,
    pub(super) mapping: Mapping,
}

/// Tokens that are signed and checked here.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) rules: Rules,
    pub(super) keys: Option<Url>,
}

/// Tokens that the authorization server is asked about.
#[derive(Debug)]
pub(super) struct Opaque {
    pub(super) endpoint: Endpoint,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<Audience>,
    pub(super) clients: Vec<String>,
    pub(super) requirements: Vec<Requirement>,
    pub(super) skew: Duration,
}

impl Settings {
    /// Reads the settings of this room; `None` after naming what is wrong.
    pub(super) fn read(env: &mut Env) -> Option<Self> {
        let common = Common::read(env);
        let signed = common.issuer.is_some().then(|| read_signed(env, &common));
        let opaque = env.is_set(&INTROSPECTION_URL).then(|| read_opaque(env, &common));
        if signed.is_none() && opaque.is_none() {
            env.mistake_in(&ISSUER, "or BEARER_INTROSPECTION_URL is needed: who issues the tokens, or whom to ask");
            return None;
        }
        let (scope, mapping) = (env.list(&SCOPE), Mapping::read(env, &MAPPING));
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
        let clients: Vec<String> = env.list(&CLIENTS);
        Self {
            issuer: env.text(&ISSUER),
            audience: read_audience(env, &clients),
            clients,
            requirements: env.list(&REQUIRE),
            skew: env.duration_within(&CLOCK_SKEW, Duration::ZERO, SKEW_MAX).unwrap_or(SKEW),
        }
    }
}

fn read_audience(env: &mut Env, clients: &[String]) -> Option<Audience> {
    let names: Vec<String> = env.list(&AUDIENCE);
    match names.as_slice() {
        [] => None,
        [none] if none.eq_ignore_ascii_case("none") => {
            if clients.is_empty() {
                env.mistake_in(&CLIENTS, "is needed with BEARER_AUDIENCE=none: whose tokens are believed");
            }
            Some(Audience::Unnamed)
        }
        _ => Some(Audience::Includes(names)),
    }
}

fn read_signed(env: &mut Env, common: &Common) -> Option<Signed> {
    let algorithms: Vec<Algorithm> = env.list(&ALGORITHMS);
    if algorithms.contains(&Algorithm::Hs256) {
        env.mistake_in(&ALGORITHMS, "HS256 is not for access tokens: whoever can check them could make them");
    }
    let issuer = common.issuer.clone()?;
    let keys = if env.is_set(&JWKS_URL) { Some(callable_url(env, &JWKS_URL)?) } else { None };
    if keys.is_none()
        && let Err(problem) = document_of(&issuer)
    {
        env.mistake_in(&ISSUER, &format!("{problem}; or set BEARER_JWKS_URL"));
    }
    if common.audience.is_none() {
        env.mistake_in(&AUDIENCE, "is needed: without it, tokens for any application of the issuer would be believed");
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

fn read_opaque(env: &mut Env, common: &Common) -> Option<Opaque> {
    let url = callable_url(env, &INTROSPECTION_URL);
    let client_id = env.text(&INTROSPECTION_CLIENT_ID);
    let client_secret = env.secret(&INTROSPECTION_CLIENT_SECRET);
    let cache = env.duration_within(&INTROSPECTION_CACHE, Duration::ZERO, CACHE_MAX);
    for var in [&INTROSPECTION_CLIENT_ID, &INTROSPECTION_CLIENT_SECRET] {
        if !env.is_set(var) {
            env.mistake_in(var, "is needed with BEARER_INTROSPECTION_URL");
        }
    }
    if common.audience.is_none() && common.clients.is_empty() {
        env.mistake_in(&AUDIENCE, "or BEARER_CLIENTS is needed: without it, tokens for anybody would be believed");
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

fn callable_url(env: &mut Env, var: &Var) -> Option<Url> {
    let url: Url = env.parse(var)?;
    callable(&url).map_err(|problem| env.mistake_in(var, problem)).ok()?;
    Some(url)
}
