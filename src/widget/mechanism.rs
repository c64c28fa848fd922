//! What turns a visitor's claims into the answer: a key that signs tokens, a key that makes digests, or a vendor's server.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::Value;

use super::exchange::Plan;
use super::page_value::PageValue;
use super::presets::{Format, Profile};
use super::vars::{WIDGET_CONSTANTS, WIDGET_DIGEST, WIDGET_EXCHANGE, WIDGET_PAGE_VALUES};
use crate::base::clock::UnixTime;
use crate::base::secret::fingerprint;
use crate::claims::{ClaimTemplate, Surroundings};
use crate::config::env::{Env, Var};
use crate::jose::digest::{DigestFormat, DigestSigner};
use crate::jose::keyring::{KeyPolicy, Keyring, WIDGET_SECRET_NEXT, read_next, read_secret};

/// Shortest secret of a digest when a vendor is not known to issue shorter ones, in bytes.
const DIGEST_SECRET_LEAST: usize = 32;
/// Longest constant, in characters.
const CONSTANT_MAX: usize = 1024;

/// How a widget's answer is made.
#[derive(Debug, Clone)]
pub enum Mechanism {
    /// A signed token (RFC 7519).
    Token(Arc<Keyring>),
    /// A keyed digest of members of the answer.
    Digest(Arc<DigestKey>),
    /// The vendor's server gives a token.
    Exchange(Arc<Plan>),
}

/// A digest's key.
#[derive(Debug)]
pub struct DigestKey {
    /// Makes the digests.
    pub signer: DigestSigner,
    /// Names the key in `check` and in the console.
    pub fingerprint: String,
    /// What takes over, and when.
    next: Option<(UnixTime, Box<Self>)>,
}

impl DigestKey {
    /// The key in force at this time.
    #[must_use]
    pub fn at(&self, now: UnixTime) -> &Self {
        self.next.as_ref().filter(|(at, _)| now >= *at).map_or(self, |(_, next)| next)
    }
}

impl Mechanism {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Token(_) => "signed token",
            Self::Digest(_) => "digest",
            Self::Exchange(_) => "exchange",
        }
    }

    /// How it signs, in a word.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Token(keyring) => keyring.signer.algorithm().name(),
            Self::Digest(_) => "HMAC-SHA256",
            Self::Exchange(_) => "none",
        }
    }

    /// Names its key without showing it; what an exchange's key is, only the vendor can say.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Token(keyring) => &keyring.fingerprint,
            Self::Digest(key) => &key.fingerprint,
            Self::Exchange(_) => "",
        }
    }
}

impl Mechanism {
    /// When another secret takes over, where one is to.
    #[must_use]
    pub fn takes_over(&self) -> Option<UnixTime> {
        match self {
            Self::Token(keyring) => keyring.takes_over(),
            Self::Digest(key) => key.next.as_ref().map(|(at, _)| *at),
            Self::Exchange(_) => None,
        }
    }

    /// Which key makes its tokens: the `kid` in their headers, or else the fingerprint.
    #[must_use]
    pub fn key_id(&self, now: UnixTime) -> &str {
        match self {
            Self::Token(keyring) => keyring.at(now).key_id(),
            Self::Digest(key) => &key.at(now).fingerprint,
            Self::Exchange(_) => "",
        }
    }
}

/// Which mechanism the widget being read has: the preset's, or for `custom` what the operator says.
pub(super) fn read_format(env: &mut Env, profile: &'static Profile) -> Option<Chosen> {
    if !profile.open {
        return Some(match profile.format {
            Format::Token => Chosen::Token,
            Format::Digest(text) => Chosen::Digest(text.to_owned()),
            Format::Exchange(text) => Chosen::Exchange(text.to_owned()),
        });
    }
    match (env.text(&WIDGET_DIGEST), env.text(&WIDGET_EXCHANGE)) {
        (None, None) => Some(Chosen::Token),
        (Some(text), None) => Some(Chosen::Digest(text)),
        (None, Some(text)) => Some(Chosen::Exchange(text)),
        (Some(_), Some(_)) => {
            env.mistake_in(&WIDGET_EXCHANGE, "is set beside WIDGET_DIGEST; a widget has one of them");
            None
        }
    }
}

/// A mechanism with the text of its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    Token,
    Digest(String),
    Exchange(String),
}

