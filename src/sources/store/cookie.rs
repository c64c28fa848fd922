//! How a host writes the id into its cookie: as it is, signed, or encrypted, in the formats of the `cookie` crate that
//! `tower-sessions` uses. We read them; we never make one.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretSlice};

use crate::base::secret::Encoding;
use crate::config::env::{Env, Var};

/// The host's key: half of it signs, half of it encrypts.
const KEY_LENGTH: usize = 64;
/// A SHA-256 tag in base64.
const TAG_LENGTH: usize = 44;
const NONCE_LENGTH: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Signed,
    Private,
}

/// What the id is wrapped in.
#[derive(Clone)]
pub enum Seal {
    /// Nothing.
    Plain,
    /// A signature.
    Signed(SecretSlice<u8>),
    /// Encryption.
    Private(SecretSlice<u8>),
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Signed(_) => "Signed",
            Self::Private(_) => "Private",
        })
    }
}

impl Seal {
    /// Reads the kind and the key; `None` after naming what is wrong.
    pub fn read(env: &mut Env, kind: &Var, key: &Var) -> Option<Self> {
        let kind = env.choice(kind, &[("plain", Kind::Plain), ("signed", Kind::Signed), ("private", Kind::Private)])?;
        if kind == Kind::Plain {
            return Some(Self::Plain);
        }
        if !env.is_set(key) {
            env.mistake_in(key, "is required for signed and private cookies: the host's own cookie key");
        }
        let bytes = Encoding::Base64.decode(&env.secret(key)?).ok().filter(|b| b.expose_secret().len() >= KEY_LENGTH);
        if bytes.is_none() {
            env.mistake_in(key, "is not at least 64 bytes in base64");
        }
        bytes.map(if kind == Kind::Signed { Self::Signed } else { Self::Private })
    }

    /// The id in the cookie of this name; `None` when the seal does not hold.
    #[must_use]
    pub fn open(&self, name: &str, value: &str) -> Option<String> {
        match self {
            Self::Plain => Some(value.to_owned()),
            Self::Signed(key) => signed(key.expose_secret().get(..32)?, value),
            Self::Private(key) => private(key.expose_secret().get(32..KEY_LENGTH)?, name, value),
        }
    }
}

#[expect(clippy::disallowed_types, reason = "the host's key, used to check what the host has signed")]
fn signed(key: &[u8], value: &str) -> Option<String> {
    let (tag, value) = value.split_at_checked(TAG_LENGTH)?;
    let tag = BASE64.decode(tag.as_ref()).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, value.as_bytes(), &tag).ok().map(|()| value.to_owned())
}

/// The cookie's name is sealed in, so that one cookie's value is worth nothing in another.
fn private(key: &[u8], name: &str, value: &str) -> Option<String> {
    let bytes = BASE64.decode(value.as_ref()).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LENGTH)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let opened = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut sealed).ok()?;
    String::from_utf8(opened.to_vec()).ok()
}
