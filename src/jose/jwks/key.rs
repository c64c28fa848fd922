//! Public keys as producers publish them, in JWK sets and in PEM, and what each may be used for. Pure.
//!
//! A key is kept as the list of algorithms that accept it, parsed once for each. Whether a key's type and curve fit a
//! token's `alg` is thereby decided when the key is read, and never by the token.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self as s, ParsedPublicKey, RsaPublicKeyComponents};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::DecodingKey;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretSlice};
use serde::Deserialize;
use serde_json::Value;

use crate::jose::algorithm::{Algorithm, Family};

/// A key that verifies, by the algorithms that accept it.
pub struct Key {
    id: Option<String>,
    material: Material,
}

enum Material {
    Public(Vec<(Algorithm, ParsedPublicKey)>),
    Shared(Algorithm, DecodingKey),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("algorithms", &self.algorithms()).finish_non_exhaustive()
    }
}

/// The members of a JWK that are read (RFC 7517 section 4, RFC 7518 section 6). Certificates in it are not looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Key {
    /// A key out of a JWK set; `None` for one that is not for signatures, or of a kind nobody here knows.
    #[must_use]
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        let declared = jwk.alg.as_deref().map(Algorithm::named);
        let fitting = Algorithm::all().filter(|algorithm| declared.is_none_or(|only| only == Some(*algorithm)));
        let parsed = fitting.filter_map(|algorithm| Some((algorithm, parse_jwk(algorithm.family(), &jwk)?))).collect();
        Self::public(jwk.kid.clone(), parsed).filter(|_| jwk.is_for_signatures())
    }

    /// A key out of PEM (`BEGIN PUBLIC KEY`, RFC 7468 section 13).
    #[must_use]
    pub fn from_pem(pem: &[u8], id: Option<String>) -> Option<Self> {
        Self::from_spki(&SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?, id)
    }

    fn from_spki(spki: &[u8], id: Option<String>) -> Option<Self> {
        let parse = |algorithm: Algorithm| {
            let key = ParsedPublicKey::new(algorithm.family().verification()?, spki).ok()?;
            Some((algorithm, key))
        };
        Self::public(id, Algorithm::all().filter_map(parse).collect())
    }

    fn public(id: Option<String>, parsed: Vec<(Algorithm, ParsedPublicKey)>) -> Option<Self> {
        (!parsed.is_empty()).then_some(Self { id, material: Material::Public(parsed) })
    }

    /// A secret shared with the producer, for this algorithm and nothing else.
    #[must_use]
    pub fn shared(secret: &SecretSlice<u8>, algorithm: Algorithm) -> Self {
        let key = DecodingKey::from_secret(secret.expose_secret());
        Self { id: None, material: Material::Shared(algorithm, key) }
    }

    /// The algorithms that accept this key.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        match &self.material {
            Material::Public(parsed) => parsed.iter().map(|(algorithm, _)| *algorithm).collect(),
            Material::Shared(only, _) => vec![*only],
        }
    }

    /// Whether this key, used with this algorithm, made `signature` over `message`.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(parsed) => {
                let key = parsed.iter().find(|(accepts, _)| *accepts == algorithm);
                key.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
            }
            Material::Shared(only, key) => {
                let encoded = BASE64URL_NOPAD.encode(signature.as_ref());
                let check = |library| jsonwebtoken::crypto::verify(&encoded, message, key, library);
                algorithm == *only && algorithm.name().parse().and_then(check).unwrap_or(false)
            }
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.material {
            Material::Public(parsed) => parsed.iter().any(|(accepts, _)| *accepts == algorithm),
            Material::Shared(only, _) => algorithm == *only,
        }
    }
}

impl Jwk {
    fn is_for_signatures(&self) -> bool {
        self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|op| op == "verify"))
    }
}

