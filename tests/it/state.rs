//! Every store keeps the same promises. The servers' parts run when `tests/run --full` starts the servers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock, UnixTime, random_id};
use countersign::base::clock_step::StepWatch;
use countersign::config::env::Env;
use countersign::store::memory::Memory;
use countersign::store::place::Settings;
use countersign::store::{Backend, Down, Key, Row, Store, Stores, Tags};
use serde_json::{Value, json};
use tower_sessions::SessionStore as _;
use tower_sessions::session::Id;

const START: UnixTime = UnixTime(1_800_000_000);

/// A store of some kind, and the hands of its clock.
struct Opened {
    store: Store,
    hands: ManualClock,
    _place: Option<tempfile::TempDir>,
}

impl Opened {
    async fn at(address: &str) -> Self {
        let (clock, hands) = Clock::manual(START);
        let prefix = format!("test-{}:", random_id());
        let mut env = Env::new([("SESSION_STORE", address), ("SESSION_STORE_PREFIX", &prefix)]);
        let settings = Settings::read(&mut env).expect("the address is sound");
        let store = Store::at(settings, clock);
        store.open().await.expect("the store opens");
        Self { store, hands, _place: None }
    }

    async fn memory() -> Self {
        Self::at("memory").await
    }

    async fn sqlite() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sessions.db");
        Self { _place: Some(place), ..Self::at(&format!("sqlite:{}", path.display())).await }
    }

    async fn redis() -> Self {
        Self::at(&server("TEST_REDIS_URL")).await
    }

    async fn postgres() -> Self {
        Self::at(&server("TEST_POSTGRES_URL")).await
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are handed their servers in the environment")]
pub fn server(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} names the server to test against"))
}

fn data(text: &str) -> HashMap<String, Value> {
    HashMap::from([("visit".to_owned(), json!({ "name": text }))])
}

fn in_an_hour() -> UnixTime {
    START.plus(Duration::from_hours(1))
}

fn tagged(tag: &Key) -> Tags {
    Tags { keys: vec![*tag], until: START.plus(Duration::from_hours(12)) }
}

/// A name that no other test uses: servers are shared by all tests.
fn own_key() -> Key {
    Key::of("test", &[&random_id()])
}

async fn a_session_is_found_until_it_ends(Opened { store, hands, .. }: Opened) {
    let id = store.begin(data("Zoë 🦀"), in_an_hour(), &Tags::NONE).await.unwrap();
    assert_eq!(store.find(&id).await.unwrap(), Some((data("Zoë 🦀"), in_an_hour())));
    hands.advance(Duration::from_secs(3599));
    assert!(store.find(&id).await.unwrap().is_some(), "one second is left");
    hands.advance(Duration::from_secs(1));
    assert_eq!(store.find(&id).await.unwrap(), None, "a session that ends this very second has ended");
}

async fn an_id_that_was_never_given_out_finds_nothing(Opened { store, .. }: Opened) {
    assert_eq!(store.find(&Id(42)).await.unwrap(), None);
    assert!(!store.replace(&Id(42), data("planted"), in_an_hour()).await.unwrap());
    assert_eq!(store.find(&Id(42)).await.unwrap(), None, "replacing never creates");
    store.end(&Id(42)).await.unwrap();
}

async fn a_replaced_record_has_its_new_data_and_its_new_end(Opened { store, hands, .. }: Opened) {
    let id = store.begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    let later = in_an_hour().plus(Duration::from_hours(1));
    assert!(store.replace(&id, data("two"), later).await.unwrap());
    hands.set(in_an_hour());
    assert_eq!(store.find(&id).await.unwrap(), Some((data("two"), later)));
}

async fn an_ended_session_is_not_revived_by_whoever_still_holds_it(Opened { store, .. }: Opened) {
    let id = store.begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    let held = store.load(&id).await.unwrap().expect("it runs");
    store.end(&id).await.unwrap();
    store.save(&held).await.unwrap();
    assert_eq!(store.load(&id).await.unwrap(), None);
}

