//! A keyed digest of a few values, for vendors that verify HMAC-SHA256 of an identifier instead of a token.
//!
//! What is signed are members of the very answer that the page gets: the identifier it shows the vendor and the one that
//! was signed cannot differ by a byte. Such a digest rarely ends by itself; whoever holds one can use it until the secret is
//! changed.

use std::borrow::Cow;
use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use secrecy::SecretSlice;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::signer::{KeyError, MacKey, Proof};

/// What is signed and how the digest is written. Read from JSON:
///
/// ```json
/// { "parts": ["id", "email"], "separator": ":", "field": "authkey" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestFormat {
    /// What is signed, in order.
    pub parts: Vec<Part>,
    /// Stands between the parts.
    #[serde(default)]
    pub separator: String,
    /// Whether the separator stands after the last part too.
    #[serde(default)]
    pub terminated: bool,
    /// How the digest's bytes are written.
    #[serde(default)]
    pub output: Output,
    /// Member of the answer that holds the digest.
    pub field: String,
    /// Written in front of the digest, without separator.
    #[serde(default)]
    pub prefix: Vec<Part>,
    /// The members that the page gets beside the digest; all when none is named.
    #[serde(default)]
    pub answer: Vec<String>,
    /// Whether the answer holds these members and no others, because the vendor's library passes it on as it is.
    #[serde(default)]
    pub exact: bool,
}

/// How a digest's bytes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Lower-case hexadecimal.
    #[default]
    Hex,
    /// RFC 4648 section 4, padded.
    Base64,
}

/// One part of what is signed: `'text'` stands for itself, `name` for that member of the answer, empty when it is absent.
/// `name?` is left out with its separator when it is absent, and `name*` may hold the separator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Part {
    /// A text that stands for itself.
    Literal(String),
    /// A member of the answer.
    Member {
        /// Its name.
        name: String,
        /// Left out when it is absent.
        optional: bool,
        /// May hold the separator.
        free: bool,
    },
}

impl TryFrom<String> for Part {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(literal) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
            return Ok(Self::Literal(literal.to_owned()));
        }
        let name = text.trim_end_matches(['?', '*']);
        let marks = &text[name.len()..];
        if name.is_empty() || name.contains('\'') || marks.len() > 2 {
            return Err("a part is the name of a member, with `?` or `*` after it, or a text in single quotes");
        }
        Ok(Self::Member { name: name.to_owned(), optional: marks.contains('?'), free: marks.contains('*') })
    }
}

impl Part {
    /// The member it reads.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Member { name, .. } => Some(name),
        }
    }

    fn text<'a>(&'a self, members: &'a Map<String, Value>) -> Option<Cow<'a, str>> {
        let (name, optional) = match self {
            Self::Literal(text) => return Some(Cow::Borrowed(text)),
            Self::Member { name, optional, .. } => (name, *optional),
        };
        match members.get(name) {
            Some(Value::String(text)) => Some(Cow::Borrowed(text)),
            None | Some(Value::Null) => (!optional).then_some(Cow::Borrowed("")),
            Some(other) => Some(Cow::Owned(other.to_string())),
        }
    }

    /// Whether it may be absent from every answer.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        matches!(self, Self::Member { optional: true, .. })
    }

    fn may_hold_anything(&self) -> bool {
        matches!(self, Self::Literal(_) | Self::Member { free: true, .. })
    }
}

/// A part holds the separator: the same digest would then also stand for other parts, and so for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` holds the separator of the signed text")]
pub struct Ambiguous(pub String);

impl DigestFormat {
    /// The text that is signed.
    ///
    /// # Errors
    /// [`Ambiguous`] when it could be read in two ways.
    pub fn text(&self, members: &Map<String, Value>) -> Result<String, Ambiguous> {
        let mut texts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let Some(text) = part.text(members) else { continue };
            let splits = !self.separator.is_empty() && text.contains(&self.separator);
            if splits && self.parts.len() > 1 && !part.may_hold_anything() {
                return Err(Ambiguous(part.member().unwrap_or_default().to_owned()));
            }
            texts.push(text);
        }
        let mut whole = texts.join(&self.separator);
        if self.terminated {
            whole.push_str(&self.separator);
        }
        Ok(whole)
    }

    /// The members that the page gets beside the digest.
    #[must_use]
    pub fn beside(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let wanted = |name: &String| self.answer.is_empty() || self.answer.contains(name);
        members.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// A digest format with its key.
pub struct DigestSigner {
    key: MacKey,
    format: DigestFormat,
}

impl fmt::Debug for DigestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestSigner").field("format", &self.format).finish_non_exhaustive()
    }
}

impl DigestSigner {
    /// A signer with this key.
    ///
    /// # Errors
    /// [`KeyError`] when there is no key.
    pub fn new(key: &SecretSlice<u8>, format: DigestFormat) -> Result<Self, KeyError> {
        Ok(Self { key: MacKey::new(key)?, format })
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> &DigestFormat {
        &self.format
    }

    /// The digest of these members, as it is written in the answer.
    ///
    /// # Errors
    /// [`Ambiguous`] when what is signed could be read in two ways.
    pub fn sign(&self, members: &Map<String, Value>) -> Result<Proof, Ambiguous> {
        let text = self.format.text(members)?;
        let prefix: String = self.format.prefix.iter().filter_map(|part| part.text(members)).collect();
        let write = |tag: &[u8]| match self.format.output {
            Output::Hex => prefix + &HEXLOWER.encode(tag.as_ref()),
            Output::Base64 => prefix + &BASE64.encode(tag.as_ref()),
        };
        Ok(self.key.proof(text.as_bytes(), write))
    }
}