/// The public key in a JWK of this family (RFC 7518 section 6, RFC 8037 section 2).
fn parse_jwk(family: &Family, jwk: &Jwk) -> Option<ParsedPublicKey> {
    let is = |kty: &str, crv: Option<&str>| jwk.kty == kty && jwk.crv.as_deref() == crv;
    match family {
        Family::Rsa { verify, .. } if jwk.kty == "RSA" => {
            let components = RsaPublicKeyComponents { n: integer(jwk.n.as_ref())?, e: integer(jwk.e.as_ref())? };
            components.to_parsed_public_key(verify).ok().filter(|_| components.n.len() >= RSA_LEAST)
        }
        Family::Ec { curve, size, verify, .. } if is("EC", Some(curve)) => {
            let point = [vec![4], octets(jwk.x.as_ref(), *size)?, octets(jwk.y.as_ref(), *size)?].concat();
            ParsedPublicKey::new(*verify, point).ok()
        }
        Family::Ed25519 if is("OKP", Some("Ed25519")) => {
            ParsedPublicKey::new(&s::ED25519, octets(jwk.x.as_ref(), 32)?).ok()
        }
        _ => None,
    }
}

/// Bytes of the smallest RSA modulus that verifies: 2048 bits (RFC 7518 section 3.3).
const RSA_LEAST: usize = 256;

/// A coordinate, whose length is fixed by its curve (RFC 7518 section 6.2.1.2).
fn octets(text: Option<&String>, size: usize) -> Option<Vec<u8>> {
    decode(text?).filter(|bytes| bytes.len() == size)
}

/// A positive integer. Some publishers keep the sign byte that RFC 7518 section 2 forbids.
fn integer(text: Option<&String>) -> Option<Vec<u8>> {
    let bytes = decode(text?)?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_ref()).ok()
}

/// Why there is no one key to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMatch {
    /// No key answers to this name with this algorithm.
    #[error("no such key")]
    Unknown,
    /// Several do, and guessing which was meant would be trying keys until one fits.
    #[error("several keys fit")]
    Ambiguous,
}

/// The keys of one producer.
#[derive(Debug, Clone)]
pub struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    /// A set of these keys.
    #[must_use]
    pub fn of(keys: Vec<Key>) -> Self {
        Self(keys.into_iter().map(Arc::new).collect())
    }

    /// Reads a JWK set (RFC 7517 section 5). Keys that cannot be used are passed over; a set of nothing else is refused.
    #[must_use]
    pub fn from_json(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text).ok()?;
        Some(Self::of(set.keys.iter().filter_map(Key::from_jwk).collect())).filter(|set| !set.0.is_empty())
    }

    /// Reads one or more public keys in PEM, which have no names.
    #[must_use]
    pub fn from_pem(text: &[u8]) -> Option<Self> {
        let blocks: Result<Vec<_>, _> = SubjectPublicKeyInfoDer::pem_slice_iter(text).collect();
        let keys: Option<Vec<Key>> = blocks.ok()?.iter().map(|spki| Key::from_spki(spki, None)).collect();
        keys.filter(|keys| !keys.is_empty()).map(Self::of)
    }

    /// The one key of this name that `algorithm` accepts, or, where no key bears the name, the one key that bears none.
    /// Without a name, the only key that fits.
    ///
    /// # Errors
    /// [`NoMatch`].
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, NoMatch> {
        let fitting = || self.0.iter().filter(|key| key.fits(algorithm));
        match id {
            None => sole(fitting()),
            Some(_) => match sole(fitting().filter(|key| key.id.as_deref() == id)) {
                Err(NoMatch::Unknown) => sole(fitting().filter(|key| key.id.is_none())),
                found => found,
            },
        }
    }
}

fn sole<'a>(mut keys: impl Iterator<Item = &'a Arc<Key>>) -> Result<Arc<Key>, NoMatch> {
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key.clone()),
        (None, _) => Err(NoMatch::Unknown),
        (Some(_), Some(_)) => Err(NoMatch::Ambiguous),
    }
}
