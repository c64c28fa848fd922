//! Every signature algorithm there is, for those who sign and those who verify: a new one is a row of the table.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::str::FromStr;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self as s, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, RsaEncoding, RsaParameters, VerificationAlgorithm,
};

/// A signature algorithm of RFC 7518 section 3.1 or RFC 8037. There is no `none`.
#[derive(Clone, Copy)]
pub struct Algorithm(&'static Row);

struct Row {
    name: &'static str,
    family: Family,
}

/// What signs and what verifies.
pub(super) enum Family {
    /// A shared secret, and how many bytes it must have (RFC 7518 section 3.2).
    Hmac {
        with: &'static hmac::Algorithm,
        least: usize,
    },
    /// `sign` is `None` where we only verify.
    Rsa {
        sign: Option<&'static dyn RsaEncoding>,
        verify: &'static RsaParameters,
    },
    /// A curve with the length of its coordinates in bytes, likewise.
    Ec {
        curve: &'static str,
        size: usize,
        sign: Option<&'static EcdsaSigningAlgorithm>,
        verify: &'static EcdsaVerificationAlgorithm,
    },
    Ed25519,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's algorithm is a static, which a const cannot read")]
const fn hmac(name: &'static str, with: &'static hmac::Algorithm, least: usize) -> Row {
    Row { name, family: Family::Hmac { with, least } }
}

const fn rsa(name: &'static str, sign: Option<&'static dyn RsaEncoding>, verify: &'static RsaParameters) -> Row {
    Row { name, family: Family::Rsa { sign, verify } }
}

const fn ec(
    name: &'static str,
    (curve, size): (&'static str, usize),
    sign: Option<&'static EcdsaSigningAlgorithm>,
    verify: &'static EcdsaVerificationAlgorithm,
) -> Row {
    Row { name, family: Family::Ec { curve, size, sign, verify } }
}

static TABLE: [Row; 13] = [
    hmac("HS256", &hmac::HMAC_SHA256, 32),
    hmac("HS384", &hmac::HMAC_SHA384, 48),
    hmac("HS512", &hmac::HMAC_SHA512, 64),
    rsa("RS256", Some(&s::RSA_PKCS1_SHA256), &s::RSA_PKCS1_2048_8192_SHA256),
    rsa("RS384", Some(&s::RSA_PKCS1_SHA384), &s::RSA_PKCS1_2048_8192_SHA384),
    rsa("RS512", Some(&s::RSA_PKCS1_SHA512), &s::RSA_PKCS1_2048_8192_SHA512),
    rsa("PS256", Some(&s::RSA_PSS_SHA256), &s::RSA_PSS_2048_8192_SHA256),
    rsa("PS384", Some(&s::RSA_PSS_SHA384), &s::RSA_PSS_2048_8192_SHA384),
    rsa("PS512", None, &s::RSA_PSS_2048_8192_SHA512),
    ec("ES256", ("P-256", 32), Some(&s::ECDSA_P256_SHA256_FIXED_SIGNING), &s::ECDSA_P256_SHA256_FIXED),
    ec("ES384", ("P-384", 48), Some(&s::ECDSA_P384_SHA384_FIXED_SIGNING), &s::ECDSA_P384_SHA384_FIXED),
    ec("ES512", ("P-521", 66), None, &s::ECDSA_P521_SHA512_FIXED),
    Row { name: "EdDSA", family: Family::Ed25519 },
];

impl Algorithm {
    /// HMAC with SHA-256.
    pub const HS256: Self = Self(&TABLE[0]);
    /// RSA PKCS#1 v1.5 with SHA-256.
    pub const RS256: Self = Self(&TABLE[3]);
    /// RSA PSS with SHA-256.
    pub const PS256: Self = Self(&TABLE[6]);
    /// ECDSA on P-256.
    pub const ES256: Self = Self(&TABLE[9]);
    /// ECDSA on P-384.
    pub const ES384: Self = Self(&TABLE[10]);
    /// Ed25519.
    pub const EDDSA: Self = Self(&TABLE[12]);

    /// The algorithm of this exact, case-sensitive name in a token's header (RFC 7515 section 4.1.1). `Ed25519` is RFC 9864's
    /// name for `EdDSA`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::all().find(|algorithm| algorithm.name() == name)
    }

    /// The algorithm that a person means by this name, however they spell it.
    #[must_use]
    pub fn meant_by(name: &str) -> Option<Self> {
        let name = name.trim_ascii();
        let name = if name.eq_ignore_ascii_case("Ed25519") { "EdDSA" } else { name };
        Self::all().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Every algorithm.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Self)
    }

    /// Every algorithm that tokens are signed with here.
    pub fn signing() -> impl Iterator<Item = Self> {
        Self::all().filter(|algorithm| algorithm.signs())
    }

    /// Its name in a JOSE header.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether signer and verifier share one secret.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self.0.family, Family::Hmac { .. })
    }

    /// Least key length in bytes of a symmetric algorithm (RFC 7518 section 3.2); zero for the others.
    #[must_use]
    pub fn least_secret_bytes(self) -> usize {
        if let Family::Hmac { least, .. } = self.0.family { least } else { 0 }
    }

    fn signs(self) -> bool {
        !matches!(self.0.family, Family::Rsa { sign: None, .. } | Family::Ec { sign: None, .. })
    }

    pub(super) fn family(self) -> &'static Family {
        &self.0.family
    }
}

impl Family {
    /// What verifies with a public key; `None` for a shared secret.
    pub(super) fn verification(&self) -> Option<&'static dyn VerificationAlgorithm> {
        match self {
            Self::Hmac { .. } => None,
            Self::Rsa { verify, .. } => Some(*verify),
            Self::Ec { verify, .. } => Some(*verify),
            Self::Ed25519 => Some(&s::ED25519),
        }
    }
}

/// As a person writes it into a setting.
impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let pairs = || Self::all().filter(|algorithm| !algorithm.is_symmetric()).map(Self::name).collect::<Vec<_>>();
        let known = || format!("there are {}, and HS256 with a shared secret", pairs().join(", "));
        Self::meant_by(name).ok_or_else(known)
    }
}

/// There is one row for each.
impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }
}

impl Eq for Algorithm {}

impl Hash for Algorithm {
    fn hash<H: Hasher>(&self, state: &mut H) {
        ptr::hash(self.0, state);
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
