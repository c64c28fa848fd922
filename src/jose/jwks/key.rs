//! Public keys as producers publish them, in JWK sets and in PEM, and what each may be used for. Pure.
//!
//! A key is kept as the list of algorithms that accept it, parsed once for each. Whether a key's type and curve fit a
//! token's `alg` is thereby decided when the key is read, and never by the token.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{self as s, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretSlice};
use serde::Deserialize;
use serde_json::Value;

/// A signature algorithm (RFC 7518 section 3, RFC 8037). There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// ECDSA on P-521.
    Es512,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256. Only a key that the operator configured as a shared secret has it; no published key does.
    Hs256,
}

/// How a published key verifies.
enum Family {
    Rsa(&'static s::RsaParameters),
    Ec { curve: &'static str, size: usize, verify: &'static s::EcdsaVerificationAlgorithm },
    Ed,
}

/// One row per algorithm that a published key may have.
const TABLE: [(&str, Algorithm, Family); 10] = [
    ("RS256", Algorithm::Rs256, Family::Rsa(&s::RSA_PKCS1_2048_8192_SHA256)),
    ("RS384", Algorithm::Rs384, Family::Rsa(&s::RSA_PKCS1_2048_8192_SHA384)),
    ("RS512", Algorithm::Rs512, Family::Rsa(&s::RSA_PKCS1_2048_8192_SHA512)),
    ("PS256", Algorithm::Ps256, Family::Rsa(&s::RSA_PSS_2048_8192_SHA256)),
    ("PS384", Algorithm::Ps384, Family::Rsa(&s::RSA_PSS_2048_8192_SHA384)),
    ("PS512", Algorithm::Ps512, Family::Rsa(&s::RSA_PSS_2048_8192_SHA512)),
    ("ES256", Algorithm::Es256, Family::Ec { curve: "P-256", size: 32, verify: &s::ECDSA_P256_SHA256_FIXED }),
    ("ES384", Algorithm::Es384, Family::Ec { curve: "P-384", size: 48, verify: &s::ECDSA_P384_SHA384_FIXED }),
    ("ES512", Algorithm::Es512, Family::Ec { curve: "P-521", size: 66, verify: &s::ECDSA_P521_SHA512_FIXED }),
    ("EdDSA", Algorithm::EdDsa, Family::Ed),
];

impl Algorithm {
    /// The algorithm of this name, compared exactly: `rs256` is not one. `Ed25519` is RFC 9864's name for `EdDSA`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "Ed25519" => Some(Self::EdDsa),
            _ => TABLE.iter().find(|(known, ..)| *known == name).map(|(_, algorithm, _)| *algorithm),
        }
    }

    /// The name in a token's header.
    #[must_use]
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(_, algorithm, _)| *algorithm == self).map_or("HS256", |(name, ..)| name)
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = TABLE.map(|(name, ..)| name).join(", ");
        Self::named(name).ok_or_else(|| format!("there are {known}, and HS256 with a shared secret"))
    }
}

/// A key that verifies, by the algorithms that accept it.
pub struct Key {
    id: Option<String>,
    material: Material,
}

enum Material {
    Public(Vec<(Algorithm, ParsedPublicKey)>),
    Shared(DecodingKey),
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
        let rows = TABLE.iter().filter(|(_, algorithm, _)| declared.is_none_or(|only| only == Some(*algorithm)));
        let parsed = rows.filter_map(|(_, algorithm, family)| Some((*algorithm, family.parse_jwk(&jwk)?))).collect();
        Self::public(jwk.kid.clone(), parsed).filter(|_| jwk.is_for_signatures())
    }

    /// A key out of PEM (`BEGIN PUBLIC KEY`, RFC 7468 section 13).
    #[must_use]
    pub fn from_pem(pem: &[u8], id: Option<String>) -> Option<Self> {
        Self::from_spki(&SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?, id)
    }

    fn from_spki(spki: &[u8], id: Option<String>) -> Option<Self> {
        let parse = |(_, algorithm, family): &(&str, Algorithm, Family)| {
            ParsedPublicKey::new(family.verification(), spki).ok().map(|key| (*algorithm, key))
        };
        Self::public(id, TABLE.iter().filter_map(parse).collect())
    }

    fn public(id: Option<String>, parsed: Vec<(Algorithm, ParsedPublicKey)>) -> Option<Self> {
        (!parsed.is_empty()).then_some(Self { id, material: Material::Public(parsed) })
    }

    /// A secret shared with the producer, for HS256 and nothing else.
    #[must_use]
    pub fn shared(secret: &SecretSlice<u8>) -> Self {
        Self { id: None, material: Material::Shared(DecodingKey::from_secret(secret.expose_secret())) }
    }

    /// The algorithms that accept this key.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        match &self.material {
            Material::Public(parsed) => parsed.iter().map(|(algorithm, _)| *algorithm).collect(),
            Material::Shared(_) => vec![Algorithm::Hs256],
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
            Material::Shared(key) => {
                let encoded = URL_SAFE_NO_PAD.encode(signature);
                let check = jsonwebtoken::crypto::verify(&encoded, message, key, jsonwebtoken::Algorithm::HS256);
                algorithm == Algorithm::Hs256 && check.unwrap_or(false)
            }
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.material {
            Material::Public(parsed) => parsed.iter().any(|(accepts, _)| *accepts == algorithm),
            Material::Shared(_) => algorithm == Algorithm::Hs256,
        }
    }
}

impl Jwk {
    fn is_for_signatures(&self) -> bool {
        self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|op| op == "verify"))
    }
}

impl Family {
    fn verification(&self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rsa(parameters) => *parameters,
            Self::Ec { verify, .. } => *verify,
            Self::Ed => &s::ED25519,
        }
    }

    fn parse_jwk(&self, jwk: &Jwk) -> Option<ParsedPublicKey> {
        let is = |kty: &str, crv: Option<&str>| jwk.kty == kty && jwk.crv.as_deref() == crv;
        match self {
            Self::Rsa(parameters) if jwk.kty == "RSA" => {
                let components = RsaPublicKeyComponents { n: integer(jwk.n.as_ref())?, e: integer(jwk.e.as_ref())? };
                components.to_parsed_public_key(parameters).ok().filter(|_| components.n.len() >= RSA_LEAST)
            }
            Self::Ec { curve, size, verify } if is("EC", Some(curve)) => {
                let point = [vec![4], octets(jwk.x.as_ref(), *size)?, octets(jwk.y.as_ref(), *size)?].concat();
                ParsedPublicKey::new(*verify, point).ok()
            }
            Self::Ed if is("OKP", Some("Ed25519")) => {
                ParsedPublicKey::new(&s::ED25519, octets(jwk.x.as_ref(), 32)?).ok()
            }
            _ => None,
        }
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
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
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
