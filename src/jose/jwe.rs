//! Encryption around a signed token (RFC 7516, compact serialization; nested as RFC 7519 section 5.2 says): `dir` or `RSA-OAEP-256`
//! with `A256GCM`, and nothing else.
//!
//! It hides claims from whoever carries the token. Who made it, only the signature inside says.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use zeroize::Zeroizing;

use super::keyring::WIDGET_ENCRYPTION_KEY;
use super::pem;
use crate::base::clock::random_bytes;
use crate::base::secret::{Encoding, fingerprint};
use crate::config::env::Env;
use crate::jose::signer::Proof;

/// Length of a content encryption key in bytes.
pub const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// A protected header is one of ours or nobody's: nothing in it is left to whoever sends the token.
const DIRECT: &str = r#"{"alg":"dir","enc":"A256GCM","cty":"JWT"}"#;
const RSA: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}"#;

/// For whom tokens are encrypted.
pub enum Encryption {
    /// Whoever has the same key.
    Direct(ContentKey),
    /// Whoever has the private half.
    Rsa(OaepPublicEncryptingKey),
}

/// What opens them.
pub enum Decryption<'a> {
    /// The key that both have.
    Direct(&'a ContentKey),
    /// The private half.
    Rsa(OaepPrivateDecryptingKey),
}

/// Encrypts content and opens it.
pub struct ContentKey(LessSafeKey);

/// What cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Of another length.
    #[error("is {0} bytes long; A256GCM takes 32")]
    Length(usize),
    /// Not RSA, or not of 2048 to 8192 bits.
    #[error("is no RSA key of 2048 to 8192 bits in PEM")]
    Rsa,
}

/// What cannot be opened: another's, changed on the way, or of another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be decrypted with this key")]
pub struct Sealed;

/// Whether tokens of the widget being read are encrypted, and for whom.
pub fn read(env: &mut Env) -> Option<Encryption> {
    let text = env.secret_lines(&WIDGET_ENCRYPTION_KEY)?;
    let plain = text.expose_secret().replace("\\n", "\n");
    let read = if plain.contains("-----BEGIN") {
        env.show_key(&WIDGET_ENCRYPTION_KEY, &fingerprint(plain.trim().as_bytes()));
        Encryption::rsa(&plain)
    } else {
        let encoding = if plain.contains(['+', '/']) { Encoding::Base64 } else { Encoding::Base64Url };
        let bytes = encoding.decode(&text).map_err(|problem| {
            env.mistake_in(&WIDGET_ENCRYPTION_KEY, &format!("{problem}; `countersign keygen` makes one"));
        });
        let bytes = bytes.ok()?;
        env.show_key(&WIDGET_ENCRYPTION_KEY, &fingerprint(bytes.expose_secret()));
        Encryption::direct(&bytes)
    };
    read.map_err(|problem| env.mistake_in(&WIDGET_ENCRYPTION_KEY, &problem.to_string())).ok()
}

impl ContentKey {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`NotAKey::Length`].
    pub fn new(bytes: &[u8]) -> Result<Self, NotAKey> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| NotAKey::Length(bytes.len()))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// A nonce is random, so a key is good for 2^32 tokens (NIST SP 800-38D section 8.3).
    fn seal(&self, header: &str, wrapped: &[u8], text: &str) -> Result<String, Unspecified> {
        let nonce: [u8; NONCE_LEN] = random_bytes();
        let header = BASE64URL_NOPAD.encode(header.as_bytes());
        let mut content = text.as_bytes().to_vec();
        let aad = Aad::from(header.as_bytes());
        let tag = self.0.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut content)?;
        let [wrapped, nonce, content, tag] =
            [wrapped, &nonce, &content, tag.as_ref()].map(|part| BASE64URL_NOPAD.encode(part));
        Ok(format!("{header}.{wrapped}.{nonce}.{content}.{tag}"))
    }

    /// Opens content (RFC 7518 section 5.3): the protected header as it stands, initialization vector, ciphertext and tag.
    ///
    /// # Errors
    /// [`Sealed`].
    pub fn open(&self, header: &str, nonce: &[u8], mut content: Vec<u8>, tag: &[u8]) -> Result<String, Sealed> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Sealed)?;
        if tag.len() != TAG_LEN {
            return Err(Sealed);
        }
        content.extend_from_slice(tag);
        let opened = self.0.open_in_place(nonce, Aad::from(header.as_bytes()), &mut content).map_err(|_| Sealed)?;
        std::str::from_utf8(opened).map(str::to_owned).map_err(|_| Sealed)
    }
}

