//! The only module that holds private keys. A [`Proof`] can be made nowhere else: from finished [`Claims`], as a digest, or of
//! what a vendor's server gave.
//!
//! Keys are parsed once and the JOSE header is encoded once, because parsing on every call costs more than signing does.
//! The algorithm is fixed by configuration (RFC 8725 section 3.1); no token ever chooses one here.

#![expect(clippy::disallowed_types, reason = "private keys are held here and nowhere else")]

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding};
use aws_lc_rs::{digest, hmac, rsa};
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Value, json};

use crate::claims::Claims;
use crate::jose::algorithm::{Algorithm, Family};
use crate::jose::ascii::to_ascii;
use crate::jose::pem;

/// Why a key cannot sign. Says nothing about the key's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A shared secret without bytes would sign, and anybody could.
    #[error("the secret is empty")]
    Empty,
    /// Text that holds no private key in PEM.
    #[error("is not a PEM private key (PKCS#8, PKCS#1 or SEC1, unencrypted)")]
    NotPem,
    /// A private key of another kind than the algorithm needs.
    #[error("is not a key for {0}{1}: it is {2}")]
    WrongKind(&'static str, &'static str, &'static str),
    /// An algorithm that is verified here and not signed with.
    #[error("tokens are not signed with {0} here")]
    NoSigner(&'static str),
    /// An RSA key shorter than RFC 7518 section 3.3 requires.
    #[error("is an RSA key of {0} bits; at least 2048 are required")]
    ShortRsa(usize),
}

enum Key {
    Hmac(Box<hmac::Key>),
    Rsa { pair: Box<rsa::KeyPair>, padding: &'static dyn RsaEncoding },
    Ecdsa(Box<signature::EcdsaKeyPair>),
    Ed25519(Box<signature::Ed25519KeyPair>),
}

/// Extra members of the JOSE header that a vendor wants.
#[derive(Debug, Clone, Default)]
pub struct HeaderOptions {
    /// `typ`; `None` leaves it out.
    pub typ: Option<String>,
    /// `kid` of a shared secret, as the vendor's console names it. Asymmetric keys always carry their thumbprint unless
    /// this is set.
    pub kid: Option<String>,
    /// `cty`; `None` leaves it out.
    pub cty: Option<String>,
    /// Writes the payload in ASCII only, for vendor pages that decode it with `atob`.
    pub ascii_payload: bool,
}

/// One key with everything that does not change from token to token.
pub struct Signer {
    algorithm: Algorithm,
    key: Key,
    public: Option<Value>,
    head: String,
    options: HeaderOptions,
    random: SystemRandom,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Signer {
    /// Makes a signer from key bytes: the secret itself for a symmetric algorithm, PEM text for the others.
    ///
    /// # Errors
    /// [`KeyError`] when the bytes are no key for this algorithm.
    pub fn new(algorithm: Algorithm, key: &SecretSlice<u8>, options: &HeaderOptions) -> Result<Self, KeyError> {
        let key = Key::parse(algorithm, key.expose_secret())?;
        let public = key.public_jwk(algorithm);
        let thumbprint = public.as_ref().and_then(|jwk| jwk["kid"].as_str());
        let kid = options.kid.as_deref().or(thumbprint);
        let mut header = json!({ "alg": algorithm.name() });
        let extras = [("typ", options.typ.as_deref()), ("cty", options.cty.as_deref()), ("kid", kid)];
        for (name, value) in extras.into_iter().filter_map(|(n, v)| Some((n, v?))) {
            header[name] = Value::from(value);
        }
        let head = format!("{}.", BASE64URL_NOPAD.encode(header.to_string().as_ref()));
        Ok(Self { algorithm, key, public, head, options: options.clone(), random: SystemRandom::new() })
    }

    /// The algorithm this signer was made for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What its tokens' headers hold beside the algorithm.
    #[must_use]
    pub fn header(&self) -> &HeaderOptions {
        &self.options
    }

    /// The public half as a JWK (RFC 7517) whose `kid` is its RFC 7638 thumbprint; `None` for a shared secret.
    #[must_use]
    pub fn public_jwk(&self) -> Option<&Value> {
        self.public.as_ref()
    }

    /// The public half in PEM (RFC 7468 section 13), as many vendors' consoles want it; `None` for a shared secret.
    #[must_use]
    pub fn public_pem(&self) -> Option<String> {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let der: PublicKeyX509Der<'_> = match &self.key {
            Key::Hmac(_) => return None,
            Key::Rsa { pair, .. } => pair.public_key().as_der().ok()?,
            Key::Ecdsa(pair) => pair.public_key().as_der().ok()?,
            Key::Ed25519(pair) => pair.public_key().as_der().ok()?,
        };
        Some(pem::written("PUBLIC KEY", der.as_ref()))
    }

    /// Signs claims into a compact JWS (RFC 7515 section 3.1).
    ///
    /// # Errors
    /// [`SigningFailed`] when the crypto library refuses, which a key that passed its self-test does not do.
    pub fn sign(&self, claims: &Claims) -> Result<Proof, SigningFailed> {
        let payload = serde_json::to_vec(claims).map_err(|_| SigningFailed)?;
        let payload = if self.options.ascii_payload { to_ascii(&payload).ok_or(SigningFailed)? } else { payload };
        let mut token = String::with_capacity(self.head.len() + payload.len() * 4 / 3 + 360);
        token.push_str(&self.head);
        BASE64URL_NOPAD.encode_append(&payload, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_slice(), &mut token);
        Ok(Proof(token))
    }

    /// A signature over something else than a token.
    pub(super) fn sign_text(&self, text: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        self.signature(text).map(|signature| signature.as_slice().to_vec())
    }

    /// The public half of an RSA key as RFC 8017 writes it (`RSAPublicKey`).
    pub(super) fn rsa_public(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Rsa { pair, .. } => Some(pair.public_key().as_ref()),
            _ => None,
        }
    }

    fn signature(&self, input: &[u8]) -> Result<Signature, SigningFailed> {
        let whole = |bytes: &[u8]| Signature::Heap(bytes.to_vec());
        match &self.key {
            Key::Hmac(key) => Ok(Signature::Tag(hmac::sign(key, input))),
            Key::Rsa { pair, padding } => {
                let mut bytes = vec![0; pair.public_modulus_len()];
                pair.sign(*padding, &self.random, input, &mut bytes).map_err(|_| SigningFailed)?;
                Ok(Signature::Heap(bytes))
            }
            Key::Ecdsa(pair) => pair.sign(&self.random, input).map(|s| whole(s.as_ref())).map_err(|_| SigningFailed),
            Key::Ed25519(pair) => Ok(whole(pair.sign(input).as_ref())),
        }
    }
}

enum Signature {
    Tag(hmac::Tag),
    Heap(Vec<u8>),
}

impl Signature {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Tag(tag) => tag.as_ref(),
            Self::Heap(bytes) => bytes,
        }
    }
}

