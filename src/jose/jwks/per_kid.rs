//! Keys that are published one by one, as PEM under their own id: AWS load balancers and Verified Access.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use crate::base::clock::Clock;
use crate::jose::jwks::key::{Key, KeySet};
use crate::jose::jwks::remote::{RETRY, Remote, Unavailable, WINDOW, callable};
use crate::net::outbound::Outbound;

/// Most keys that are kept. A load balancer signs with one at a time and a region has few.
const KEPT: usize = 16;

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
    fruitless: Option<Fruitless>,
}

/// The last look-up of a new id that brought nothing.
#[derive(Debug, Clone, Copy)]
struct Fruitless {
    at: Duration,
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

    /// The key of this id; `None` when there is none. An id that is not a UUID is never looked up.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be found out.
    pub async fn get(&self, id: &str) -> Result<Option<Arc<KeySet>>, Unavailable> {
        if !is_uuid(id) {
            return Ok(None);
        }
        let known = self.lock().recall(id);
        match known {
            Some(known) => self.current(id, &known).await,
            None => self.look_up(id).await,
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

    async fn look_up(&self, id: &str) -> Result<Option<Arc<KeySet>>, Unavailable> {
        let _turn = self.0.one_at_a_time.lock().await;
        let known = self.lock().recall(id);
        if let Some(known) = known {
            return self.current(id, &known).await;
        }
        if let Some(recent) = self.lock().recent(self.now()) {
            return recent.failure.map_or(Ok(None), Err);
        }
        // Counted as fruitless until it bears fruit: a caller who hangs up has had a turn too.
        self.lock().fruitless = Some(Fruitless { at: self.now(), failure: None });
        let remote = self.remote(id)?;
        let found = remote.get().await;
        let mut known = self.lock();
        match found {
            Ok(keys) => {
                known.fruitless = None;
                known.remember(id, remote);
                Ok(Some(keys))
            }
            Err(failure) if failure.absent => Ok(None),
            Err(failure) => {
                known.fruitless = Some(Fruitless { at: self.now(), failure: Some(failure) });
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

    /// A fruitless look-up so recent that no other is made.
    fn recent(&self, now: Duration) -> Option<Fruitless> {
        self.fruitless.filter(|last| {
            let rest = if last.failure.is_some() { RETRY } else { WINDOW };
            now.saturating_sub(last.at) < rest
        })
    }
}

/// 8-4-4-4-12 hexadecimal digits, lower case as AWS writes them: nothing that means anything in an address.
fn is_uuid(id: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.len() == 36 && id.bytes().enumerate().all(|(at, byte)| if dash(at) { byte == b'-' } else { hex(byte) })
}
