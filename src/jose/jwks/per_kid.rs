//! Keys that are published one by one, as PEM under their own id: AWS load balancers and Verified Access.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use crate::base::clock::Clock;
use crate::jose::jwks::key::{Key, KeySet};
use crate::jose::jwks::remote::{RETRY, Remote, Unavailable, WINDOW, callable};
use crate::net::outbound::Outbound;

/// Most keys that are kept. A load balancer signs with one at a time and a region has few.
const KEPT: usize = 16;
/// Most fruitless look-ups per [`WINDOW`], whoever asked, and most ids that are remembered as absent.
const FRUITLESS: usize = 64;

/// The keys under one address. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct PerKid(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Url,
    outbound: Outbound,
    clock: Clock,
    known: Mutex<Known>,
    /// Whoever asks for a key nobody asked for before passes here one by one: unverified ids cost one call at a time.
    one_at_a_time: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// Most recently used first.
    keys: VecDeque<(String, Remote<KeySet>)>,
    /// Ids that were looked up and are not there, with when that was.
    absent: VecDeque<(String, Duration)>,
    fruitless: VecDeque<Fruitless>,
}

/// A look-up of a new id that brought nothing.
#[derive(Debug, Clone, Copy)]
struct Fruitless {
    at: Duration,
    asker: Option<IpAddr>,
    failure: Option<Unavailable>,
}

impl PerKid {
    /// Keys at `base` followed by their id.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called.
    pub fn new(base: &Url, outbound: &Outbound, clock: Clock) -> Result<Self, String> {
        callable(base)?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err("the address that a key id is appended to has neither query nor fragment".to_owned());
        }
        let mut base = base.clone();
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let (known, one_at_a_time) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self(Arc::new(Inner { base, outbound: outbound.clone(), clock, known, one_at_a_time })))
    }

    /// What a key's id is appended to.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0.base
    }

    /// The key of this id; `None` when there is none. An id that is not a UUID is never looked up. Whoever asks for ids
    /// that are not there uses up look-ups of their own and not those of others, so that nobody can keep a new key unknown.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be found out, or is not looked up at present: a key nobody looked for may well be there.
    pub async fn get(&self, id: &str, asker: Option<IpAddr>) -> Result<Option<Arc<KeySet>>, Unavailable> {
        if !is_uuid(id) {
            return Ok(None);
        }
        let known = self.lock().recall(id);
        match known {
            Some(known) => self.current(id, &known).await,
            None => self.look_up(id, asker).await,
        }
    }

    async fn current(&self, id: &str, known: &Remote<KeySet>) -> Result<Option<Arc<KeySet>>, Unavailable> {
        match known.get().await {
            Err(failure) if failure.absent => {
                self.lock().keys.retain(|(name, _)| name != id);
                Ok(None)
            }
            found => found.map(Some),
        }
    }

    async fn look_up(&self, id: &str, asker: Option<IpAddr>) -> Result<Option<Arc<KeySet>>, Unavailable> {
        let _turn = self.0.one_at_a_time.lock().await;
        let known = self.lock().recall(id);
        if let Some(known) = known {
            return self.current(id, &known).await;
        }
        if self.lock().is_absent(id, self.now()) {
            return Ok(None);
        }
        // Counted as fruitless until it bears fruit: a caller who hangs up has had a turn too.
        self.lock().take_turn(asker, self.now())?;
        let remote = self.remote(id)?;
        let found = remote.get().await;
        let mut known = self.lock();
        match found {
            Ok(keys) => {
                known.fruitless.pop_back();
                known.remember(id, remote);
                Ok(Some(keys))
            }
            Err(failure) if failure.absent => {
                known.absent.push_front((id.to_owned(), self.now()));
                known.absent.truncate(FRUITLESS);
                Ok(None)
            }
            Err(failure) => {
                if let Some(last) = known.fruitless.back_mut() {
                    *last = Fruitless { at: self.now(), failure: Some(failure), ..*last };
                }
                Err(failure)
            }
        }
    }

    fn remote(&self, id: &str) -> Result<Remote<KeySet>, Unavailable> {
        let unusable = |_| Unavailable::because("key_address");
        let url = self.0.base.join(id).map_err(|_| Unavailable::because("key_address"))?;
        let name = id.to_owned();
        let read = move |text: &[u8]| {
            let key = Key::from_pem(text, Some(name.clone())).ok_or("not_a_public_key")?;
            Ok(KeySet::of(vec![key]))
        };
        Remote::new(url, &self.0.outbound, self.0.clock.clone(), read).map_err(unusable)
    }

    fn now(&self) -> Duration {
        self.0.clock.monotonic()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn recall(&mut self, id: &str) -> Option<Remote<KeySet>> {
        let at = self.keys.iter().position(|(known, _)| known == id)?;
        let entry = self.keys.remove(at)?;
        let remote = entry.1.clone();
        self.keys.push_front(entry);
        Some(remote)
    }

    fn remember(&mut self, id: &str, remote: Remote<KeySet>) {
        self.keys.push_front((id.to_owned(), remote));
        self.keys.truncate(KEPT);
    }

    fn is_absent(&self, id: &str, now: Duration) -> bool {
        self.absent.iter().any(|(known, at)| known == id && now.saturating_sub(*at) < WINDOW)
    }

    /// Permission to look up an id that nobody asked for before.
    fn take_turn(&mut self, asker: Option<IpAddr>, now: Duration) -> Result<(), Unavailable> {
        let rest = |turn: &Fruitless| if turn.failure.is_some() { RETRY } else { WINDOW };
        self.fruitless.retain(|turn| now.saturating_sub(turn.at) < rest(turn));
        if let Some(failure) = self.fruitless.iter().find_map(|turn| turn.failure) {
            return Err(failure);
        }
        let own = self.fruitless.iter().find(|turn| turn.asker == asker);
        let full = self.fruitless.front().filter(|_| self.fruitless.len() >= FRUITLESS);
        if let Some(turn) = own.or(full) {
            let retry_after = Some(WINDOW.saturating_sub(now.saturating_sub(turn.at)));
            return Err(Unavailable { retry_after, ..Unavailable::because("key_lookups_limited") });
        }
        self.fruitless.push_back(Fruitless { at: now, asker, failure: None });
        Ok(())
    }
}

/// 8-4-4-4-12 hexadecimal digits, lower case as AWS writes them: nothing that means anything in an address.
fn is_uuid(id: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.len() == 36 && id.bytes().enumerate().all(|(at, byte)| if dash(at) { byte == b'-' } else { hex(byte) })
}
