//! Whoever looks after the service reads of every outage when it begins and when it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::base::availability::{Availability, SESSION_ENDPOINT, SESSION_STORE};
use countersign::base::clock::{Clock, UnixTime};
use countersign::config::env::Env;
use countersign::store::memory::Memory;
use countersign::store::{Backend, Down, Key, Row, Store, Tags, place};

use crate::kit::START;
use crate::logs::{Log, listen};

fn log() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let guard = listen(subscriber);
    (log, guard)
}

fn count(log: &Log, words: &str) -> usize {
    log.text().lines().filter(|line| line.contains(words)).count()
}

#[test]
fn an_outage_has_one_line_at_each_end_however_many_meet_it() {
    let (log, _guard) = log();
    let (clock, hands) = Clock::manual(START);
    let endpoint = Availability::of(SESSION_ENDPOINT, "sso.example.org", &clock);
    endpoint.up();
    assert_eq!(log.text(), "");
    for _ in 0..3 {
        endpoint.down("connection refused");
    }
    endpoint.turn_away();
    hands.advance(Duration::from_secs(90));
    assert!(!endpoint.look().up);
    endpoint.up();
    endpoint.up();
    assert_eq!(count(&log, "the session endpoint is down: visitors get 503"), 1, "{}", log.text());
    assert!(log.text().contains("host=\"sso.example.org\" cause=\"connection refused\""), "{}", log.text());
    assert_eq!(count(&log, "the session endpoint is back"), 1);
    assert!(log.text().contains("down_seconds=90 turned_away=4"), "{}", log.text());
    assert!(endpoint.look().up);
}

#[tokio::test]
async fn a_session_store_that_is_away_is_named_without_its_password() {
    let (log, _guard) = log();
    let vars = [("SESSION_STORE", "redis://:canary-password@127.0.0.1:9/0")];
    let mut env = Env::new(vars);
    let settings = place::Settings::read(&mut env).unwrap();
    let (clock, _hands) = Clock::manual(START);
    let store = Store::at(settings, clock);
    store.ping().await.unwrap_err();
    store.ping().await.unwrap_err();
    assert_eq!(count(&log, "the session store is down"), 1, "{}", log.text());
    assert!(log.text().contains("127.0.0.1:9") && !log.text().contains("canary"), "{}", log.text());
}

/// A server that can be made full, and emptied.
#[derive(Debug, Clone, Default)]
struct Server {
    kept: Arc<Mutex<Arc<Memory>>>,
    full: Arc<AtomicBool>,
}

impl Server {
    fn store(&self, host: &str, clock: &Clock) -> Store {
        Store::watched(self.clone(), Availability::of(SESSION_STORE, host, clock), clock.clone())
    }

    fn empty(&self) {
        *self.kept.lock().unwrap() = Arc::default();
    }

    fn kept(&self) -> Arc<Memory> {
        self.kept.lock().unwrap().clone()
    }

    fn room(&self) -> Result<Arc<Memory>, Down> {
        if self.full.load(Ordering::SeqCst) { Err(Down::Refused) } else { Ok(self.kept()) }
    }
}

#[async_trait::async_trait]
impl Backend for Server {
    async fn insert(&self, row: Row<'_>, tags: &Tags) -> Result<bool, Down> {
        self.room()?.insert(row, tags).await
    }
    async fn update(&self, row: Row<'_>) -> Result<bool, Down> {
        self.room()?.update(row).await
    }
    async fn find(&self, key: &Key) -> Result<Option<String>, Down> {
        self.kept().find(key).await
    }
    async fn remove(&self, key: &Key) -> Result<(), Down> {
        self.kept().remove(key).await
    }
    async fn remove_tagged(&self, tag: &Key) -> Result<u64, Down> {
        self.kept().remove_tagged(tag).await
    }
    async fn mark(&self, key: &Key, now: UnixTime, until: UnixTime) -> Result<bool, Down> {
        self.room()?.mark(key, now, until).await
    }
    async fn is_marked(&self, key: &Key, now: UnixTime) -> Result<bool, Down> {
        self.kept().is_marked(key, now).await
    }
    async fn ping(&self) -> Result<(), Down> {
        Ok(())
    }
    async fn sweep(&self, now: UnixTime, most: u32) -> Result<u64, Down> {
        self.kept().sweep(now, most).await
    }
}

#[tokio::test]
async fn a_store_that_can_only_be_read_is_down_until_it_keeps_something() {
    let (log, _guard) = log();
    let (clock, _hands) = Clock::manual(START);
    let (server, key) = (Server::default(), Key::of("test", &["a"]));
    let store = server.store("full.example.org", &clock);
    server.full.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        store.first(&key, START.plus(Duration::from_mins(1))).await.unwrap_err();
        assert!(!store.is_marked(&key).await.unwrap(), "it is read all the while");
    }
    assert_eq!(count(&log, "the session store is down"), 1, "{}", log.text());
    assert_eq!(count(&log, "the session store is back"), 0, "{}", log.text());
    server.full.store(false, Ordering::SeqCst);
    assert!(store.first(&key, START.plus(Duration::from_mins(1))).await.unwrap());
    assert_eq!(count(&log, "the session store is back"), 1, "{}", log.text());
}

#[tokio::test]
async fn a_store_that_comes_back_empty_is_said_to_have_lost_what_it_kept() {
    let (log, _guard) = log();
    let (clock, hands) = Clock::manual(START);
    let server = Server::default();
    let store = server.store("empty.example.org", &clock);
    assert!(!store.has_lost().await.unwrap(), "what was never kept is not lost");
    hands.advance(Duration::from_mins(1));
    assert!(!store.has_lost().await.unwrap());
    server.empty();
    assert!(store.has_lost().await.unwrap());
    assert!(!store.has_lost().await.unwrap(), "it is said once");
    assert_eq!(count(&log, "the session store has lost what was kept in it"), 1, "{}", log.text());
    assert!(log.text().contains("empty.example.org"), "{}", log.text());
    hands.advance(Duration::from_hours(1));
    assert!(
        !store.has_lost().await.unwrap(),
        "what has run out, as after a long sleep or a clock that was set, is not lost"
    );
}
