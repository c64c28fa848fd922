//! A host's own session records, as the published stores write them. The samples were recorded from
//! `tower-sessions` 0.14 with `tower-sessions-sqlx-store` 0.15 and `tower-sessions-redis-store` 0.16.

use std::sync::Arc;
use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock, UnixTime};
use countersign::config::env::Env;
use countersign::session::{Authenticator as _, Outage, Session};
use countersign::sources::store::host::Layout;
use countersign::sources::store::{HostStore, Settings};
use countersign::store::Store;
use data_encoding::HEXLOWER_PERMISSIVE;
use http::Request;
use serde_json::json;

use crate::kit::START;
use crate::state::server;

/// `Key::master()` of the recorded host, in base64.
const KEY: &str = "CzBVep/E6Q4zWH2ix+wRNluApcrvFDleg6jN8hc8YYar0PUaP2SJrtP4HUJnjLHW+yBFao+02f4jSG2St9wBJg==";
/// Cookies as the host set them, and the id each stands for.
const PLAIN: &str = "ni6HxfG-B17RZHWhWa2wLw";
const SIGNED: (&str, &str) =
    ("6PlwJayWoNAd3qpKjES0wFG+LckUDKAboOloUiqDjls=uBI5H3UVWWsPZR4-Nhv1-Q", "uBI5H3UVWWsPZR4-Nhv1-Q");
const PRIVATE: (&str, &str) =
    ("GgXNFaUfJ/oiBX/3NRH/zT2y1GzJE/xRzWHafAPDSLyWuG6DFJuX1vNYtJABENIQ58E=", "Id3UwAcrNUeeWMpRmPHaSA");
/// The records' bytes. They end at 2100-01-01T00:00:00Z.
const ROWS: [(&str, &str); 3] = [
    (
        PLAIN,
        "93c4102fb0ad59a17564d15e07bef1c5872e9e81a47573657284a5656d61696cb06a616e65406578616d706c652e6f7267a26964cd1267a46e616d65a84a616e6520446f65a5726f6c657392a56e75727365a561646d696e99cd08340100000000000000",
    ),
    (
        SIGNED.1,
        "93c410f9f51b363e1e650f6b5915751f3912b881a47573657284a5656d61696cb06a616e65406578616d706c652e6f7267a26964cd1267a46e616d65a84a616e6520446f65a5726f6c657392a56e75727365a561646d696e99cd08340100000000000000",
    ),
    (
        PRIVATE.1,
        "93c41048daf19851ca589e47352b07c0d4dd2181a47573657284a5656d61696cb06a616e65406578616d706c652e6f7267a26964cd1267a46e616d65a84a616e6520446f65a5726f6c657392a56e75727365a561646d696e99cd08340100000000000000",
    ),
];
const END: UnixTime = UnixTime(4_102_444_800);

/// A host's `SQLite` file with the recorded rows.
struct HostDb {
    place: tempfile::TempDir,
}

impl HostDb {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}?mode=rwc", place.path().join("host.db").display());
        let pool = sqlx::SqlitePool::connect(&address).await.unwrap();
        let table = "create table tower_sessions (id text primary key not null, data blob not null, expiry_date integer not null)";
        sqlx::query(table).execute(&pool).await.unwrap();
        for (id, data) in ROWS {
            let insert = sqlx::query("insert into tower_sessions values ($1, $2, $3)");
            insert
                .bind(id)
                .bind(HEXLOWER_PERMISSIVE.decode(data.as_ref()).unwrap())
                .bind(END.0.cast_signed())
                .execute(&pool)
                .await
                .unwrap();
        }
        pool.close().await;
        Self { place }
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.place.path().join("host.db").display())
    }
}

fn source(changes: &[(&str, &str)]) -> (HostStore, ManualClock) {
    let (clock, hands) = Clock::manual(START);
    let mut env = Env::new([("STORE_GROUPS", "/user/roles")].iter().chain(changes).map(|(n, v)| (*n, *v)));
    let settings = Settings::read(&mut env).expect("the settings are sound");
    (HostStore::new(settings, clock), hands)
}

async fn ask(source: &HostStore, cookie: &str) -> Result<Option<Session>, Outage> {
    let request = Request::get("/token").header("cookie", cookie).body(()).unwrap();
    source.authenticate(&request.into_parts().0).await.map(Result::ok)
}

fn assert_is_jane(session: &Session) {
    let identity = &session.identity;
    assert_eq!(identity.subject.as_str(), "4711", "a number is an id too");
    assert_eq!(identity.name.as_deref(), Some("Jane Doe"));
    assert_eq!(identity.email.as_deref(), Some("jane@example.org"));
    assert_eq!(identity.groups, ["nurse", "admin"]);
    assert_eq!(session.expires_at, Some(END));
}