/// The crypto library refused to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key could not sign")]
pub struct SigningFailed;

impl Key {
    fn parse(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        match algorithm.family() {
            Family::Hmac { .. } if bytes.is_empty() => Err(KeyError::Empty),
            Family::Hmac { with, .. } => Ok(Self::Hmac(Box::new(hmac::Key::new(**with, bytes)))),
            Family::Rsa { sign: Some(padding), .. } => Self::rsa(&private_der(bytes)?, *padding, algorithm.name()),
            Family::Rsa { sign: None, .. } | Family::Ec { sign: None, .. } => Err(KeyError::NoSigner(algorithm.name())),
            Family::Ec { sign: Some(curve), curve: label, .. } => {
                let der = private_der(bytes)?;
                let curve_name = if *label == "P-256" { " (P-256)" } else { " (P-384)" };
                let wrong = |_| KeyError::WrongKind(algorithm.name(), curve_name, kind_of(&der));
                signature::EcdsaKeyPair::from_private_key_der(curve, der.secret_der())
                    .map(Box::new)
                    .map(Self::Ecdsa)
                    .map_err(wrong)
            }
            Family::Ed25519 => {
                let der = private_der(bytes)?;
                let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_der());
                let wrong = |_| KeyError::WrongKind(algorithm.name(), " (Ed25519)", kind_of(&der));
                pair.map(Box::new).map(Self::Ed25519).map_err(wrong)
            }
        }
    }

    fn rsa(der: &PrivateKeyDer<'_>, padding: &'static dyn RsaEncoding, name: &'static str) -> Result<Self, KeyError> {
        let pair = match der {
            PrivateKeyDer::Pkcs1(der) => rsa::KeyPair::from_der(der.secret_pkcs1_der()),
            other => rsa::KeyPair::from_pkcs8(other.secret_der()),
        };
        let pair = pair.map_err(|_| KeyError::WrongKind(name, " (RSA of at least 2048 bits)", kind_of(der)))?;
        let bits = pair.public_modulus_len() * 8;
        if bits < 2048 {
            return Err(KeyError::ShortRsa(bits));
        }
        Ok(Self::Rsa { pair: Box::new(pair), padding })
    }

    fn public_jwk(&self, algorithm: Algorithm) -> Option<Value> {
        let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        // The members a thumbprint covers, in the order RFC 7638 section 3.2 wants them.
        let required = match self {
            Self::Hmac(_) => return None,
            Self::Rsa { pair, .. } => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                json!({
                    "e": b64(e.big_endian_without_leading_zero()),
                    "kty": "RSA",
                    "n": b64(n.big_endian_without_leading_zero()),
                })
            }
            Self::Ecdsa(pair) => {
                // Uncompressed point (SEC 1 section 2.3.3): 0x04, then x and y of equal length.
                let (x, y) = pair.public_key().as_ref().get(1..).map(|point| point.split_at(point.len() / 2))?;
                let Family::Ec { curve, .. } = algorithm.family() else { return None };
                json!({ "crv": curve, "kty": "EC", "x": b64(x), "y": b64(y) })
            }
            Self::Ed25519(pair) => json!({ "crv": "Ed25519", "kty": "OKP", "x": b64(pair.public_key().as_ref()) }),
        };
        let thumbprint = digest::digest(&digest::SHA256, required.to_string().as_bytes());
        let mut jwk = required;
        jwk["use"] = Value::from("sig");
        jwk["alg"] = Value::from(algorithm.name());
        jwk["kid"] = Value::from(b64(thumbprint.as_ref()));
        Some(jwk)
    }
}