async fn ending_by_tag_ends_all_of_the_tag_and_no_others(Opened { store, .. }: Opened) {
    let (tag, other) = (own_key(), own_key());
    let mut of_tag = Vec::new();
    for name in ["one", "two", "three"] {
        of_tag.push(store.begin(data(name), in_an_hour(), &tagged(&tag)).await.unwrap());
    }
    let stranger = store.begin(data("stranger"), in_an_hour(), &tagged(&other)).await.unwrap();
    store.end(&of_tag[0]).await.unwrap();
    assert_eq!(store.end_tagged(&tag).await.unwrap(), 2, "one had ended by itself");
    for id in &of_tag {
        assert_eq!(store.find(id).await.unwrap(), None);
    }
    assert!(store.find(&stranger).await.unwrap().is_some());
    assert_eq!(store.end_tagged(&tag).await.unwrap(), 0);
    let again = store.begin(data("again"), in_an_hour(), &tagged(&tag)).await.unwrap();
    assert!(store.find(&again).await.unwrap().is_some(), "a tag that was ended is no curse on later sessions");
}

async fn of_many_who_do_a_thing_at_once_one_is_first(Opened { store, .. }: Opened) {
    let mark = own_key();
    assert!(!store.is_marked(&mark).await.unwrap());
    let tries = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.first(&mark, in_an_hour()).await.unwrap() })
    });
    let mut firsts = 0;
    for one in tries.collect::<Vec<_>>() {
        firsts += u32::from(one.await.unwrap());
    }
    assert_eq!(firsts, 1);
    assert!(store.is_marked(&mark).await.unwrap());
    assert!(store.first(&own_key(), in_an_hour()).await.unwrap(), "another thing is another mark");
}

async fn many_at_once_get_sessions_of_their_own(Opened { store, .. }: Opened) {
    let begun = (0..50).map(|n| {
        let store = store.clone();
        let name = format!("visitor {n}");
        tokio::spawn(async move { (store.begin(data(&name), in_an_hour(), &Tags::NONE).await.unwrap(), name) })
    });
    let mut ids = std::collections::HashSet::new();
    for one in begun.collect::<Vec<_>>() {
        let (id, name) = one.await.unwrap();
        assert_eq!(store.find(&id).await.unwrap(), Some((data(&name), in_an_hour())));
        assert!(ids.insert(id));
    }
}

async fn it_is_a_store_for_tower_sessions(Opened { store, .. }: Opened) {
    let expiry_date = time::OffsetDateTime::from_unix_timestamp(1_800_003_600).unwrap();
    let mut record = tower_sessions::session::Record { id: Id(7), data: data("one"), expiry_date };
    store.create(&mut record).await.unwrap();
    assert_ne!(record.id, Id(7), "an id that somebody brought along is never adopted");
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record.clone()));
    record.data = data("two");
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), Some(record.clone()));
    store.delete(&record.id).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
}

async fn it_answers_when_asked_whether_it_would(Opened { store, .. }: Opened) {
    store.ping().await.unwrap();
    store.sweep().await.unwrap();
}

/// Stores that forget by our clock, not by their own.
async fn a_sweep_forgets_what_has_ended_and_nothing_else(Opened { store, hands, .. }: Opened) {
    let tag = own_key();
    let mark = own_key();
    for _ in 0..3 {
        store.begin(data("short"), in_an_hour(), &tagged(&tag)).await.unwrap();
    }
    let long = store.begin(data("long"), START.plus(Duration::from_hours(9)), &tagged(&tag)).await.unwrap();
    store.first(&mark, in_an_hour()).await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 0);
    hands.advance(Duration::from_hours(2));
    assert!(store.sweep().await.unwrap() >= 4, "three sessions and a mark");
    assert!(store.find(&long).await.unwrap().is_some());
    assert_eq!(store.end_tagged(&tag).await.unwrap(), 1, "the swept ones left nothing behind");
    assert!(store.first(&mark, START.plus(Duration::from_hours(9))).await.unwrap(), "a mark that ran out is no mark");
}

async fn an_expired_session_is_not_prolonged(Opened { store, hands, .. }: Opened) {
    let id = store.begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    hands.set(in_an_hour());
    assert!(!store.replace(&id, data("two"), in_an_hour().plus(Duration::from_hours(1))).await.unwrap());
    assert_eq!(store.find(&id).await.unwrap(), None);
}

macro_rules! promises {
    ($kind:ident, $when:meta: $($promise:ident)*) => {
        mod $kind {
            $(
                #[tokio::test]
                #[$when]
                async fn $promise() {
                    super::$promise(super::Opened::$kind().await).await;
                }
            )*
        }
    };
}