impl Chosen {
    pub(super) fn is_token(&self) -> bool {
        *self == Self::Token
    }
}

/// Reads the key of a digest, and checks that what is signed is a member of the answer.
pub(super) fn read_digest(
    env: &mut Env,
    text: &str,
    policy: KeyPolicy<'_>,
    template: Option<&ClaimTemplate>,
) -> Option<DigestKey> {
    let format: Option<DigestFormat> =
        serde_json::from_str(text).map_err(|e| env.mistake_in(&WIDGET_DIGEST, &format!("cannot be read: {e}"))).ok();
    let next = read_next(env, policy, "HMAC-SHA256", DIGEST_SECRET_LEAST);
    let bytes = read_secret(env, policy, "HMAC-SHA256", DIGEST_SECRET_LEAST);
    let (format, bytes, template) = (format?, bytes?, template?);
    let named = format.parts.iter().chain(&format.prefix).filter_map(|part| part.member());
    let may_be_absent = |name: &str| format.parts.iter().any(|p| p.is_optional() && p.member() == Some(name));
    let missing = |name: &&str| !may_be_absent(name) && !template.names().any(|known| known == *name);
    if let Some(name) = named.chain(format.answer.iter().map(String::as_str)).find(missing) {
        env.mistake_in(&WIDGET_DIGEST, &format!("names `{name}`, which is no member of WIDGET_CLAIMS"));
        return None;
    }
    let next = next
        .and_then(|(at, bytes)| Some((at, Box::new(digest_key(env, &WIDGET_SECRET_NEXT, &bytes, format.clone())?))));
    Some(DigestKey { next, ..digest_key(env, policy.secret, &bytes, format)? })
}

fn digest_key(env: &mut Env, var: &Var, bytes: &SecretSlice<u8>, format: DigestFormat) -> Option<DigestKey> {
    let fingerprint = fingerprint(bytes.expose_secret());
    env.show_key(var, &fingerprint);
    Some(DigestKey { signer: DigestSigner::new(bytes, format).ok()?, fingerprint, next: None })
}

/// What the widget's templates know besides the visitor: the operator's constants, those that the preset needs among them,
/// and the names of what the page may send.
pub(super) fn read_surroundings(env: &mut Env, profile: &Profile) -> (Surroundings, Vec<PageValue>) {
    let mut constants = env.text(&WIDGET_CONSTANTS).map(|text| parse_constants(env, &text)).unwrap_or_default();
    for constant in profile.constants {
        if !constants.contains_key(constant.name) && constant.default.is_none() {
            env.mistake_in(&WIDGET_CONSTANTS, &format!("must set `{}`: {}", constant.name, constant.meaning));
        }
        let value = constant.default.unwrap_or_default();
        constants.entry(constant.name.to_owned()).or_insert_with(|| value.to_owned());
    }
    let own: Vec<PageValue> = if profile.open { env.list(&WIDGET_PAGE_VALUES) } else { Vec::new() };
    let fixed = profile.page_values.iter().map(|(name, shape)| PageValue { name: (*name).to_owned(), shape: *shape });
    let values: Vec<PageValue> = fixed.chain(own).collect();
    let untrusted = values.iter().map(|value| value.name.clone()).collect();
    (Surroundings { constants, untrusted }, values)
}

/// `{"name": "value"}`, or `name=value` separated by commas.
fn parse_constants(env: &mut Env, text: &str) -> BTreeMap<String, String> {
    let pairs: Option<BTreeMap<String, String>> = if text.trim_start().starts_with('{') {
        let object = serde_json::from_str::<BTreeMap<String, Value>>(text).ok();
        object.and_then(|object| object.into_iter().map(|(name, value)| Some((name, scalar(&value)?))).collect())
    } else {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        pairs.map(|p| p.split_once('=').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()))).collect()
    };
    let fits = |text: &String| text.chars().count() <= CONSTANT_MAX && !text.chars().any(char::is_control);
    let name = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    let sound = pairs.filter(|pairs| pairs.iter().all(|(n, value)| name(n) && fits(value) && !value.is_empty()));
    sound.unwrap_or_else(|| {
        env.mistake_in(
            &WIDGET_CONSTANTS,
            "is neither name=value,name=value nor a JSON object of texts; no value may be empty",
        );
        BTreeMap::new()
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