/// Whether a text has the five parts of an encrypted token; a signed one has three.
#[must_use]
pub fn is_encrypted(token: &str) -> bool {
    token.bytes().filter(|b| *b == b'.').count() == 4
}

impl Encryption {
    /// For whoever has the same 32 bytes.
    ///
    /// # Errors
    /// [`NotAKey::Length`].
    pub fn direct(key: &SecretSlice<u8>) -> Result<Self, NotAKey> {
        ContentKey::new(key.expose_secret()).map(Self::Direct)
    }

    /// For whoever has the private half of this RSA key (`SubjectPublicKeyInfo` in PEM).
    ///
    /// # Errors
    /// [`NotAKey::Rsa`].
    pub fn rsa(public: &str) -> Result<Self, NotAKey> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(public.as_bytes()).map_err(|_| NotAKey::Rsa)?;
        let key = PublicEncryptingKey::from_der(&der).ok().and_then(|key| OaepPublicEncryptingKey::new(key).ok());
        key.map(Self::Rsa).ok_or(NotAKey::Rsa)
    }

    /// The token, for its reader alone.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn around(&self, proof: &Proof) -> Result<Proof, Unspecified> {
        let text = proof.reveal();
        let sealed = match self {
            Self::Direct(key) => key.seal(DIRECT, &[], text),
            Self::Rsa(public) => {
                let fresh = Zeroizing::new(random_bytes::<KEY_LEN>());
                let mut wrapped = vec![0; public.ciphertext_size()];
                let wrapped = public.encrypt(&OAEP_SHA256_MGF1SHA256, fresh.as_ref(), &mut wrapped, None)?;
                ContentKey::new(fresh.as_ref()).map_err(|_| Unspecified)?.seal(RSA, wrapped, text)
            }
        }?;
        Ok(Proof::of_vendor(&sealed.into()))
    }

    /// What opens it here: a shared key does, the public half of a pair does not.
    #[must_use]
    pub fn decryption(&self) -> Option<Decryption<'_>> {
        match self {
            Self::Direct(key) => Some(Decryption::Direct(key)),
            Self::Rsa(_) => None,
        }
    }

    /// `alg` of its header.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Direct(_) => "dir",
            Self::Rsa(_) => "RSA-OAEP-256",
        }
    }
}

impl Decryption<'_> {
    /// The private half of an RSA key, in PEM.
    ///
    /// # Errors
    /// [`NotAKey::Rsa`].
    pub fn rsa(private: &SecretString) -> Result<Self, NotAKey> {
        let text = pem::private_key(private).map_err(|_| NotAKey::Rsa)?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.expose_secret().as_bytes()).map_err(|_| NotAKey::Rsa)?;
        let key = PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der()).ok();
        key.and_then(|key| OaepPrivateDecryptingKey::new(key).ok()).map(Self::Rsa).ok_or(NotAKey::Rsa)
    }

    /// The signed token inside.
    ///
    /// # Errors
    /// [`Sealed`], whatever it is that does not fit.
    pub fn open(&self, token: &str) -> Result<String, Sealed> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, wrapped, nonce, content, tag] = parts[..] else { return Err(Sealed) };
        let [said, wrapped, nonce, content, tag] = {
            let read = [header, wrapped, nonce, content, tag].map(|part| BASE64URL_NOPAD.decode(part.as_bytes()));
            let [Ok(said), Ok(wrapped), Ok(nonce), Ok(content), Ok(tag)] = read else { return Err(Sealed) };
            [said, wrapped, nonce, content, tag]
        };
        match self {
            Self::Direct(key) if said == DIRECT.as_bytes() && wrapped.is_empty() => {
                key.open(header, &nonce, content, &tag)
            }
            Self::Rsa(private) if said == RSA.as_bytes() => {
                let mut fresh = Zeroizing::new(vec![0; private.min_output_size()]);
                let fresh = private.decrypt(&OAEP_SHA256_MGF1SHA256, &wrapped, &mut fresh, None);
                let key = ContentKey::new(fresh.map_err(|_| Sealed)?).map_err(|_| Sealed)?;
                key.open(header, &nonce, content, &tag)
            }
            _ => Err(Sealed),
        }
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encryption({})", self.algorithm())
    }
}
