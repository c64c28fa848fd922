//! The widget server's side: does this token hold against the widget's key? Used by `countersign verify`, by the demo's
//! widget server and by the start-up self-test; the tests use it as the oracle for our own signer.
//!
//! Verification goes through the `jsonwebtoken` crate, signing does not: two code paths must agree.

use std::collections::HashSet;

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Map, Value};

use crate::base::clock::{Clock, UnixTime};
use crate::claims::{PageInput, Scope, Stamp, Stamped};
use crate::connector::ticket::Ticket;
use crate::jose::signer::Algorithm;
use crate::session::Session;
use crate::session::identity::{Identity, Subject};
use crate::widget::Widget;

/// Seconds by which two clocks may differ.
const LEEWAY: u64 = 30;

/// What a verifier expects of a token.
#[derive(Debug, Clone)]
pub struct Expectation<'a> {
    /// The one algorithm.
    pub algorithm: Algorithm,
    /// The key to check with.
    pub key: &'a DecodingKey,
    /// `iss`, when the format has it.
    pub issuer: Option<&'a str>,
    /// `aud`, when the format has it.
    pub audience: &'a [String],
    /// Whether `exp` must be there.
    pub expires: bool,
}

impl<'a> Expectation<'a> {
    /// What the server of this widget expects; `None` when its proof is no signed token.
    #[must_use]
    pub fn of(widget: &'a Widget) -> Option<Self> {
        let (registered, keyring) = (widget.template.registered(), widget.keyring()?);
        Some(Self {
            algorithm: keyring.signer.algorithm(),
            key: keyring.checker(),
            issuer: registered.issuer.as_deref(),
            audience: &registered.audience,
            expires: registered.stamped.contains(&Stamped::Expires),
        })
    }
}

/// Why a token does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not three base64url parts of JSON.
    #[error("it is not a compact JWS")]
    Malformed,
    /// Another algorithm than the one agreed on.
    #[error("its algorithm is not the one agreed on")]
    Algorithm,
    /// The signature does not match.
    #[error("its signature does not match the key")]
    Signature,
    /// `exp` has passed, or is missing.
    #[error("it has expired")]
    Expired,
    /// `nbf` lies ahead.
    #[error("it is not good yet")]
    NotYet,
    /// `iss` is another.
    #[error("its issuer is another")]
    Issuer,
    /// `aud` is another.
    #[error("it is for another audience")]
    Audience,
    /// A required claim is missing.
    #[error("a required claim is missing")]
    Incomplete,
}

/// Checks a token at the time the clock shows.
///
/// # Errors
/// [`Invalid`], the first thing that does not hold.
pub fn verify(token: &str, expected: &Expectation<'_>, now: UnixTime) -> Result<Map<String, Value>, Invalid> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Invalid::Malformed)?;
    if header.alg != expected.algorithm.for_verification() {
        return Err(Invalid::Algorithm);
    }
    let mut validation = Validation::new(expected.algorithm.for_verification());
    // Times are checked below by `base::clock`; the library would read the machine's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.required_spec_claims = HashSet::new();
    validation.validate_aud = !expected.audience.is_empty();
    let mut required = Vec::new();
    if let Some(issuer) = expected.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if !expected.audience.is_empty() {
        validation.set_audience(expected.audience);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    let data = jsonwebtoken::decode::<Map<String, Value>>(token, expected.key, &validation).map_err(|e| reason(&e))?;
    check_times(&data.claims, expected.expires, now)?;
    Ok(data.claims)
}

fn check_times(claims: &Map<String, Value>, must_expire: bool, now: UnixTime) -> Result<(), Invalid> {
    let at = |name: &str| claims.get(name).map(|v| v.as_u64().ok_or(Invalid::Malformed)).transpose();
    match at("exp")? {
        Some(exp) if exp.saturating_add(LEEWAY) <= now.0 => return Err(Invalid::Expired),
        None if must_expire => return Err(Invalid::Incomplete),
        _ => {}
    }
    let starts = at("nbf")?.max(at("iat")?);
    if starts.is_some_and(|start| start > now.0.saturating_add(LEEWAY)) { Err(Invalid::NotYet) } else { Ok(()) }
}

fn reason(error: &jsonwebtoken::errors::Error) -> Invalid {
    use jsonwebtoken::errors::ErrorKind as Kind;
    match error.kind() {
        Kind::InvalidSignature => Invalid::Signature,
        Kind::InvalidIssuer => Invalid::Issuer,
        Kind::InvalidAudience => Invalid::Audience,
        Kind::InvalidAlgorithm => Invalid::Algorithm,
        Kind::MissingRequiredClaim(_) => Invalid::Incomplete,
        _ => Invalid::Malformed,
    }
}

/// Signs a made-up visitor's claims with the widget's key and verifies the result.
///
/// # Errors
/// A sentence about the key. The visitor is made up, so claims that this one lacks are no fault.
pub fn self_test(widget: &Widget, clock: &Clock) -> Result<(), String> {
    let (Some(keyring), Some(expected)) = (widget.keyring(), Expectation::of(widget)) else { return Ok(()) };
    let subject = Subject::new("selftest").map_err(|e| e.to_string())?;
    let mut identity = Identity::new(subject);
    identity.name = Some("Self Test".to_owned());
    identity.email = Some("selftest@example.org".to_owned());
    let session = Session { identity, source: "self-test", expires_at: None, authenticated_at: Some(clock.now()) };
    let written = widget.subject(&session);
    let page = PageInput::default();
    let ticket = Ticket::stand_in();
    let scope = Scope {
        session: &session,
        subject: &written,
        widget: &widget.name,
        ticket: Some(&ticket),
        agent: false,
        page: &page,
    };
    let stamp = Stamp::new(clock.now(), widget.lifetime, std::time::Duration::ZERO, None).ok_or("lifetime is zero")?;
    let Ok(claims) = widget.template.fill(&scope, &stamp) else { return Ok(()) };
    let proof = keyring.signer.sign(&claims).map_err(|e| e.to_string())?;
    verify(proof.reveal(), &expected, clock.now()).map_err(|e| format!("its own token fails: {e}"))?;
    Ok(())
}
