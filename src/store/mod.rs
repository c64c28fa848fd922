//! What must outlive a request and be the same for every replica: session records, and marks of things that may happen
//! only once.
//!
//! A [`Store`] is a `tower_sessions::SessionStore`, so whatever reads or writes sessions through that trait works with it.
//! It does once, for every backend, what must be right everywhere: session ids are hashed before they leave it, so
//! that whoever reads a database, a backup or a slow-query log can log in as nobody (S-2); records are JSON; what has
//! expired by our clock is not there; a deleted session is not revived by somebody who still holds it; and no call takes
//! longer than [`DEADLINE`]. A [`Backend`] keeps rows by key and knows nothing of sessions.

mod access;
mod backend;
pub mod limits;
mod losses;
pub mod memory;
pub mod place;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod tower;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;
use tower_sessions::session::Id;

use crate::base::availability::{Availability, SESSION_STORE};
use crate::base::clock::{Clock, UnixTime, random_bytes};
use crate::net::outbound::breaker::{Breaker, Outcome};
pub use crate::store::backend::{Backend, Down, Key, Row, Tags};
use crate::store::losses::Presence;
use crate::store::place::Settings;

/// Longest time a call to a store may take. A visitor who waits longer than this has gone.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// Most rows that one step of a sweep removes, so that no sweep holds a lock for long.
const SWEEP_STEP: u32 = 1000;
/// How long a sweep rests between two steps, for whoever waits for the lock.
const SWEEP_REST: Duration = Duration::from_millis(20);

/// The text of a record. The id is not in it: the row's name is its hash.
#[derive(Serialize, Deserialize)]
struct Text {
    expires_at: UnixTime,
    data: HashMap<String, Value>,
}

/// The shared state. Cheap to clone; clones are one store.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Option<Settings>,
    backend: OnceCell<Box<dyn Backend>>,
    breaker: Breaker,
    watched: Option<Arc<Availability>>,
    /// It has refused something, and has kept nothing since.
    refused: AtomicBool,
    presence: Presence,
    clock: Clock,
}

/// What a call asks of a store. One that is full or read-only refuses what is to be kept, and answers everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Keep,
    Other,
}

impl Store {
    /// The store of these settings. It is opened when it is first needed, or by [`Store::open`].
    #[must_use]
    pub fn at(place: Settings, clock: Clock) -> Self {
        let watched = Availability::of(SESSION_STORE, &place.to_string(), &clock);
        Self::made(Some(place), OnceCell::new(), Some(watched), clock)
    }

    /// A store over this backend.
    #[must_use]
    pub fn over(backend: impl Backend, clock: Clock) -> Self {
        Self::made(None, OnceCell::new_with(Some(Box::new(backend))), None, clock)
    }

    /// A store over this backend, whose outages are told as those of `watched`.
    #[must_use]
    pub fn watched(backend: impl Backend, watched: Arc<Availability>, clock: Clock) -> Self {
        Self::made(None, OnceCell::new_with(Some(Box::new(backend))), Some(watched), clock)
    }

    fn made(
        place: Option<Settings>,
        backend: OnceCell<Box<dyn Backend>>,
        watched: Option<Arc<Availability>>,
        clock: Clock,
    ) -> Self {
        let breaker = Breaker::new(clock.clone());
        let (refused, presence) = (AtomicBool::default(), Presence::new());
        Self(Arc::new(Inner { place, backend, breaker, watched, refused, presence, clock }))
    }