macro_rules! every_store {
    ($($promise:ident)*) => {
        promises!(memory, cfg(test): $($promise)* a_sweep_forgets_what_has_ended_and_nothing_else an_expired_session_is_not_prolonged);
        promises!(sqlite, cfg(feature = "sqlite"): $($promise)* a_sweep_forgets_what_has_ended_and_nothing_else an_expired_session_is_not_prolonged);
        promises!(postgres, ignore = "needs TEST_POSTGRES_URL": $($promise)* a_sweep_forgets_what_has_ended_and_nothing_else an_expired_session_is_not_prolonged);
        promises!(redis, ignore = "needs TEST_REDIS_URL": $($promise)*);
    };
}

every_store! {
    a_session_is_found_until_it_ends
    an_id_that_was_never_given_out_finds_nothing
    a_replaced_record_has_its_new_data_and_its_new_end
    an_ended_session_is_not_revived_by_whoever_still_holds_it
    ending_by_tag_ends_all_of_the_tag_and_no_others
    of_many_who_do_a_thing_at_once_one_is_first
    many_at_once_get_sessions_of_their_own
    it_is_a_store_for_tower_sessions
    it_answers_when_asked_whether_it_would
}

#[tokio::test]
async fn sessions_in_a_file_outlive_the_process() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", place.path().join("sessions.db").display());
    let id = Opened::at(&address).await.store.begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    let reopened = Opened::at(&address).await;
    assert_eq!(reopened.store.find(&id).await.unwrap(), Some((data("one"), in_an_hour())));
}

#[tokio::test]
async fn what_lies_on_disk_logs_nobody_in_and_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("sessions.db");
    let store = Opened::at(&format!("sqlite:{}", path.display())).await.store;
    let id = store.begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(place.path()).unwrap() {
        let file = file.unwrap();
        files += 1;
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
        for form in [id.to_string().into_bytes(), id.0.to_le_bytes().to_vec(), id.0.to_be_bytes().to_vec()] {
            assert!(!bytes.windows(form.len()).any(|window| window == form), "an id stands in {:?}", file.file_name());
        }
    }
    assert!(files >= 2, "the database and its log");
}

#[tokio::test]
async fn two_replicas_on_one_store_honour_each_others_logins_and_logouts_at_once() {
    let place = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", place.path().join("sessions.db").display());
    let (one, other) = (Opened::at(&address).await.store, Opened::at(&address).await.store);
    let id = one.begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    assert!(other.find(&id).await.unwrap().is_some());
    other.end(&id).await.unwrap();
    assert_eq!(one.find(&id).await.unwrap(), None);
}

#[tokio::test]
async fn keys_of_different_things_differ() {
    assert_ne!(Key::of("a", &["bc"]), Key::of("ab", &["c"]));
    assert_ne!(Key::of("a", &["b", "c"]), Key::of("a", &["bc"]));
    assert_ne!(Key::of("a", &["b", ""]), Key::of("a", &["b"]));
}

/// A backend that hands out keys that are taken, as a broken random generator would.
#[tokio::test]
async fn a_taken_id_is_never_handed_out_twice() {
    let memory = Memory::default();
    let (clock, _) = Clock::manual(START);
    let key = Key::of_session(&Id(1));
    let row = countersign::store::Row { key: &key, text: "{}", expires_at: in_an_hour(), now: clock.now() };
    assert!(memory.insert(row, &Tags::NONE).await.unwrap());
    assert!(!memory.insert(row, &Tags::NONE).await.unwrap());
}

#[test]
fn an_address_that_cannot_be_used_is_named_at_start() {
    let wrong = [
        "",
        "sqlite:",
        "sqlite:sessions.db",
        "sqlite:/",
        "mysql://host/db",
        "/var/lib/sessions.db",
        "memory:x",
        "redis",
    ];
    for address in wrong.into_iter().filter(|a| !a.is_empty()) {
        let mut env = Env::new([("SESSION_STORE", address)]);
        assert!(Settings::read(&mut env).is_none(), "{address}");
        let mistakes = env.finish(&std::collections::BTreeSet::new(), &[]).unwrap_err();
        assert_eq!(mistakes.0.len(), 1, "{address}: {mistakes}");
        assert_eq!(mistakes.0[0].variable, "SESSION_STORE");
    }
}

#[tokio::test]
async fn the_folder_of_the_sessions_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("countersign");
    let (clock, _) = Clock::manual(START);
    let mut env = Env::new([("SESSION_STORE", format!("sqlite:{}/sessions.db", folder.display()))]);
    Store::at(Settings::read(&mut env).unwrap(), clock).open().await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("sessions.db"))), (0o700, 0o600));
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named_at_start() {
    let (clock, _) = Clock::manual(START);
    let mut env = Env::new([("SESSION_STORE", "sqlite:/proc/no/such/place.db")]);
    let problem = Store::at(Settings::read(&mut env).unwrap(), clock).open().await.unwrap_err();
    assert!(problem.contains("/proc/no/such"), "{problem}");
}

