//! Signed identity headers: the front proxy says who the visitor is, and signs it.
//!
//! A request that carries the header is for this source to decide, whether the assertion in it holds or not: a visitor
//! with a bad assertion is not offered a plain header instead (H-10).

pub mod conventions;
pub mod settings;
pub mod vars;

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderName;
use http::request::Parts;

use crate::jose::jwks::Keys;
use crate::jose::jwks::discovery::Provider;
use crate::jose::jws::Verifier;
use crate::jose::jws::compact::{bearer, sole_field};
use crate::jose::jws::rejected::{Failure, Rejected};
use crate::net::peer::TrustedProxies;
use crate::session::mapping::Mapping;
use crate::session::nobody::Nobody;
use crate::session::{Authenticator, Found, Guarded, Outage, Session, Unfound, answer};
use crate::sources::assertion::conventions::Convention;
use crate::sources::assertion::settings::{Place, Settings};
use crate::sources::plan::{Collaborators, Kind, SourceSettings, shared};

/// Name of this source, as it stands in `SESSION_SOURCES`.
pub const NAME: &str = "assertion";

/// This kind of source.
pub const KIND: Kind = Kind {
    name: NAME,
    title: "Source `assertion`: a signed identity header",
    vars: vars::VARS,
    parse: |env, context| shared(Settings::read(env, context.outbound)),
};

impl SourceSettings for Settings {
    fn attributes(&self) -> Vec<String> {
        self.mapping.attributes()
    }

    fn build(&self, with: &Collaborators<'_>) -> Result<Arc<dyn Authenticator>, String> {
        Ok(Arc::new(Assertion::new(self.clone(), with)?))
    }
}

/// The source.
#[derive(Debug)]
pub struct Assertion {
    convention: &'static Convention,
    header: HeaderName,
    verifier: Verifier,
    mapping: Mapping,
    proxies: TrustedProxies,
}

impl Assertion {
    /// A source of these settings. Nothing is fetched yet.
    ///
    /// # Errors
    /// A sentence for the operator when no client can be made.
    pub fn new(settings: Settings, with: &Collaborators<'_>) -> Result<Self, String> {
        let Settings { convention, header, rules, keys, mapping } = settings;
        let (outbound, clock) = (with.outbound, with.clock.clone());
        let keys = match keys {
            Place::Pinned(keys) => Ok(Keys::pinned(keys)),
            Place::Set(url) => Keys::at(url, outbound, clock.clone()),
            Place::Discovered(issuer) => Provider::new(&issuer, outbound, clock.clone()).map(Keys::of),
            Place::OneByOne(base) => Keys::one_by_one(&base, outbound, clock.clone()),
        };
        let verifier = Verifier::new(rules, keys?, clock);
        Ok(Self { convention, header, verifier, mapping, proxies: with.proxies.clone() })
    }

    /// Who signs, for the start-up message and the console.
    #[must_use]
    pub fn convention(&self) -> &'static Convention {
        self.convention
    }

    /// Where the producer's keys come from, likewise.
    #[must_use]
    pub fn keys_origin(&self) -> &str {
        self.verifier.keys_origin()
    }

    /// The assertion in the request. An empty field is one too: Pomerium sends it when it could not sign.
    fn assertion<'a>(&self, request: &'a Parts) -> Result<Option<&'a [u8]>, Rejected> {
        let field = sole_field(&request.headers, &self.header)?;
        Ok(if self.convention.bearer { field.and_then(bearer) } else { field })
    }

    async fn session(&self, request: &Parts) -> Result<Session, Unfound> {
        let refused = |failure: Failure| failure.of(NAME);
        let assertion = self.assertion(request).map_err(|rejected| refused(rejected.into()))?;
        let assertion = assertion.filter(|assertion| !assertion.is_empty());
        let assertion = assertion.ok_or_else(|| Nobody::no_header(&self.header))?;
        let verified = self.verifier.verify_for(assertion, self.proxies.visitor(request)).await.map_err(refused)?;
        let mapped = self.mapping.apply(&verified.claims).map_err(|unmapped| unmapped.of(NAME))?;
        let expires_at = mapped.expires_at.map_or(verified.expires_at, |end| end.min(verified.expires_at));
        Ok(Session {
            identity: mapped.identity,
            source: NAME,
            expires_at: Some(expires_at),
            authenticated_at: mapped.authenticated_at,
        })
    }
}

#[async_trait]
impl Authenticator for Assertion {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        // A token holds no comma: one in a field of its own means that two were joined.
        let scalars = if self.convention.bearer { Vec::new() } else { vec![self.header.clone()] };
        Guarded { headers: vec![self.header.clone()], scalars, cookies: Vec::new() }
    }

    fn decides(&self, request: &Parts) -> bool {
        !matches!(self.assertion(request), Ok(None))
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.verifier.warm().await.map_err(|unavailable| unavailable.outage(NAME))
    }

    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        answer(self.session(request).await)
    }
}
