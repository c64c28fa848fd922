//! The settings of the login at an identity provider.

use std::time::Duration;

use secrecy::SecretString;

use crate::base::clock::Clock;
use crate::config::env::{Env, Var};
use crate::jose::jwks::discovery::Provider;
use crate::jose::jwks::key::Algorithm;
use crate::net::outbound::Outbound;
use crate::session::mapping::{Mapping, MappingVars};

/// The provider.
pub const OIDC_ISSUER: Var = Var::new(
    "OIDC_ISSUER",
    "",
    "https://login.example.org/realms/main",
    "The organisation's identity provider: its issuer, to the letter. Everything else is discovered from it.",
);
/// Our name there.
pub const OIDC_CLIENT_ID: Var =
    Var::new("OIDC_CLIENT_ID", "", "chat-identity", "Our client id at the identity provider.");
/// Our secret there.
pub const OIDC_CLIENT_SECRET: Var = Var::secret("OIDC_CLIENT_SECRET", "Our client secret at the identity provider.");
const TOKEN_AUTH: Var = Var::new(
    "OIDC_TOKEN_AUTH",
    "auto",
    "post",
    "How the client secret is shown to the provider: basic (header), post (form), auto (basic unless the provider takes only post).",
);
const SCOPES: Var = Var::new(
    "OIDC_SCOPES",
    "openid profile email",
    "openid profile email groups",
    "Scopes that are asked for, separated by spaces; `openid` must be one of them.",
);
const ALGORITHMS: Var = Var::new(
    "OIDC_ALGORITHMS",
    "RS256,PS256,ES256,ES384,EdDSA",
    "ES256",
    "Accepted signature algorithms of ID tokens and logout tokens.",
);
const MAX_AGE: Var = Var::new(
    "OIDC_MAX_AGE",
    "",
    "1h",
    "The visitor must have proved who they are no longer ago than this, whatever session the provider keeps.",
);
const ACR: Var = Var::new(
    "OIDC_ACR_VALUES",
    "",
    "urn:example:mfa",
    "Authentication strengths (`acr`) of which one is asked for and required, separated by spaces.",
);
const AMR: Var = Var::new(
    "OIDC_AMR_VALUES",
    "",
    "mfa hwk",
    "Authentication methods (`amr`) of which one is required, separated by spaces.",
);
const TRUSTED_AUDIENCES: Var = Var::new(
    "OIDC_TRUSTED_AUDIENCES",
    "",
    "https://api.example.org",
    "Further audiences that an ID token may name beside our client id; several with commas. `azp` must then be our client id.",
);
const PROMPT: Var = Var::new(
    "OIDC_PROMPT",
    "",
    "select_account",
    "What the provider is asked to do even if it knows the visitor: login, select_account or consent.",
);
const USERINFO: Var = Var::new(
    "OIDC_USERINFO",
    "auto",
    "off",
    "Ask the userinfo endpoint for what the ID token leaves out: auto (when there is one), off.",
);
const LOGOUT: Var = Var::new(
    "OIDC_LOGOUT",
    "provider",
    "local",
    "What logging out on our page ends: provider (also the session at the identity provider, where it offers that), local (ours only).",
);
const SUBJECT: Var =
    Var::new("OIDC_SUBJECT", "/sub", "/employee_number", "JSON pointer to the claim with the visitor's stable id.");
const DISPLAY: Var = Var::new("OIDC_NAME", "/name", "/preferred_username", "JSON pointer to the display name.");
const EMAIL: Var = Var::new("OIDC_EMAIL", "/email", "/mail", "JSON pointer to the e-mail address.");
const EMAIL_VERIFIED: Var =
    Var::new("OIDC_EMAIL_VERIFIED", "/email_verified", "none", "JSON pointer to whether the address is verified.");
const GROUPS: Var = Var::new("OIDC_GROUPS", "/groups", "/realm_access/roles", "JSON pointer to the groups.");
const LOCALE: Var = Var::new("OIDC_LOCALE", "/locale", "none", "JSON pointer to the language tag.");
const EXPIRES: Var = Var::new(
    "OIDC_SESSION_ENDS",
    "",
    "/session_expires_at",
    "JSON pointer to a claim that says when the provider's own session ends; ours then ends with it. Not `exp`, which is the ID token's.",
);
const AUTH_TIME: Var =
    Var::new("OIDC_AUTH_TIME", "/auth_time", "none", "JSON pointer to when the visitor proved who they are.");
const ATTRIBUTES: Var = Var::new(
    "OIDC_ATTRIBUTES",
    "",
    "tenant=/tid,plan=/plan",
    "Further claims to read, as name=/pointer: `attributes.name` in claim templates. `acr` and `amr` are always there.",
);

const MAPPING: MappingVars = MappingVars {
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

/// How the client secret is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAuth {
    /// As the provider's metadata says.
    Auto,
    /// In the `Authorization` header (RFC 6749 section 2.3.1).
    Basic,
    /// In the form.
    Post,
}

/// Whether the userinfo endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// When there is one.
    Auto,
    /// Never.
    Off,
}

