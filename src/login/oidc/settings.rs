//! The settings of the login at an identity provider.

use std::time::Duration;

use secrecy::SecretString;

use crate::config::env::{Env, Var};
use crate::config::read::{choice, list, needed, optional, words};
use crate::config::var::join;
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::discovery::document_of;
use crate::net::outbound::Outbound;
use crate::session::mapping::Mapping;

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

crate::settings! {
    /// Everything about one provider and what we want from it.
    pub struct Settings {
        issuer: String = OIDC_ISSUER("", "https://login.example.org/realms/main"),
            needed(" for LOGIN=oidc: the identity provider's issuer", Env::text),
            "The organisation's identity provider: its issuer, to the letter. Everything else is discovered from it.";
        client_id: String = OIDC_CLIENT_ID("", "chat-identity"),
            needed(" for LOGIN=oidc: our client id there", Env::text),
            "Our client id at the identity provider.";
        client_secret: SecretString = OIDC_CLIENT_SECRET(secret),
            needed(" for LOGIN=oidc: our client secret there", Env::secret),
            "Our client secret at the identity provider.";
        token_auth: TokenAuth = OIDC_TOKEN_AUTH("auto", "post"),
            choice(&[("auto", TokenAuth::Auto), ("basic", TokenAuth::Basic), ("post", TokenAuth::Post)]),
            "How the client secret is shown to the provider: basic (header), post (form), auto (basic unless the provider takes only post).";
        scopes: String = OIDC_SCOPES("openid profile email", "openid profile email groups"), scopes,
            "Scopes that are asked for, separated by spaces; `openid` must be one of them.";
        algorithms: Vec<Algorithm> = OIDC_ALGORITHMS("RS256,PS256,ES256,ES384,EdDSA", "ES256"), algorithms,
            "Accepted signature algorithms of ID tokens and logout tokens.";
        max_age: Option<Duration> = OIDC_MAX_AGE("", "1h"), optional(Env::duration),
            "The visitor must have proved who they are no longer ago than this, whatever session the provider keeps.";
        trusted_audiences: Vec<String> = OIDC_TRUSTED_AUDIENCES("", "https://api.example.org"), list,
            "Further audiences that an ID token may name beside our client id; several with commas. `azp` must then be our client id.";
        acr: Vec<String> = OIDC_ACR_VALUES("", "urn:example:mfa"), words,
            "Authentication strengths (`acr`) of which one is asked for and required, separated by spaces.";
        amr: Vec<String> = OIDC_AMR_VALUES("", "mfa hwk"), words,
            "Authentication methods (`amr`) of which one is required, separated by spaces.";
        prompt: Option<&'static str> = OIDC_PROMPT("", "select_account"),
            optional(choice(&[("login", "login"), ("select_account", "select_account"), ("consent", "consent")])),
            "What the provider is asked to do even if it knows the visitor: login, select_account or consent.";
        userinfo: Ask = OIDC_USERINFO("auto", "off"), choice(&[("auto", Ask::Auto), ("off", Ask::Off)]),
            "Ask the userinfo endpoint for what the ID token leaves out: auto (when there is one), off.";
        logout_at_provider: bool = OIDC_LOGOUT("provider", "local"), choice(&[("provider", true), ("local", false)]),
            "What logging out on our page ends: provider (also the session at the identity provider, where it offers that), local (ours only).";
        ..mapping: Mapping = |env| Some(Mapping::read(env, &MAPPING));
    }
}

crate::mapping! { pub of "OIDC" {
    subject("/sub", "/employee_number"),
        "JSON pointer to the claim with the visitor's stable id.";
    name("/name", "/preferred_username");
    email("/email", "/mail");
    email_verified("/email_verified", "none");
    groups("/groups", "/realm_access/roles");
    locale("/locale", "none");
    expires as "SESSION_ENDS" ("", "/session_expires_at"),
        "JSON pointer to a claim that says when the provider's own session ends; ours then ends with it. Not `exp`, which is the ID token's.";
    auth_time("/auth_time", "none"),
        "JSON pointer to when the visitor proved who they are.";
    attributes("", "tenant=/tid,plan=/plan"),
        "Further claims to read, as name=/pointer: `attributes.name` in claim templates. `acr` and `amr` are always there.";
} }

/// Each of these settings, in the order of the sample file.
pub const VARS: &[&Var] = &join::<{ Settings::VARS.len() + MAPPING_VARS.len() }>(Settings::VARS, MAPPING_VARS);

impl Settings {
    /// Reads and checks them; `None` after naming what is wrong.
    pub fn read(env: &mut Env, outbound: &Outbound) -> Option<Self> {
        let settings = Self::parse(env)?;
        let may = document_of(&settings.issuer).and_then(|document| outbound.check(&document));
        if let Err(problem) = &may {
            env.mistake_in(&OIDC_ISSUER, problem);
        }
        let asks_what_is_not_read = settings.max_age.is_some() && !settings.mapping.reads_auth_time();
        if asks_what_is_not_read {
            env.mistake_in(&MAPPING.auth_time, "cannot be none with OIDC_MAX_AGE, which asks how long ago that was");
        }
        (may.is_ok() && !asks_what_is_not_read).then_some(settings)
    }

    /// What the authorization request carries besides what it always does.
    pub(super) fn extra_pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let acr = (!self.acr.is_empty()).then(|| ("acr_values", self.acr.join(" ")));
        let age = self.max_age.map(|most| ("max_age", most.as_secs().to_string()));
        let prompt = self.prompt.map(|word| ("prompt", word.to_owned()));
        [acr, age, prompt].into_iter().flatten()
    }
}

fn scopes(env: &mut Env, var: &Var) -> Option<String> {
    let scopes = words(env, var)?;
    if !scopes.iter().any(|scope| scope == "openid") {
        env.mistake_in(var, "must hold `openid`");
        return None;
    }
    if scopes.iter().any(|scope| scope == "offline_access") {
        env.warn(var.name, "asks for offline_access, which gives us tokens that we have no use for");
    }
    Some(scopes.join(" "))
}

fn algorithms(env: &mut Env, var: &Var) -> Option<Vec<Algorithm>> {
    let algorithms: Vec<Algorithm> = list(env, var)?;
    if algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
        env.mistake_in(var, "HS256 would let whoever knows the client secret log in as anyone");
        return None;
    }
    (!algorithms.is_empty()).then_some(algorithms)
}
