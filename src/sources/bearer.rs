//! Access tokens that a page sends as `Authorization: Bearer`: signed ones are checked here (RFC 9068), and opaque ones
//! by asking the authorization server (RFC 7662).

mod introspection;
pub mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderName;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::Value;

use crate::base::clock::{Clock, UnixTime};
use crate::jose::jwks::Keys;
use crate::jose::jwks::discovery::Provider;
use crate::jose::jws::Verifier;
use crate::jose::jws::compact::{self, TOKEN_MAX, sole_field};
use crate::jose::jws::rejected::{Failure, Rejected};
use crate::jose::jws::rules::{Verified, check_clients, check_requirements};
use crate::jose::jws::times::Times;
use crate::net::peer::TrustedProxies;
use crate::session::mapping::Mapping;
use crate::session::nobody::Nobody;
use crate::session::{Authenticator, Found, Guarded, Outage, Session, Unfound, answer};
use crate::sources::bearer::introspection::Introspection;
use crate::sources::bearer::settings::{Opaque, Settings, Signed};
use crate::sources::plan::{Collaborators, Kind, SourceSettings, shared};

/// Name of this source, as it stands in `SESSION_SOURCES`.
pub const NAME: &str = "bearer";

/// This kind of source.
pub const KIND: Kind = Kind {
    name: NAME,
    title: "Source `bearer`: access tokens",
    vars: settings::VARS,
    parse: |env, context| shared(Settings::read(env, context.outbound)),
};

impl SourceSettings for Settings {
    fn attributes(&self) -> Vec<String> {
        self.mapping.attributes()
    }

    fn build(&self, with: &Collaborators<'_>) -> Result<Arc<dyn Authenticator>, String> {
        Ok(Arc::new(Bearer::new(self.clone(), with)?))
    }
}

/// The source.
#[derive(Debug)]
pub struct Bearer {
    signed: Option<Verifier>,
    opaque: Option<(Introspection, Opaque)>,
    scope: Vec<String>,
    mapping: Mapping,
    proxies: TrustedProxies,
    clock: Clock,
}

impl Bearer {
    /// A source of these settings. Nothing is fetched yet.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn new(settings: Settings, with: &Collaborators<'_>) -> Result<Self, String> {
        let Settings { signed, opaque, scope, mapping } = settings;
        let signed = signed.map(|signed| verifier(signed, with)).transpose()?;
        let ask = |rules: Opaque| {
            Ok::<_, String>((Introspection::new(&rules.endpoint, with.outbound, with.clock.clone())?, rules))
        };
        let opaque = opaque.map(ask).transpose()?;
        Ok(Self { signed, opaque, scope, mapping, proxies: with.proxies.clone(), clock: with.clock.clone() })
    }

    async fn session(&self, request: &Parts) -> Result<Session, Unfound> {
        let refused = |failure: Failure| failure.of(NAME);
        let token = token_in(request).map_err(|rejected| refused(rejected.into()))?;
        let token = token.ok_or_else(|| Nobody::no_header(&AUTHORIZATION))?;
        let (claims, expires_at) = self.judged(token, request).await.map_err(refused)?;
        let mapped = self.mapping.apply(&claims).map_err(|unmapped| unmapped.of(NAME))?;
        Ok(Session {
            identity: mapped.identity,
            source: NAME,
            expires_at: [expires_at, mapped.expires_at].into_iter().flatten().min(),
            authenticated_at: mapped.authenticated_at,
        })
    }

    async fn judged(&self, token: &[u8], request: &Parts) -> Result<(Value, Option<UnixTime>), Failure> {
        let (claims, expires_at) = self.claims(token, request).await?;
        check_kind(&claims)?;
        check_unbound(&claims)?;
        self.check_scope(&claims)?;
        Ok((claims, expires_at))
    }

    /// What the token says, after it was checked here or by the authorization server.
    async fn claims(&self, token: &[u8], request: &Parts) -> Result<(Value, Option<UnixTime>), Failure> {
        let looks_signed = || compact::means_to_be_signed(token);
        match (&self.signed, &self.opaque) {
            (Some(verifier), opaque) if opaque.is_none() || looks_signed() => {
                let Verified { claims, expires_at, .. } = verifier.verify(token).await?;
                Ok((claims, Some(expires_at)))
            }
            (_, Some((introspection, rules))) => {
                check_alphabet(token)?;
                let claims =
                    introspection.ask(token, self.proxies.visitor(request)).await?.ok_or(Rejected::Inactive)?;
                let expires_at = rules.judge(&claims, self.clock.now())?;
                Ok((claims, expires_at))
            }
            (_, None) => Err(Rejected::Malformed.into()),
        }
    }

    fn check_scope(&self, claims: &Value) -> Result<(), Rejected> {
        let granted = scopes(claims);
        let missing = self.scope.iter().find(|wanted| !granted.contains(&wanted.as_str()));
        let Some(scope) = missing else { return Ok(()) };
        tracing::info!(scope, "a token has not the scope that BEARER_SCOPE requires");
        Err(Rejected::Requirement)
    }
}