/// Everything about one provider and what we want from it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer, to the letter.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: SecretString,
    /// How it is shown.
    pub token_auth: TokenAuth,
    /// Scopes, separated by spaces.
    pub scopes: String,
    /// Accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// How long ago the visitor may have proved who they are.
    pub max_age: Option<Duration>,
    /// Further audiences that an ID token may name.
    pub trusted_audiences: Vec<String>,
    /// Accepted strengths; empty accepts all.
    pub acr: Vec<String>,
    /// Accepted methods; empty accepts all.
    pub amr: Vec<String>,
    /// What the provider is asked to do.
    pub prompt: Option<&'static str>,
    /// Whether the userinfo endpoint is asked.
    pub userinfo: Ask,
    /// Whether logging out ends the provider's session, too.
    pub logout_at_provider: bool,
    /// From claims to an identity.
    pub mapping: Mapping,
}

impl Settings {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[
        &OIDC_ISSUER,
        &OIDC_CLIENT_ID,
        &OIDC_CLIENT_SECRET,
        &TOKEN_AUTH,
        &SCOPES,
        &ALGORITHMS,
        &MAX_AGE,
        &TRUSTED_AUDIENCES,
        &ACR,
        &AMR,
        &PROMPT,
        &USERINFO,
        &LOGOUT,
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

    /// Reads everything; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound, clock: &Clock) -> Option<Self> {
        let mut required = |var: &Var, what: &str| {
            if !env.is_set(var) {
                env.mistake_in(var, &format!("is required for LOGIN=oidc: {what}"));
            }
        };
        required(&OIDC_ISSUER, "the identity provider's issuer");
        required(&OIDC_CLIENT_ID, "our client id there");
        required(&OIDC_CLIENT_SECRET, "our client secret there");
        let methods = [("auto", TokenAuth::Auto), ("basic", TokenAuth::Basic), ("post", TokenAuth::Post)];
        let token_auth = env.choice(&TOKEN_AUTH, &methods);
        let scopes = read_scopes(env);
        let algorithms = read_algorithms(env);
        let prompt = read_prompt(env);
        let userinfo = env.choice(&USERINFO, &[("auto", Ask::Auto), ("off", Ask::Off)]);
        let logout = env.choice(&LOGOUT, &[("provider", true), ("local", false)]);
        let mapping = Mapping::read(env, &MAPPING);
        let max_age = env.duration(&MAX_AGE);
        if max_age.is_some() && !mapping.reads_auth_time() {
            env.mistake_in(&AUTH_TIME, "cannot be none with OIDC_MAX_AGE, which asks how long ago that was");
        }
        let (acr, amr) = (words(env, &ACR), words(env, &AMR));
        let (issuer, client_id, client_secret) =
            (read_issuer(env, outbound, clock), env.text(&OIDC_CLIENT_ID), env.secret(&OIDC_CLIENT_SECRET));
        Some(Self {
            issuer: issuer?,
            client_id: client_id?,
            client_secret: client_secret?,
            token_auth: token_auth?,
            scopes: scopes?,
            algorithms: algorithms?,
            max_age,
            trusted_audiences: env.list(&TRUSTED_AUDIENCES),
            acr,
            amr,
            prompt,
            userinfo: userinfo?,
            logout_at_provider: logout?,
            mapping,
        })
    }

    /// What the authorization request carries besides what it always does.
    pub(super) fn extra_pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let acr = (!self.acr.is_empty()).then(|| ("acr_values", self.acr.join(" ")));
        let age = self.max_age.map(|most| ("max_age", most.as_secs().to_string()));
        let prompt = self.prompt.map(|word| ("prompt", word.to_owned()));
        [acr, age, prompt].into_iter().flatten()
    }
}

/// The issuer, if it is one that may be called. The client that comes of it here is not kept.
fn read_issuer(env: &mut Env, outbound: &Outbound, clock: &Clock) -> Option<String> {
    let issuer = env.text(&OIDC_ISSUER)?;
    let provider = Provider::new(&issuer, outbound, clock.clone());
    provider.map_err(|problem| env.mistake_in(&OIDC_ISSUER, &problem)).ok().map(|_| issuer)
}

fn words(env: &mut Env, var: &Var) -> Vec<String> {
    env.text(var).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn read_scopes(env: &mut Env) -> Option<String> {
    let scopes = words(env, &SCOPES);
    if !scopes.iter().any(|scope| scope == "openid") {
        env.mistake_in(&SCOPES, "must hold `openid`");
        return None;
    }
    if scopes.iter().any(|scope| scope == "offline_access") {
        env.warn(SCOPES.name, "asks for offline_access, which gives us tokens that we have no use for");
    }
    Some(scopes.join(" "))
}

fn read_algorithms(env: &mut Env) -> Option<Vec<Algorithm>> {
    let algorithms: Vec<Algorithm> = env.list(&ALGORITHMS);
    if algorithms.contains(&Algorithm::Hs256) {
        env.mistake_in(&ALGORITHMS, "HS256 would let whoever knows the client secret log in as anyone");
        return None;
    }
    (!algorithms.is_empty()).then_some(algorithms)
}

fn read_prompt(env: &mut Env) -> Option<&'static str> {
    let words = [("login", "login"), ("select_account", "select_account"), ("consent", "consent")];
    if env.is_set(&PROMPT) { env.choice(&PROMPT, &words) } else { None }
}