#[tokio::test]
async fn sessions_in_memory_survive_a_new_reading_of_the_settings() {
    let (clock, _) = Clock::manual(START);
    let kept = Stores::default();
    let read = |address: &str| Settings::read(&mut Env::new([("SESSION_STORE", address)])).unwrap();
    let running = kept.at(&read("memory"), &clock);
    let id = running.begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    assert!(kept.at(&read("memory"), &clock).find(&id).await.unwrap().is_some());
    let place = tempfile::tempdir().unwrap();
    let other = read(&format!("sqlite:{}", place.path().join("sessions.db").display()));
    assert!(kept.at(&other, &clock).find(&id).await.unwrap().is_none(), "another place is another store");
}

#[tokio::test]
async fn a_server_that_is_down_is_an_outage_and_never_an_empty_store() {
    for address in ["redis://127.0.0.1:1", "postgres://user@127.0.0.1:1/db"] {
        let store = Opened::at(address).await.store;
        let begin = async { store.begin(data("one"), in_an_hour(), &Tags::NONE).await };
        let answers = tokio::join!(store.ping(), async { store.find(&Id(1)).await }, begin);
        assert!(answers.0.is_err() && answers.1.is_err() && answers.2.is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_store_that_no_configuration_uses_any_more_is_closed() {
    let (clock, _) = Clock::manual(START);
    let kept = Stores::default();
    let settings = Settings::read(&mut Env::new([("SESSION_STORE", "memory")])).unwrap();
    let id = kept.at(&settings, &clock).begin(data("one"), in_an_hour(), &Tags::NONE).await.unwrap();
    assert!(kept.at(&settings, &clock).find(&id).await.unwrap().is_none(), "nobody held it");
}

/// A server that cannot be reached, and how often somebody tried.
#[derive(Debug, Clone, Default)]
struct Unreachable(Arc<AtomicUsize>);

impl Unreachable {
    fn asked<T>(&self) -> Result<T, Down> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(Down::NoConnection)
    }
}

#[async_trait::async_trait]
impl Backend for Unreachable {
    async fn insert(&self, _: Row<'_>, _: &Tags) -> Result<bool, Down> {
        self.asked()
    }
    async fn update(&self, _: Row<'_>) -> Result<bool, Down> {
        self.asked()
    }
    async fn find(&self, _: &Key) -> Result<Option<String>, Down> {
        self.asked()
    }
    async fn remove(&self, _: &Key) -> Result<(), Down> {
        self.asked()
    }
    async fn remove_tagged(&self, _: &Key) -> Result<u64, Down> {
        self.asked()
    }
    async fn mark(&self, _: &Key, _: UnixTime, _: UnixTime) -> Result<bool, Down> {
        self.asked()
    }
    async fn is_marked(&self, _: &Key, _: UnixTime) -> Result<bool, Down> {
        self.asked()
    }
    async fn ping(&self) -> Result<(), Down> {
        self.asked()
    }
    async fn sweep(&self, _: UnixTime, _: u32) -> Result<u64, Down> {
        self.asked()
    }
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone_for_a_moment_and_then_asked_again() {
    let (clock, hands) = Clock::manual(START);
    let server = Unreachable::default();
    let store = Store::over(server.clone(), clock);
    for _ in 0..100 {
        assert_eq!(store.find(&Id(1)).await.unwrap_err(), Down::NoConnection, "an outage, not an absent session");
    }
    assert_eq!(server.0.load(Ordering::SeqCst), 5);
    assert!(store.is_resting());
    hands.advance(Duration::from_secs(3));
    assert!(store.find(&Id(1)).await.is_err());
    assert_eq!(server.0.load(Ordering::SeqCst), 6);
}

#[test]
fn a_clock_that_was_set_is_noticed_and_one_that_runs_is_not() {
    let seconds = Duration::from_secs;
    let mut watch = StepWatch::new(seconds(1000), seconds(5));
    assert_eq!(watch.look(seconds(1060), seconds(65)), 0);
    assert_eq!(watch.look(seconds(4720), seconds(125)), 3_600_000);
    assert_eq!(watch.look(seconds(4780), seconds(185)), 0, "a step is told once");
    assert_eq!(watch.look(seconds(1240), seconds(245)), -3_600_000);
}
