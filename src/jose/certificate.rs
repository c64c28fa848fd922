//! Certificates (RFC 5280): when somebody's ends, and a key's own, for consoles that take a public key as a JWK with `x5c` and
//! nothing less.
//!
//! A key's own says nothing that the key does not: no authority vouches for it, and no token carries it.

use std::time::Duration;

use data_encoding::BASE64;
use rcgen::{CertificateParams, DnType, PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey};
use serde_json::{Value, json};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::base::clock::UnixTime;
use crate::jose::algorithm::Algorithm;
use crate::jose::signer::Signer;

/// A certificate that ends sooner would have to be uploaded again before its key is changed.
const LASTS: Duration = Duration::from_hours(24 * 3650);
/// For consoles whose clock runs behind ours.
const EARLIER: Duration = Duration::from_hours(24);
/// Who made it.
const NAME: &str = "countersign";

/// When the certificate in DER ends (`notAfter`, section 4.1.2.5); `None` when that cannot be read.
#[must_use]
pub fn ends(der: &[u8]) -> Option<UnixTime> {
    let read = Certificate::from_der(der).ok()?;
    Some(UnixTime(read.tbs_certificate().validity().not_after.to_unix_duration().as_secs()))
}

struct OwnKey<'a> {
    signer: &'a Signer,
    public: &'a [u8],
    algorithm: &'static SignatureAlgorithm,
}

impl PublicKeyData for OwnKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for OwnKey<'_> {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signer.sign_text(text).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// The public half as a JWK under this id, or its own, with a certificate in `x5c` (RFC 7517 section 4.7) where the key is RSA; `None`
/// for a shared secret.
#[must_use]
pub fn public_jwk(signer: &Signer, kid: Option<&str>, now: UnixTime) -> Option<Value> {
    let mut jwk = signer.public_jwk()?.clone();
    if let Some(kid) = kid {
        jwk["kid"] = Value::from(kid);
    }
    if let Some(der) = certificate(signer, now) {
        jwk["x5c"] = json!([BASE64.encode(&der)]);
    }
    Some(jwk)
}

fn certificate(signer: &Signer, now: UnixTime) -> Option<Vec<u8>> {
    let key = OwnKey { signer, public: signer.rsa_public()?, algorithm: pkcs1(signer.algorithm())? };
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.not_before = moment(now.minus(EARLIER))?;
    params.not_after = moment(now.plus(LASTS))?;
    params.serial_number = Some(SerialNumber::from(now.0));
    Some(params.self_signed(&key).ok()?.der().to_vec())
}

fn moment(at: UnixTime) -> Option<OffsetDateTime> {
    i64::try_from(at.0).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
}

/// How X.509 calls it; `None` for what signs otherwise.
fn pkcs1(algorithm: Algorithm) -> Option<&'static SignatureAlgorithm> {
    match algorithm.name() {
        "RS256" => Some(&rcgen::PKCS_RSA_SHA256),
        "RS384" => Some(&rcgen::PKCS_RSA_SHA384),
        "RS512" => Some(&rcgen::PKCS_RSA_SHA512),
        _ => None,
    }
}
