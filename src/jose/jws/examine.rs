//! The verifier of the other side: a token against keys that are at hand, and everything about it that does not hold.
//!
//! It is what a widget's server needs of RFC 7519 and RFC 8725: one algorithm, fixed beforehand and never chosen by the token;
//! every claim that the format has, required; clocks apart by seconds and no more; every name once; at most [`TOKEN_MAX`] bytes.
//! `countersign verify`, `POST /introspect` and the start-up self-test all ask it.
//!
//! ```
//! use countersign::base::clock::UnixTime;
//! use countersign::jose::algorithm::Algorithm;
//! use countersign::jose::jwks::key::{Key, KeySet};
//! use countersign::jose::jws::examine::{Expectation, verify};
//! use countersign::jose::jws::rejected::Rejected;
//! use secrecy::SecretSlice;
//!
//! let secret = SecretSlice::from(b"the secret shared with the host's countersign".to_vec());
//! let keys = KeySet::of(vec![Key::shared(&secret, Algorithm::HS256)]);
//! let audience = ["https://chat.example.com".to_owned()];
//! let expected = Expectation {
//!     issuer: Some("https://www.example.org"),
//!     audience: &audience,
//!     required: vec!["iat", "exp"],
//!     ..Expectation::of(Algorithm::HS256, vec![&keys])
//! };
//! assert_eq!(verify("forged", &expected, UnixTime(1_767_225_600)), Err(Rejected::Malformed));
//! ```
//!
//! [`TOKEN_MAX`]: crate::jose::jws::compact::TOKEN_MAX

use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::clock::UnixTime;
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::key::{KeySet, NoMatch};
use crate::jose::jws::compact::{Compact, Header, Padding, media_type, split};
use crate::jose::jws::rejected::Rejected;
use crate::jose::jws::rules::Audience;
use crate::jose::jws::times::{SKEW, SKEW_MAX, Times};

/// What a verifier expects of a token.
#[derive(Debug, Clone)]
pub struct Expectation<'a> {
    /// The one algorithm.
    pub algorithm: Algorithm,
    /// The keys that may have signed, the likeliest first: several while one is rotated. A set of public keys is told apart by
    /// `kid`; shared secrets have no names, so each is a set of its own and is tried in turn.
    pub keys: Vec<&'a KeySet>,
    /// `typ`, where the format has another than `JWT`: it must then be there. Otherwise it is `JWT` or absent.
    pub typ: Option<&'a str>,
    /// `cty`, when the format has it; absent otherwise, so that no nested token passes for a plain one.
    pub cty: Option<&'a str>,
    /// `iss`, when the format has it.
    pub issuer: Option<&'a str>,
    /// `aud`, when the format has it: one of these.
    pub audience: &'a [String],
    /// Further claims that must be there: `exp`, `iat`, `nbf`, `jti`.
    pub required: Vec<&'static str>,
    /// How far the issuer's clock and ours may be apart; more than [`SKEW_MAX`] counts as that.
    pub skew: Duration,
}

impl<'a> Expectation<'a> {
    /// Tokens that these keys have signed with this algorithm, and that have an end; whoever they are for.
    #[must_use]
    pub fn of(algorithm: Algorithm, keys: Vec<&'a KeySet>) -> Self {
        Self { algorithm, keys, typ: None, cty: None, issuer: None, audience: &[], required: vec!["exp"], skew: SKEW }
    }
}

/// A token taken apart, and everything about it that does not hold.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// Its header; empty when it cannot be read.
    pub header: Map<String, Value>,
    /// Its claims; empty when they cannot be read. Whether they are true, only `faults` says.
    pub claims: Map<String, Value>,
    /// What does not hold, most serious first.
    pub faults: Vec<Rejected>,
}

/// Checks a token at the time the clock shows.
///
/// # Errors
/// [`Rejected`], the first thing that does not hold.
pub fn verify(token: &str, expected: &Expectation<'_>, now: UnixTime) -> Result<Map<String, Value>, Rejected> {
    let examined = examine(token, expected, now);
    examined.faults.first().map_or(Ok(examined.claims), |fault| Err(*fault))
}

