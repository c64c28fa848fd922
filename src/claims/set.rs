//! A complete claim set.

use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use crate::base::clock::UnixTime;

/// A claim's name: one of ours, or of a template that many claim sets share.
#[derive(Debug, Clone)]
pub(super) enum Name {
    Ours(&'static str),
    Shared(Arc<str>),
}

impl Name {
    fn as_str(&self) -> &str {
        match self {
            Self::Ours(name) => name,
            Self::Shared(name) => name,
        }
    }
}

/// A complete claim set. Made by [`super::ClaimTemplate::fill`] only.
///
/// A list: a token has a handful of claims, and comparing so few names costs less than hashing one.
#[derive(Clone)]
pub struct Claims {
    list: Vec<(Name, Value)>,
    expires_at: UnixTime,
}

impl Claims {
    pub(super) fn with_capacity(most: usize, expires_at: UnixTime) -> Self {
        Self { list: Vec::with_capacity(most), expires_at }
    }

    /// Adds a claim, or replaces it.
    pub(super) fn insert(&mut self, name: Name, value: Value) {
        match self.list.iter_mut().find(|(known, _)| known.as_str() == name.as_str()) {
            Some((_, old)) => *old = value,
            None => self.list.push((name, value)),
        }
    }

    /// The claim of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.list.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value)
    }

    /// The claims as a JSON object, for previews.
    #[must_use]
    pub fn map(&self) -> Map<String, Value> {
        self.list.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect()
    }

    /// When what is made of these claims ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.list.len()))?;
        for (name, value) in &self.list {
            map.serialize_entry(name.as_str(), value)?;
        }
        map.end()
    }
}

/// Names only: claim values are personal data.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|(name, _)| name.as_str())).finish()
    }
}