    /// A store that ends with the process.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self::over(memory::Memory::default(), clock)
    }

    /// Opens the store, so that a file that cannot be used stops the start and not the first visitor. A server may still
    /// be starting: [`Store::ping`] tells.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn open(&self) -> Result<(), String> {
        self.opened().await.map(drop)
    }

    async fn opened(&self) -> Result<&dyn Backend, String> {
        let open = || async {
            match &self.0.place {
                Some(place) => place.open().await,
                None => Err("there is no place to open".to_owned()),
            }
        };
        Ok(self.0.backend.get_or_try_init(open).await?.as_ref())
    }

    async fn backend(&self) -> Result<&dyn Backend, Down> {
        self.opened().await.map_err(|problem| {
            tracing::error!(%problem, "the session store cannot be opened");
            Down::Refused
        })
    }

    fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// Makes a call, unless calls have kept failing: who waits for a store that does not answer waits for nothing.
    async fn bounded<T>(&self, access: Access, call: impl Future<Output = Result<T, Down>>) -> Result<T, Down> {
        let watched = self.0.watched.as_deref();
        let _calling = watched.map(Availability::calling);
        let turn = self.0.breaker.admit().map_err(|_| {
            watched.inspect(|watched| watched.turn_away());
            Down::NoConnection
        })?;
        let since = self.0.clock.monotonic();
        let result = tokio::time::timeout(DEADLINE, call).await.unwrap_or(Err(Down::Deadline));
        if let Some(watched) = watched {
            watched.took.note(self.0.clock.monotonic().saturating_sub(since));
            self.tell(watched, access, result.as_ref().err().copied());
        }
        let failed = matches!(result, Err(Down::NoConnection | Down::Deadline));
        turn.settle(if failed { Outcome::Failed } else { Outcome::Well });
        watched.inspect(|watched| watched.set_resting(self.0.breaker.is_open()));
        result
    }

    fn tell(&self, watched: &Availability, access: Access, problem: Option<Down>) {
        match (problem, access) {
            (Some(Down::Refused), _) => self.0.refused.store(true, Ordering::Relaxed),
            (None, Access::Keep) => self.0.refused.store(false, Ordering::Relaxed),
            _ => {}
        }
        match problem {
            None | Some(Down::Unreadable) if self.0.refused.load(Ordering::Relaxed) => {}
            None | Some(Down::Unreadable) => watched.up(),
            Some(down) => watched.down(&down.to_string()),
        }
    }

    /// Keeps a new session under a fresh id and returns the id.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn begin(&self, data: HashMap<String, Value>, expires_at: UnixTime, tags: &Tags) -> Result<Id, Down> {
        self.begin_with(|_| Ok(data.clone()), expires_at, tags).await
    }

    /// The same with data that depend on the id.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn begin_with(
        &self,
        data: impl Fn(&Id) -> Result<HashMap<String, Value>, Down>,
        expires_at: UnixTime,
        tags: &Tags,
    ) -> Result<Id, Down> {
        // 128 random bits do not collide; a generator that repeats itself must not hand out somebody else's session.
        for _ in 0..3 {
            let id = fresh_id();
            let text = text_of(data(&id)?, expires_at)?;
            let key = Key::of_session(&id);
            let row = Row { key: &key, text: &text, expires_at, now: self.now() };
            if self.bounded(Access::Keep, async { self.backend().await?.insert(row, tags).await }).await? {
                return Ok(id);
            }
        }
        Err(Down::Refused)
    }

    /// Replaces the data of a session that still runs; false when it ended meanwhile, and then it stays ended.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn replace(&self, id: &Id, data: HashMap<String, Value>, expires_at: UnixTime) -> Result<bool, Down> {
        let text = text_of(data, expires_at)?;
        let key = Key::of_session(id);
        let row = Row { key: &key, text: &text, expires_at, now: self.now() };
        self.bounded(Access::Other, async { self.backend().await?.update(row).await }).await
    }

    /// The data of a session that still runs, and when it ends.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn find(&self, id: &Id) -> Result<Option<(HashMap<String, Value>, UnixTime)>, Down> {
        let text = self.text(&Key::of_session(id)).await?;
        Ok(text.map(|text| (text.data, text.expires_at)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end(&self, id: &Id) -> Result<(), Down> {
        self.bounded(Access::Other, async { self.backend().await?.remove(&Key::of_session(id)).await }).await
    }

    /// Ends every session with this tag, and says how many there were.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end_tagged(&self, tag: &Key) -> Result<u64, Down> {
        self.bounded(Access::Other, async { self.backend().await?.remove_tagged(tag).await }).await
    }

    /// Marks something as done until `until`; false when it was marked before. Of any number of callers on any number of
    /// replicas exactly one gets true.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn first(&self, mark: &Key, until: UnixTime) -> Result<bool, Down> {
        self.bounded(Access::Keep, async { self.backend().await?.mark(mark, self.now(), until).await }).await
    }

    /// Whether something is marked as done.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn is_marked(&self, mark: &Key) -> Result<bool, Down> {
        self.bounded(Access::Other, async { self.backend().await?.is_marked(mark, self.now()).await }).await
    }

    /// Notes something under this name until `until`, in the place of what was noted there before.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn note(&self, key: &Key, data: HashMap<String, Value>, until: UnixTime) -> Result<(), Down> {
        let text = text_of(data, until)?;
        let row = Row { key, text: &text, expires_at: until, now: self.now() };
        self.bounded(Access::Keep, async {
            let backend = self.backend().await?;
            if backend.update(row).await? {
                return Ok(());
            }
            // What has expired is in the way of what is new.
            backend.remove(key).await?;
            // False is another replica's note of this very moment.
            backend.insert(row, &Tags::NONE).await.map(drop)
        })
        .await
    }

    /// What is noted under this name, unless it has run out.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn noted(&self, key: &Key) -> Result<Option<HashMap<String, Value>>, Down> {
        Ok(self.text(key).await?.map(|text| text.data))
    }

    async fn text(&self, key: &Key) -> Result<Option<Text>, Down> {
        let text = self.bounded(Access::Other, async { self.backend().await?.find(key).await }).await?;
        let text: Option<Text> =
            text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| Down::Unreadable)?;
        Ok(text.filter(|text| self.now() < text.expires_at))
    }

    /// Whether it is being left alone at present, because calls kept failing.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.0.breaker.is_open()
    }

    /// Whether the store would answer, for readiness.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn ping(&self) -> Result<(), Down> {
        self.bounded(Access::Other, async { self.backend().await?.ping().await }).await
    }

    /// Forgets what has expired, a step at a time, and says how much that was. To be called now and then.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn sweep(&self) -> Result<u64, Down> {
        let mut total = 0;
        loop {
            let step = self
                .bounded(Access::Other, async { self.backend().await?.sweep(self.now(), SWEEP_STEP).await })
                .await?;
            total += step;
            if step < u64::from(SWEEP_STEP) {
                return Ok(total);
            }
            tokio::time::sleep(SWEEP_REST).await;
        }
    }
}

fn text_of(data: HashMap<String, Value>, expires_at: UnixTime) -> Result<String, Down> {
    serde_json::to_string(&Text { expires_at, data }).map_err(|_| Down::Unreadable)
}

fn fresh_id() -> Id {
    Id(i128::from_le_bytes(random_bytes()))
}

/// The stores in use, so that one whose settings are read again stays open: sessions in memory must survive a new certificate.
/// One that no configuration uses any more is closed.
#[derive(Debug, Clone, Default)]
pub struct Stores(Arc<Mutex<Vec<Weak<Inner>>>>);

impl Stores {
    /// The store of these settings: the one that is there already, or a new one.
    #[must_use]
    pub fn at(&self, place: &Settings, clock: &Clock) -> Store {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stores.retain(|store| store.strong_count() > 0);
        let mut open = stores.iter().filter_map(Weak::upgrade);
        if let Some(known) = open.find(|store| store.place.as_ref().is_some_and(|known| known.is(place))) {
            return Store(known);
        }
        let store = Store::at(place.clone(), clock.clone());
        stores.push(Arc::downgrade(&store.0));
        store
    }
}
