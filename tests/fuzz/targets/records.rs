//! Stored records: our own, which nobody else can have written, and a host's, which anybody may have.
#![no_main]

mod fit;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use countersign::base::clock::{Clock, UnixTime};
use countersign::config::env::Env;
use countersign::login::seal::Seals;
use countersign::login::sessions::record::{record, session};
use countersign::session::Authenticator as _;
use countersign::sources::store::host::Layout;
use countersign::sources::store::{HostStore, Settings};
use fit::is_fit;
use http::Request;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::runtime::{Builder, Runtime};
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionStore, session_store};

const NOW: UnixTime = UnixTime(1_900_000_000);
const ID: Id = Id(4711);

static SEALS: LazyLock<(Seals, Seals)> =
    LazyLock::new(|| (Seals::derived(&"our own secret".into()), Seals::derived(&"another's secret".into())));

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// A host's store that holds one record.
#[derive(Debug, Clone, Default)]
struct One(Arc<Mutex<Option<Record>>>);

#[async_trait]
impl SessionStore for One {
    async fn save(&self, _: &Record) -> session_store::Result<()> {
        panic!("a host's record was written")
    }

    async fn load(&self, _: &Id) -> session_store::Result<Option<Record>> {
        Ok(self.0.lock().expect("a lock").clone())
    }

    async fn delete(&self, _: &Id) -> session_store::Result<()> {
        panic!("a host's record was deleted")
    }
}

static HOST: LazyLock<(One, HostStore)> = LazyLock::new(|| {
    let one = One::default();
    let mut env = Env::new([("STORE_SUBJECT", "/user/id")]);
    let settings = Settings::over(&mut env, Some(Layout::Given(Arc::new(one.clone()))));
    (one, HostStore::new(settings.expect("a sound configuration"), Clock::manual(NOW).0))
});

// The first byte says whose record it is and, of a host's, whether it has ended.
fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    if first % 2 == 0 { ours(text) } else { a_hosts(text, first % 4 == 1) }
});

fn ours(text: &[u8]) {
    let (seals, foreign) = &*SEALS;
    let place = [b"session record".as_slice(), &ID.to_string().into_bytes()];
    let stored = |sealed: String| HashMap::from([("visit".to_owned(), Value::from(sealed))]);
    let written = String::from_utf8_lossy(text).into_owned();
    assert!(matches!(session(&stored(written), &ID, seals), Ok(None)), "what nobody sealed was believed");
    assert!(matches!(session(&stored(foreign.seal(None, place, text)), &ID, seals), Ok(None)));
    let sealed = stored(seals.seal(None, place, text));
    assert!(matches!(session(&sealed, &Id(4712), seals), Ok(None)), "moved to another id");
    // What we sealed ourselves and cannot understand is an outage.
    let Ok(Some(found)) = session(&sealed, &ID, seals) else { return };
    let again = record(&found, &ID, seals).expect("a record");
    let read = session(&again, &ID, seals).expect("our own").expect("our own");
    assert!(read.identity == found.identity && read.ground == found.ground && read.ends_at == found.ends_at);
}

fn a_hosts(text: &[u8], ended: bool) {
    let Ok(Value::Object(data)) = serde_json::from_slice::<Value>(text) else { return };
    let ends = if ended { NOW.0 } else { NOW.0 + 60 };
    let expiry_date = OffsetDateTime::from_unix_timestamp(ends.cast_signed()).expect("a time");
    let subject = data.get("user").and_then(|user| user.get("id")).cloned();
    let (one, source) = &*HOST;
    *one.0.lock().expect("a lock") = Some(Record { id: ID, data: data.into_iter().collect(), expiry_date });
    let request = Request::get("/").header("cookie", format!("id={ID}")).body(()).expect("a request").into_parts().0;
    let Ok(Ok(session)) = RUNTIME.block_on(source.authenticate(&request)) else { return };
    assert!(!ended, "an ended session counts");
    is_fit(&session.identity);
    let said = subject.expect("somebody, where the record names nobody");
    let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    if said.is_ascii() {
        assert_eq!(session.identity.subject.as_str(), said.trim_ascii());
    }
    assert!(session.expires_at.is_some_and(|end| end.0 <= ends));
}