/// What a private key is, for the operator who gave another one.
fn kind_of(der: &PrivateKeyDer<'_>) -> &'static str {
    let bytes = der.secret_der();
    let on = |curve| signature::EcdsaKeyPair::from_private_key_der(curve, bytes).is_ok();
    match () {
        () if on(&signature::ECDSA_P256_SHA256_FIXED_SIGNING) => "an EC key on P-256",
        () if on(&signature::ECDSA_P384_SHA384_FIXED_SIGNING) => "an EC key on P-384",
        () if on(&signature::ECDSA_P521_SHA512_FIXED_SIGNING) => "an EC key on P-521",
        () if on(&signature::ECDSA_P256K1_SHA256_FIXED_SIGNING) => "an EC key on secp256k1",
        () if signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).is_ok() => "an Ed25519 key",
        () if matches!(der, PrivateKeyDer::Pkcs1(_)) || rsa::KeyPair::from_pkcs8(bytes).is_ok() => "an RSA key",
        () => "of a kind that is not known here",
    }
}

fn private_der(pem: &[u8]) -> Result<PrivateKeyDer<'static>, KeyError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyError::NotPem)
}

/// A key for HMAC-SHA256 over something else than a token.
pub(super) struct MacKey(hmac::Key);

impl MacKey {
    pub(super) fn new(key: &SecretSlice<u8>) -> Result<Self, KeyError> {
        let bytes = key.expose_secret();
        if bytes.is_empty() { Err(KeyError::Empty) } else { Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))) }
    }

    pub(super) fn proof(&self, text: &[u8], write: impl FnOnce(&[u8]) -> String) -> Proof {
        Proof(write(hmac::sign(&self.0, text).as_ref()))
    }
}

/// A signed token. It prints redacted; its text leaves through [`Proof::reveal`] only, in the answer to its visitor.
pub struct Proof(String);

impl Proof {
    /// A token that a vendor's server made: it leaves by the same door as those that are made here.
    #[must_use]
    pub fn of_vendor(token: &SecretString) -> Self {
        Self(token.expose_secret().to_owned())
    }

    /// The token's text, for the one answer it was made for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Length of the token in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// A fresh private key in PKCS#8 PEM for an asymmetric algorithm; `None` for a symmetric one or when the library refuses.
#[must_use]
pub fn generate_pem(algorithm: Algorithm) -> Option<String> {
    use aws_lc_rs::encoding::AsDer as _;
    let random = SystemRandom::new();
    let der: Vec<u8> = match algorithm.family() {
        Family::Hmac { .. } | Family::Ec { sign: None, .. } => return None,
        Family::Rsa { .. } => rsa::KeyPair::generate(rsa::KeySize::Rsa2048).ok()?.as_der().ok()?.as_ref().to_vec(),
        Family::Ec { sign: Some(curve), .. } => {
            signature::EcdsaKeyPair::generate_pkcs8(curve, &random).ok()?.as_ref().to_vec()
        }
        Family::Ed25519 => signature::Ed25519KeyPair::generate_pkcs8v1(&random).ok()?.as_ref().to_vec(),
    };
    Some(pem::written("PRIVATE KEY", &der))
}