#[tokio::test]
async fn a_hosts_record_is_read_by_the_hosts_cookie() {
    let host = HostDb::new().await;
    let (source, hands) = source(&[("STORE_URL", &host.url())]);
    assert_is_jane(&ask(&source, &format!("other=1; id={PLAIN}")).await.unwrap().unwrap());
    for cookie in [
        "",
        "id=",
        "id=AAAAAAAAAAAAAAAAAAAAAA",
        "id=x",
        "ID=ni6HxfG-B17RZHWhWa2wLw",
        &format!("id={PLAIN}; id=AAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        assert!(ask(&source, cookie).await.unwrap().is_none(), "{cookie}");
    }
    hands.set(END);
    assert!(ask(&source, &format!("id={PLAIN}")).await.unwrap().is_none(), "it has ended");
}

#[tokio::test]
async fn signed_and_private_cookies_are_opened_with_the_hosts_key() {
    let host = HostDb::new().await;
    let url = host.url();
    for (kind, (cookie, _)) in [("signed", SIGNED), ("private", PRIVATE)] {
        let settings = [("STORE_URL", url.as_str()), ("STORE_COOKIE_KIND", kind), ("STORE_COOKIE_KEY", KEY)];
        let (sealed, _) = source(&settings);
        assert_is_jane(&ask(&sealed, &format!("id={cookie}")).await.unwrap().unwrap());
        for at in 0..cookie.len() {
            let mut bent = cookie.as_bytes().to_vec();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert!(ask(&sealed, &format!("id={bent}")).await.unwrap().is_none(), "{kind}: byte {at}");
        }
        for other in [PLAIN, SIGNED.1, "", "=", &"A".repeat(43), &"é".repeat(40)] {
            assert!(ask(&sealed, &format!("id={other}")).await.unwrap().is_none(), "{kind}: {other}");
        }
        let (renamed, _) = source(&[settings[0], settings[1], settings[2], ("STORE_COOKIE", "session")]);
        let found = ask(&renamed, &format!("session={cookie}")).await.unwrap();
        assert_eq!(found.is_some(), kind == "signed", "a private value is worth nothing under another name");
    }
}

#[tokio::test]
async fn a_hosts_record_is_never_written() {
    let host = HostDb::new().await;
    let path = host.place.path().join("host.db");
    let before = std::fs::read(&path).unwrap();
    let (source, _) = source(&[("STORE_URL", &host.url())]);
    ask(&source, &format!("id={PLAIN}")).await.unwrap().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let pool = countersign::store::sqlite::read_only(&path).await.unwrap();
    assert!(sqlx::query("delete from tower_sessions").execute(&pool).await.is_err(), "it could not, if it would");
}

#[tokio::test]
async fn a_record_without_a_usable_subject_is_nobodys() {
    let host = HostDb::new().await;
    for pointer in ["/user", "/user/missing", "/user/roles", "/"] {
        let (source, _) = source(&[("STORE_URL", &host.url()), ("STORE_SUBJECT", pointer)]);
        assert!(ask(&source, &format!("id={PLAIN}")).await.unwrap().is_none(), "{pointer}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_outage_and_never_nobody() {
    let cookie = format!("id={PLAIN}");
    let (missing, _) = source(&[("STORE_URL", "sqlite:/no/such/host.db")]);
    assert_eq!(ask(&missing, &cookie).await.unwrap_err().reason, "store_refused");
    let host = HostDb::new().await;
    let (other_table, _) = source(&[("STORE_URL", &host.url()), ("STORE_TABLE", "sessions")]);
    assert_eq!(ask(&other_table, &cookie).await.unwrap_err().reason, "store_refused");
    let pool = sqlx::SqlitePool::connect(&host.url()).await.unwrap();
    sqlx::query("update tower_sessions set data = 'x'").execute(&pool).await.unwrap();
    let (garbled, _) = source(&[("STORE_URL", &host.url())]);
    assert_eq!(ask(&garbled, &cookie).await.unwrap_err().reason, "store_unreadable");
    let (down, _) = source(&[("STORE_URL", "redis://127.0.0.1:1")]);
    assert_eq!(ask(&down, &cookie).await.unwrap_err().reason, "store_no_connection");
}

/// A record that answers to another id than the one it was asked for was moved there by somebody.
#[tokio::test]
async fn a_record_under_another_id_than_its_own_is_nobodys() {
    let host = HostDb::new().await;
    let pool = sqlx::SqlitePool::connect(&host.url()).await.unwrap();
    let moved = "update tower_sessions set id = 'AAAAAAAAAAAAAAAAAAAAAA' where id = $1";
    sqlx::query(moved).bind(PLAIN).execute(&pool).await.unwrap();
    let (source, _) = source(&[("STORE_URL", &host.url())]);
    assert!(ask(&source, "id=AAAAAAAAAAAAAAAAAAAAAA").await.unwrap().is_none());
}

#[tokio::test]
async fn any_tower_sessions_store_of_a_host_in_this_process_can_be_read() {
    let (clock, hands) = Clock::manual(START);
    let store = Store::memory(clock.clone());
    let data = [("user".to_owned(), json!({ "id": "u-1", "name": "Jane" }))].into();
    let end = START.plus(Duration::from_hours(1));
    let id = store.begin(data, end, &countersign::store::Tags::NONE).await.unwrap();
    let mut env = Env::new([("STORE_COOKIE", "app")]);
    let settings = Settings::over(&mut env, Some(Layout::Given(Arc::new(store)))).unwrap();
    let source = HostStore::new(settings, clock);
    let session = ask(&source, &format!("app={id}")).await.unwrap().unwrap();
    assert_eq!((session.identity.subject.as_str(), session.expires_at), ("u-1", Some(end)));
    hands.set(end);
    assert!(ask(&source, &format!("app={id}")).await.unwrap().is_none());
}

#[test]
fn settings_that_cannot_work_are_named_at_start() {
    let wrong: [(&[(&str, &str)], &str); 8] = [
        (&[], "STORE_URL: is required"),
        (&[("STORE_URL", "memory")], "STORE_URL: memory is the host's own"),
        (&[("STORE_URL", "mysql://x/y")], "STORE_URL: is none of"),
        (&[("STORE_URL", "sqlite:/a.db"), ("STORE_TABLE", "a; drop table b")], "STORE_TABLE: is not a table's name"),
        (&[("STORE_URL", "sqlite:/a.db"), ("STORE_TABLE", "a.b.c")], "STORE_TABLE: is not a table's name"),
        (&[("STORE_URL", "sqlite:/a.db"), ("STORE_COOKIE_KIND", "signed")], "STORE_COOKIE_KEY: is required"),
        (
            &[
                ("STORE_URL", "sqlite:/a.db"),
                ("STORE_COOKIE_KIND", "private"),
                ("STORE_COOKIE_KEY", "c2hvcnQgYnV0IGJhc2U2NA=="),
            ],
            "STORE_COOKIE_KEY: is not at least 64 bytes",
        ),
        (&[("STORE_URL", "sqlite:/a.db"), ("STORE_SUBJECT", "user.id")], "STORE_SUBJECT: takes a JSON pointer"),
    ];
    for (vars, named) in wrong {
        let mut env = Env::new(vars.iter().copied());
        let _ = Settings::read(&mut env);
        let mistakes = env.finish(&std::collections::BTreeSet::new(), &[]).expect_err(named).to_string();
        assert!(mistakes.contains(named), "{mistakes}");
    }
}

#[tokio::test]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a_hosts_record_in_postgresql_is_read_and_cannot_be_written() {
    let url = server("TEST_POSTGRES_URL");
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let table = format!("host_{}", START.0);
    for sql in [
        format!("drop table if exists {table}"),
        format!(
            "create table {table} (id text primary key not null, data bytea not null, expiry_date timestamptz not null)"
        ),
        format!("insert into {table} values ('{PLAIN}', '\\x{}', now())", ROWS[0].1),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    let (source, _) = source(&[("STORE_URL", &url), ("STORE_TABLE", &format!("public.{table}"))]);
    assert_is_jane(&ask(&source, &format!("id={PLAIN}")).await.unwrap().unwrap());
    let ours = countersign::store::postgres::read_only(&url.into(), None).unwrap();
    assert!(sqlx::query(sqlx::AssertSqlSafe(format!("delete from {table}"))).execute(&ours).await.is_err());
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL"]
async fn a_hosts_record_in_redis_is_read() {
    let url = server("TEST_REDIS_URL");
    let mut connection = redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut set = redis::cmd("SET");
    set.arg(format!("host-test:{PLAIN}"))
        .arg(HEXLOWER_PERMISSIVE.decode(ROWS[0].1.as_ref()).unwrap())
        .arg("EX")
        .arg(60);
    set.query_async::<()>(&mut connection).await.unwrap();
    let (source, _) = source(&[("STORE_URL", &url), ("STORE_PREFIX", "host-test:")]);
    assert_is_jane(&ask(&source, &format!("id={PLAIN}")).await.unwrap().unwrap());
    assert!(ask(&source, "id=AAAAAAAAAAAAAAAAAAAAAA").await.unwrap().is_none());
}
