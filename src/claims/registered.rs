//! The claims that are ours: laid over the template last, and named in no template.

use std::borrow::Cow;

use serde_json::Value;

use super::rule::is_alphanumeric;
use super::set::{Claims, Name};
use super::{Incomplete, Missing, Stamp};

/// Claims with a meaning of their own (RFC 7519 section 4.1). No template sets them, at any depth.
const RESERVED: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// The registered claims a widget's vendor wants, laid over the template last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `iss`, when wanted.
    pub issuer: Option<String>,
    /// `aud`: none, one string, or an array of several.
    pub audience: Vec<String>,
    /// The claim that says who the visitor is, and what it accepts; `None` when the template carries identity its own way.
    pub subject: Option<SubjectRule>,
    /// Which claims are taken from the stamp.
    pub stamped: Vec<Stamped>,
}

/// A claim whose value comes from the [`Stamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamped {
    /// `iat`.
    IssuedAt,
    /// `nbf`.
    NotBefore,
    /// `exp`. Left out only for vendors that refuse or ignore it.
    Expires,
    /// `jti`.
    Id,
}

impl Stamped {
    /// The claim.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IssuedAt => "iat",
            Self::NotBefore => "nbf",
            Self::Expires => "exp",
            Self::Id => "jti",
        }
    }

    pub(super) fn claim(self, stamp: &Stamp) -> (&'static str, Value) {
        let value = match self {
            Self::IssuedAt | Self::NotBefore => Value::from(stamp.issued_at.0),
            Self::Expires => Value::from(stamp.expires_at.0),
            Self::Id => Value::from(stamp.id()),
        };
        (self.name(), value)
    }
}

/// What the claim that identifies the visitor is called and accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRule {
    /// `sub`, `external_id`, `userId`, ...
    pub claim: Cow<'static, str>,
    /// Longest value in characters.
    pub max: usize,
    /// Whether only ASCII letters and digits are accepted.
    pub alphanumeric: bool,
}

impl Registered {
    pub(super) fn lay_over(&self, claims: &mut Claims, subject: &str, stamp: &Stamp) -> Result<(), Incomplete> {
        if let Some(rule) = &self.subject {
            rule.accepts(subject).map_err(|reason| Incomplete { claim: rule.claim.to_string(), reason })?;
            let name = match &rule.claim {
                Cow::Borrowed(name) => Name::Ours(name),
                Cow::Owned(name) => Name::Shared(name.as_str().into()),
            };
            claims.insert(name, Value::from(subject));
        }
        let audience = match self.audience.as_slice() {
            [] => None,
            [one] => Some(Value::from(one.as_str())),
            many => Some(Value::from(many)),
        };
        let issuer = self.issuer.as_deref().map(|issuer| ("iss", Value::from(issuer)));
        let named = issuer.into_iter().chain(audience.map(|audience| ("aud", audience)));
        let all = named.chain(self.stamped.iter().map(|stamped| stamped.claim(stamp)));
        for (name, value) in all {
            claims.insert(Name::Ours(name), value);
        }
        Ok(())
    }

    pub(super) fn forbids(&self, name: &str) -> bool {
        match &self.subject {
            Some(rule) => name == "sub" || name == rule.claim || RESERVED.contains(&name),
            None => RESERVED.contains(&name),
        }
    }
}

impl SubjectRule {
    pub(super) fn accepts(&self, subject: &str) -> Result<(), Missing> {
        if self.alphanumeric && !is_alphanumeric(subject) {
            return Err(Missing::NotAlphanumeric);
        }
        let fits = subject.len() <= self.max || subject.chars().count() <= self.max;
        fits.then_some(()).ok_or(Missing::TooLong)
    }
}
