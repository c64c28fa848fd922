//! Vendors' tokens that still serve the visitor they were made for, and visitors whom the vendor is known to know.
//!
//! Everything is kept under a hash of the whole request and its visitor: another visitor, another name, another address ask
//! for another token. Nothing of it is written anywhere.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use super::answer::Exchanged;
use crate::base::clock::UnixTime;

/// Most tokens and most visitors that are kept.
const MOST: usize = 10_000;
/// A token that ends sooner than this is not given out again, when its life is long enough to have a choice.
const MARGIN: Duration = Duration::from_mins(5);

/// Names one request of one visitor.
pub type Key = [u8; 32];

/// The key of these parts.
#[must_use]
pub fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(&part.len().to_be_bytes());
        hash.update(part);
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    key
}

/// What is kept of one widget's vendor.
#[derive(Debug, Default)]
pub struct Kept {
    tokens: Mutex<HashMap<Key, (Exchanged, UnixTime)>>,
    known: Mutex<HashSet<Key>>,
}

impl Kept {
    /// The token that still serves.
    #[must_use]
    pub fn token(&self, key: &Key, now: UnixTime) -> Option<Exchanged> {
        let tokens = locked(&self.tokens);
        tokens.get(key).filter(|(_, serves_until)| now < *serves_until).map(|(token, _)| token.clone())
    }

    /// Keeps a token for as long as it serves; one whose end is not known is not kept.
    pub fn keep(&self, key: Key, token: &Exchanged, now: UnixTime) {
        let Some(left) = token.left(now) else { return };
        let serves_until = now.plus(left.saturating_sub(MARGIN.min(left / 5)));
        let mut tokens = locked(&self.tokens);
        make_room(&mut tokens, now);
        tokens.insert(key, (token.clone(), serves_until));
    }

    /// Whether the vendor is known to know this visitor.
    #[must_use]
    pub fn knows(&self, key: &Key) -> bool {
        locked(&self.known).contains(key)
    }

    /// Remembers that it does.
    pub fn met(&self, key: Key) {
        let mut known = locked(&self.known);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key);
    }

    /// Forgets that it does: the vendor said so.
    pub fn unmet(&self, key: &Key) {
        locked(&self.known).remove(key);
    }
}

fn make_room(tokens: &mut HashMap<Key, (Exchanged, UnixTime)>, now: UnixTime) {
    if tokens.len() < MOST {
        return;
    }
    tokens.retain(|_, (_, serves_until)| now < *serves_until);
    if tokens.len() >= MOST {
        tokens.clear();
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