/// The token in the request; `None` where it carries no `Authorization` or one of another scheme.
fn token_in(request: &Parts) -> Result<Option<&[u8]>, Rejected> {
    Ok(sole_field(&request.headers, &AUTHORIZATION)?.and_then(compact::bearer))
}

fn verifier(signed: Signed, with: &Collaborators<'_>) -> Result<Verifier, String> {
    let Signed { rules, keys } = signed;
    let keys = match keys {
        Some(url) => Keys::at(url, with.outbound, with.clock.clone()),
        None => Provider::new(&rules.issuer, with.outbound, with.clock.clone()).map(Keys::of),
    };
    Ok(Verifier::new(rules, keys?, with.clock.clone()))
}

impl Opaque {
    /// What an introspection answer must say besides `active`. The server that gave it is the configured one, so what it
    /// leaves out about itself and about time is not missed; whom the token is for is.
    fn judge(&self, claims: &Value, now: UnixTime) -> Result<Option<UnixTime>, Rejected> {
        let named = claims.get("iss");
        if self.issuer.is_some() && named.is_some() && named.and_then(Value::as_str) != self.issuer.as_deref() {
            return Err(Rejected::Issuer);
        }
        self.audience.as_ref().map_or(Ok(()), |audience| audience.check(claims))?;
        check_clients(&self.clients, claims)?;
        let times = Times::read(claims)?;
        times.check(now, self.skew, None)?;
        check_requirements(&self.requirements, claims)?;
        Ok(times.expires_at)
    }
}

/// The alphabet of a bearer token (RFC 6750 section 2.1), and a bound: nothing else is sent on.
fn check_alphabet(token: &[u8]) -> Result<(), Rejected> {
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    match token {
        [] => Err(Rejected::Malformed),
        _ if token.len() > TOKEN_MAX => Err(Rejected::TooLarge),
        _ => token.iter().all(sound).then_some(()).ok_or(Rejected::Malformed),
    }
}

/// Issuers vouch for their refresh tokens and ID tokens as readily as for access tokens, and say which is which in claims of
/// their own: `token_type` (RFC 7662), `token_use` (Cognito, Hydra), `typ` (Keycloak). What says nothing is taken as it is.
fn check_kind(claims: &Value) -> Result<(), Rejected> {
    let says = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_ascii_lowercase);
    let other_type = says("token_type").is_some_and(|kind| kind != "bearer");
    let other_use = says("token_use").is_some_and(|kind| !matches!(kind.as_str(), "access" | "access_token"));
    let other_typ = says("typ").is_some_and(|kind| matches!(kind.as_str(), "refresh" | "offline" | "id" | "logout"));
    if other_type || other_use || other_typ { Err(Rejected::Type) } else { Ok(()) }
}

/// A token that is bound to a key of its holder (RFC 7800; `DPoP`, RFC 9449; mutual TLS, RFC 8705) is worth nothing in the
/// hands of somebody who shows no key, and as a bearer token nobody does.
fn check_unbound(claims: &Value) -> Result<(), Rejected> {
    if claims.get("cnf").is_some() { Err(Rejected::Bound) } else { Ok(()) }
}

/// `scope`, a text with spaces (RFC 8693 section 4.2), or `scp`, as Entra (a text) and Okta (a list) call it.
fn scopes(claims: &Value) -> Vec<&str> {
    let named = ["scope", "scp"].iter().filter_map(|name| claims.get(*name));
    let texts = named.flat_map(|value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect::<Vec<_>>(),
    });
    texts.flat_map(|text| text.split(' ')).collect()
}

#[async_trait]
impl Authenticator for Bearer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { headers: vec![AUTHORIZATION], ..Guarded::default() }
    }

    fn decides(&self, request: &Parts) -> bool {
        !matches!(token_in(request), Ok(None))
    }

    fn sent_by_pages(&self) -> Option<HeaderName> {
        Some(AUTHORIZATION)
    }

    async fn warm(&self) -> Result<(), Outage> {
        match &self.signed {
            Some(verifier) => verifier.warm().await.map_err(|unavailable| unavailable.outage(NAME)),
            None => Ok(()),
        }
    }

    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        answer(self.session(request).await)
    }
}
