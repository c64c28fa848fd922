//! What a producer's tokens must be like, and whether the claims of one are. The signature holds by the time they are read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::clock::UnixTime;
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::discovery::tell_issuers_apart;
use crate::jose::jws::compact::{Header, Padding};
use crate::jose::jws::rejected::Rejected;
use crate::jose::jws::times::{SKEW, Times};

/// Whom a token must be for. There is no rule without one: a token for somebody else is not ours to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// `aud` must name one of these and may name others: access tokens.
    Includes(Vec<String>),
    /// `aud` must name one of these and nobody else, and so must `azp` if present: ID tokens.
    Only(Vec<String>),
    /// `aud` must name this client, and may name others that are trusted; where it names several, or `azp` is there, `azp` must
    /// be the client: ID tokens (`OpenID` Connect Core 1.0 section 3.1.3.7).
    Client {
        /// Our client id.
        id: String,
        /// Further audiences.
        trusted: Vec<String>,
    },
    /// There must be no `aud`: some servers put none into access tokens. The client that a token was issued to is checked instead.
    Unnamed,
    /// The producer sets no `aud` and signs a mark into the protected header instead.
    Marked {
        /// Accepted values of `signer`.
        signers: Vec<String>,
        /// Required value of `client`, where the producer sets it.
        client: Option<String>,
    },
}

/// A claim that must have one of certain values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Where the claim is, as a JSON pointer (RFC 6901).
    pub claim: String,
    /// The accepted values. A claim that is a list must hold one of them.
    pub values: Vec<String>,
}

/// `/type=app`, or `/hd=example.com|example.org` where either will do.
impl FromStr for Requirement {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let split = text.split_once('=').map(|(claim, values)| (claim.trim(), values));
        let (claim, values) = split.filter(|(claim, _)| claim.starts_with('/')).ok_or("takes /claim=value|value")?;
        let values = values.split('|').map(|value| value.trim().to_owned()).collect();
        Ok(Self { claim: claim.to_owned(), values })
    }
}

/// What a producer's tokens must be like.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Accepted algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Accepted values of `typ`, in lower case and without `application/`. A token without `typ` is accepted.
    pub types: &'static [&'static str],
    /// Whether parts may be padded.
    pub padding: Padding,
    /// `iss`, to the letter.
    pub issuer: String,
    /// Whom tokens must be for.
    pub audience: Audience,
    /// Accepted values of `azp` or `client_id`; empty when it does not matter to whom a token was issued.
    pub clients: Vec<String>,
    /// Whether `iss` and `exp` may stand in the protected header instead of the claims (RFC 7519 section 5.3).
    pub replicated: bool,
    /// Claims that must have certain values.
    pub requirements: Vec<Requirement>,
    /// How far the producer's clock and ours may be apart.
    pub skew: Duration,
    /// Longest time since `iat`, which is then required.
    pub max_age: Option<Duration>,
    /// How long after `iat` a token ends that states no `exp`; `None` refuses such a token.
    pub without_exp: Option<Duration>,
}

impl Rules {
    /// Plain rules: type `JWT`, no padding, default skew, nothing extra.
    #[must_use]
    pub fn new(algorithms: Vec<Algorithm>, issuer: impl Into<String>, audience: Audience) -> Self {
        Self {
            algorithms,
            types: &["jwt"],
            padding: Padding::Never,
            issuer: issuer.into(),
            audience,
            clients: Vec::new(),
            replicated: false,
            requirements: Vec::new(),
            skew: SKEW,
            max_age: None,
            without_exp: None,
        }
    }
}

/// What a token says, after everything about it held.
#[derive(Clone, PartialEq)]
pub struct Verified {
    /// Every claim, in an object.
    pub claims: Value,
    /// Who says so.
    pub issuer: String,
    /// `exp`. Skew forgives a clock, it does not lengthen a life: this is the time in the token.
    pub expires_at: UnixTime,
    /// `iat`, where there is one.
    pub issued_at: Option<UnixTime>,
}

/// Names only: claim values are personal data.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.claims.as_object().into_iter().flat_map(Map::keys)).finish()
    }
}

impl Rules {
    /// What the protected header must say: an algorithm of this producer's, the kind of token that is expected here, no
    /// request for anything that is not done here, and the producer's marks.
    pub(super) fn admit(&self, header: &Header) -> Result<Algorithm, Rejected> {
        let named = header.text("alg")?.and_then(Algorithm::named);
        let algorithm = named.filter(|named| self.algorithms.contains(named)).ok_or(Rejected::Algorithm)?;
        if header.media_type("typ")?.is_some_and(|typ| !self.types.contains(&typ.as_str())) {
            return Err(Rejected::Type);
        }
        if header.media_type("cty")?.is_some_and(|cty| cty != "json") {
            return Err(Rejected::Type);
        }
        if header.get("crit").is_some() || header.get("zip").is_some() {
            return Err(Rejected::Extension);
        }
        self.audience.check_marks(header).map(|()| algorithm)
    }