/// Looks at everything that a token should be, also after something does not hold.
#[must_use]
pub fn examine(token: &str, expected: &Expectation<'_>, now: UnixTime) -> Examined {
    let (parts, header) = match read(token) {
        Ok(read) => read,
        Err(fault) => return Examined { faults: vec![fault], ..Examined::default() },
    };
    let (signed, claims) = (expected.signed(&parts, &header), parts.claims());
    let faults = match (signed, &claims) {
        (Ok(()), Ok(claims)) => {
            expected.addressed(claims).into_iter().chain(expected.timely(claims, now).err()).collect()
        }
        (Err(fault), Ok(claims)) => std::iter::once(fault).chain(expected.timely(claims, now).err()).collect(),
        (Ok(()), Err(fault)) => vec![*fault],
        (Err(fault), Err(_)) => vec![fault],
    };
    let members = |value: Value| if let Value::Object(members) = value { members } else { Map::new() };
    Examined { header: members(header.into()), claims: claims.map(members).unwrap_or_default(), faults }
}

fn read(token: &str) -> Result<(Compact<'_>, Header), Rejected> {
    let parts = split(token.as_bytes(), Padding::Never)?;
    let header = parts.header()?;
    Ok((parts, header))
}

impl Expectation<'_> {
    fn signed(&self, parts: &Compact<'_>, header: &Header) -> Result<(), Rejected> {
        if header.text("alg")?.and_then(Algorithm::named) != Some(self.algorithm) {
            return Err(Rejected::Algorithm);
        }
        self.kind(header)?;
        if header.get("crit").is_some() || header.get("zip").is_some() {
            return Err(Rejected::Extension);
        }
        let key_id = header.key_id()?;
        let mut refused = Rejected::UnknownKey;
        for keys in &self.keys {
            refused = match keys.find(key_id, self.algorithm) {
                Ok(key) => match parts.check(&key, self.algorithm) {
                    Ok(()) => return Ok(()),
                    Err(fault) => fault,
                },
                Err(NoMatch::Unknown) => refused,
                Err(NoMatch::Ambiguous) => Rejected::AmbiguousKey,
            };
        }
        Err(refused)
    }

    /// Explicit types keep one kind of token from passing for another (RFC 8725 section 3.11).
    fn kind(&self, header: &Header) -> Result<(), Rejected> {
        let own = self.typ.filter(|typ| !typ.eq_ignore_ascii_case("jwt"));
        let typ = header.media_type("typ")?;
        let is_typ = match (own, typ) {
            (Some(own), typ) => typ == Some(media_type(own)),
            (None, typ) => typ.is_none_or(|typ| typ == "jwt"),
        };
        let is_cty = header.media_type("cty")? == self.cty.map(media_type);
        (is_typ && is_cty).then_some(()).ok_or(Rejected::Type)
    }

    /// Looked at only when the signature holds: before that these are anybody's words.
    fn addressed(&self, claims: &Value) -> Vec<Rejected> {
        let issuer = self.issuer.is_none_or(|issuer| claims.get("iss").and_then(Value::as_str) == Some(issuer));
        let audience =
            if self.audience.is_empty() { Ok(()) } else { Audience::Includes(self.audience.to_vec()).check(claims) };
        let issuer = (!issuer).then_some(Rejected::Issuer);
        let id = claims.get("jti").and_then(Value::as_str).is_some_and(|id| !id.is_empty());
        let id = (self.required.contains(&"jti") && !id).then_some(Rejected::Requirement);
        let subject = claims.get("sub").is_none_or(Value::is_string);
        let subject = (!subject).then_some(Rejected::Subject);
        issuer.into_iter().chain(audience.err()).chain(id).chain(subject).collect()
    }

    fn timely(&self, claims: &Value, now: UnixTime) -> Result<(), Rejected> {
        let times = Times::read(claims)?;
        let given = [("exp", times.expires_at), ("iat", times.issued_at), ("nbf", times.not_before)];
        if given.iter().any(|(name, time)| time.is_none() && self.required.contains(name)) {
            return Err(Rejected::Time);
        }
        times.check(now, self.skew.min(SKEW_MAX), None)
    }
}