    /// What the claims must say. The signature holds by now.
    pub(super) fn judge(&self, claims: Value, header: &Header, now: UnixTime) -> Result<Verified, Rejected> {
        let claims = if self.replicated { with_replicas(claims, header)? } else { claims };
        let issuer = claims.get("iss").and_then(Value::as_str);
        if issuer != Some(self.issuer.as_str()) {
            tell_issuers_apart(&self.issuer, issuer);
            return Err(Rejected::Issuer);
        }
        self.audience.check(&claims)?;
        check_clients(&self.clients, &claims)?;
        let times = Times::read(&claims)?;
        let implied = || Some(times.issued_at?.plus(self.without_exp?));
        let expires_at = times.expires_at.or_else(implied).ok_or(Rejected::Time)?;
        times.check(now, self.skew, self.max_age)?;
        check_requirements(&self.requirements, &claims)?;
        Ok(Verified { claims, issuer: self.issuer.clone(), expires_at, issued_at: times.issued_at })
    }
}

/// The claims with `iss` and `exp` taken from the protected header where they stand only there. Where both have one they
/// must agree (RFC 7519 section 5.3).
fn with_replicas(mut claims: Value, header: &Header) -> Result<Value, Rejected> {
    let Some(members) = claims.as_object_mut() else { return Err(Rejected::Claims) };
    for (name, rejected) in [("iss", Rejected::Issuer), ("exp", Rejected::Time)] {
        match (header.get(name), members.get(name)) {
            (Some(outer), Some(inner)) if outer != inner => return Err(rejected),
            (Some(outer), None) => drop(members.insert(name.to_owned(), outer.clone())),
            _ => {}
        }
    }
    Ok(claims)
}

impl Audience {
    /// The marks that stand for an audience. They are compared before a key is looked for, so that a token for another
    /// load balancer costs no call; they count because the signature covers them.
    fn check_marks(&self, header: &Header) -> Result<(), Rejected> {
        let Self::Marked { signers, client } = self else { return Ok(()) };
        let signer = header.text("signer")?.ok_or(Rejected::Signer)?;
        let right_client = client.is_none() || header.text("client")? == client.as_deref();
        (right_client && signers.iter().any(|known| known == signer)).then_some(()).ok_or(Rejected::Signer)
    }

    /// Whether the claims are for us: `aud` as a string or as a list of nothing but strings.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn check(&self, claims: &Value) -> Result<(), Rejected> {
        let (ours, only) = match self {
            Self::Marked { .. } => return Ok(()),
            Self::Unnamed => return claims.get("aud").map_or(Ok(()), |_| Err(Rejected::Audience)),
            Self::Client { id, trusted } => return check_client(id, trusted, claims),
            Self::Includes(ours) => (ours, false),
            Self::Only(ours) => (ours, true),
        };
        let is_ours = |name: &str| ours.iter().any(|our| our == name);
        let named = audiences(claims);
        let others = only && named.iter().any(|name| !is_ours(name));
        if others || !named.iter().any(|name| is_ours(name)) {
            return Err(Rejected::Audience);
        }
        let party = claims.get("azp").filter(|_| only);
        let is_party = party.is_none_or(|party| party.as_str().is_some_and(is_ours));
        is_party.then_some(()).ok_or(Rejected::Client)
    }
}

/// Every audience; none where one of them is no text.
fn audiences(claims: &Value) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect::<Option<_>>().unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn check_client(id: &str, trusted: &[String], claims: &Value) -> Result<(), Rejected> {
    let named = audiences(claims);
    let known = |name: &&str| *name == id || trusted.iter().any(|other| other == name);
    if !named.contains(&id) || !named.iter().all(known) {
        return Err(Rejected::Audience);
    }
    let is_party = match claims.get("azp") {
        Some(party) => party.as_str() == Some(id),
        None => named.iter().all(|name| *name == id),
    };
    is_party.then_some(()).ok_or(Rejected::Client)
}

/// Whether the claims were issued to one of `clients`, which `azp` (`OpenID` Connect) or `client_id` (RFC 9068, RFC 7662)
/// names; where both do, both must be among them. No clients are any client.
///
/// # Errors
/// [`Rejected::Client`].
pub fn check_clients(clients: &[String], claims: &Value) -> Result<(), Rejected> {
    let named: Vec<&Value> = ["azp", "client_id"].iter().filter_map(|name| claims.get(*name)).collect();
    let is_one = |value: &Value| clients.iter().any(|client| Some(client.as_str()) == value.as_str());
    let accepted = clients.is_empty() || !named.is_empty() && named.iter().all(|value| is_one(value));
    accepted.then_some(()).ok_or(Rejected::Client)
}

/// Whether every required claim has one of its values.
///
/// # Errors
/// [`Rejected::Requirement`].
pub fn check_requirements(requirements: &[Requirement], claims: &Value) -> Result<(), Rejected> {
    let holds = |requirement: &Requirement| {
        let accepted = |value: &Value| requirement.values.iter().any(|text| says(value, text));
        match claims.pointer(&requirement.claim) {
            Some(Value::Array(items)) => items.iter().any(accepted),
            Some(value) => accepted(value),
            None => false,
        }
    };
    let Some(unmet) = requirements.iter().find(|requirement| !holds(requirement)) else { return Ok(()) };
    tracing::info!(claim = unmet.claim, "a token's claim is missing or has another value than it must have");
    Err(Rejected::Requirement)
}

fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own == text,
        Value::Bool(flag) => text.parse() == Ok(*flag),
        Value::Number(number) => number.to_string() == text,
        _ => false,
    }
}
