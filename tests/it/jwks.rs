//! Keys are found where the configuration says, kept as long as their publisher says, and asked for no more than needed.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock};
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jwks::discovery::{Metadata, Provider};
use countersign::jose::jwks::key::{Key, KeySet, NoMatch};
use countersign::jose::jwks::remote::{BODY_MAX, RETRY, STALE, UNSAID, Unavailable, WINDOW};
use countersign::jose::jwks::{Keys, NoKey};
use countersign::net::outbound::Outbound;
use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use url::Url;

use crate::kit::START;
use crate::publisher::{Page, Publisher};
use crate::tokens::{TestKey, key_set};

const EVERY: [&str; 10] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const ES256: Algorithm = Algorithm::ES256;
const SECOND: Duration = Duration::from_secs(1);

/// A publisher of one key set, and a client of it.
struct Set {
    publisher: Publisher,
    keys: Keys,
    hands: ManualClock,
}

impl Set {
    async fn of(keys: &[&TestKey], cache_control: &str) -> Self {
        let publisher = Publisher::start().await;
        publisher.put("/keys", Page::ok(key_set(keys)).with("cache-control", cache_control));
        let (clock, hands) = Clock::manual(START);
        let keys = Keys::at(url(&publisher, "/keys"), &Outbound::default(), clock).unwrap();
        Self { publisher, keys, hands }
    }

    async fn finds(&self, kid: &str) -> bool {
        self.keys.find(Some(kid), ES256).await.is_ok()
    }
}

fn url(publisher: &Publisher, path: &str) -> Url {
    publisher.url(path).parse().unwrap()
}

fn unknown<T>(found: &Result<T, NoKey>) -> bool {
    matches!(found, Err(NoKey::NoMatch(NoMatch::Unknown)))
}

fn unavailable<T>(found: &Result<T, NoKey>) -> &'static str {
    match found {
        Err(NoKey::Unavailable(Unavailable { reason, .. })) => reason,
        Err(NoKey::NoMatch(_)) => "no match",
        Ok(_) => "found",
    }
}

/// A-3.
#[test]
fn a_key_verifies_with_the_algorithms_of_its_own_kind_and_no_other() {
    for alg in EVERY {
        let (key, other) = (TestKey::new(alg, "a"), TestKey::other(alg, "a"));
        let own = Algorithm::named(alg).unwrap();
        assert_eq!(own.name(), alg);
        let read = Key::from_jwk(&key.jwk()).unwrap();
        assert_eq!(read.algorithms(), [own], "a JWK that names its algorithm has no other");
        assert!(read.verifies(own, b"message", &key.sign(b"message")), "{alg}");
        assert!(!read.verifies(own, b"massage", &key.sign(b"message")), "{alg}");
        assert!(!read.verifies(own, b"message", &other.sign(b"message")), "{alg}");
        let of_kind = Key::from_pem(key.pem().as_bytes(), None).unwrap();
        for foreign in EVERY.map(|name| Algorithm::named(name).unwrap()) {
            let verifies = of_kind.verifies(foreign, b"message", &key.sign(b"message"));
            assert_eq!(verifies, foreign == own, "{alg} key with {foreign:?}");
            let same_kind = alg.contains('S') && foreign.name()[1..2] == *"S" && is_rsa(alg) && is_rsa(foreign.name());
            assert_eq!(of_kind.algorithms().contains(&foreign), foreign == own || same_kind, "{alg} and {foreign:?}");
        }
        assert!(!of_kind.algorithms().contains(&Algorithm::HS256));
    }
}

fn is_rsa(alg: &str) -> bool {
    alg.starts_with("RS") || alg.starts_with("PS")
}

#[test]
fn an_algorithm_is_known_by_its_exact_name() {
    for wrong in ["", "none", "None", "rs256", "RS256 ", "ES256K", "HS1", "RSA1_5", "dir", "Es256"] {
        assert_eq!(Algorithm::named(wrong), None, "{wrong}");
    }
    assert_eq!(Algorithm::named("Ed25519"), Some(Algorithm::EDDSA), "the name RFC 9864 gives it");
}

#[test]
fn a_key_of_an_unknown_kind_does_not_spoil_the_set() {
    let good = TestKey::new("ES256", "good");
    let strange = [
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k1" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AAAA" }),
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "shared" }),
        json!({ "kty": "RSA", "kid": "half", "n": "AQAB" }),
        json!({ "kty": 7 }),
        json!("not even an object"),
        json!(null),
        good.jwk(),
    ];
    let set = KeySet::from_json(json!({ "keys": strange, "more": true }).to_string().as_bytes()).unwrap();
    assert!(set.find(Some("good"), ES256).is_ok());
    for kid in ["pq", "k1", "shared", "half"] {
        assert_eq!(set.find(Some(kid), ES256).unwrap_err(), NoMatch::Unknown, "{kid}");
    }
    assert_eq!(
        set.find(Some("shared"), Algorithm::HS256).unwrap_err(),
        NoMatch::Unknown,
        "no published key is a secret"
    );
}

#[test]
fn a_key_that_is_not_for_signatures_is_passed_over() {
    let set_with = |name: &str, value: Value| {
        let mut jwk = TestKey::new("RS256", "a").jwk();
        jwk[name] = value;
        KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()).is_some()
    };
    assert!(!set_with("use", json!("enc")));
    assert!(!set_with("key_ops", json!(["encrypt", "wrapKey"])));
    assert!(!set_with("alg", json!("RSA-OAEP")), "an algorithm that does not sign");
    assert!(!set_with("alg", json!("ES256")), "an algorithm of another kind of key");
    assert!(set_with("key_ops", json!(["verify"])));
    assert!(set_with("x5c", json!(["certificates are not looked at"])));
}

/// BCP 3.4.
#[test]
fn a_point_that_is_not_on_its_curve_is_no_key() {
    for alg in ["ES256", "ES384", "ES512"] {
        let mut jwk = TestKey::new(alg, "a").jwk();
        jwk["y"] = jwk["x"].clone();
        assert!(Key::from_jwk(&jwk).is_none(), "{alg}");
        let mut shifted = TestKey::new(alg, "a").jwk();
        let coordinate = |name: &str| BASE64URL_NOPAD.decode(shifted[name].as_str().unwrap().as_ref()).unwrap();
        let (mut x, y) = (coordinate("x"), coordinate("y"));
        let y = [vec![x.pop().unwrap()], y].concat();
        shifted["x"] = json!(BASE64URL_NOPAD.encode(x.as_ref()));
        shifted["y"] = json!(BASE64URL_NOPAD.encode(y.as_ref()));
        assert!(Key::from_jwk(&shifted).is_none(), "{alg}: a coordinate has its curve's length");
    }
}

#[test]
fn a_short_rsa_key_is_no_key() {
    let short = BASE64URL_NOPAD.encode([0xC5; 128].as_ref());
    assert!(Key::from_jwk(&json!({ "kty": "RSA", "n": short, "e": "AQAB" })).is_none());
    let mut with_sign_byte = TestKey::new("RS256", "a").jwk();
    let bytes = BASE64URL_NOPAD.decode(with_sign_byte["n"].as_str().unwrap().as_ref()).unwrap();
    let padded = [vec![0], bytes].concat();
    with_sign_byte["n"] = json!(BASE64URL_NOPAD.encode(padded.as_ref()));
    assert!(Key::from_jwk(&with_sign_byte).is_some(), "a sign byte that some publishers keep does no harm");
}

#[test]
fn without_a_key_id_the_only_fitting_key_is_used_and_of_several_none() {
    let (one, two, rsa) = (TestKey::new("ES256", "one"), TestKey::new("ES256", "two"), TestKey::new("RS256", "rsa"));
    let set = |keys: &[&TestKey]| KeySet::from_json(key_set(keys).as_bytes()).unwrap();
    assert!(set(&[&one, &rsa]).find(None, ES256).is_ok());
    assert_eq!(set(&[&one, &two]).find(None, ES256).unwrap_err(), NoMatch::Ambiguous);
    assert_eq!(set(&[&one, &two]).find(None, Algorithm::RS256).unwrap_err(), NoMatch::Unknown);
    let namesakes = set(&[&one, &TestKey::new("ES256", "one")]);
    assert_eq!(namesakes.find(Some("one"), ES256).unwrap_err(), NoMatch::Ambiguous);
    let pinned = KeySet::from_pem(one.pem().as_bytes()).unwrap();
    assert!(pinned.find(Some("whatever"), ES256).is_ok(), "a pinned key without a name answers to any");
}

#[test]
fn several_keys_in_pem_are_a_set() {
    let (ec, rsa) = (TestKey::new("ES256", ""), TestKey::new("RS256", ""));
    let set = KeySet::from_pem(format!("{}\n{}", ec.pem(), rsa.pem()).as_bytes()).unwrap();
    assert!(set.find(None, ES256).is_ok());
    assert!(
        set.find(None, Algorithm::named("PS512").unwrap()).is_ok(),
        "an RSA key in PEM does not say for which algorithm it is"
    );
    for wrong in ["", "no pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
        assert!(KeySet::from_pem(wrong.as_bytes()).is_none());
    }
}

#[tokio::test]
async fn a_set_is_fetched_once_and_kept_as_long_as_it_says() {
    let key = TestKey::new("ES256", "a");
    let set = Set::of(&[&key], "public, max-age=100").await;
    for _ in 0..10 {
        assert!(set.finds("a").await);
    }
    set.hands.advance(79 * SECOND);
    assert!(set.finds("a").await);
    assert_eq!(set.publisher.count(), 1, "while it is fresh nobody is asked");
    set.hands.advance(22 * SECOND);
    assert!(set.finds("a").await);
    assert_eq!(set.publisher.count(), 2, "what has ended is fetched before it is used again");
    let asked = &set.publisher.asked()[0];
    assert!(asked.headers["accept"].starts_with("application/json"));
    assert!(!asked.headers.contains_key("cookie") && !asked.headers.contains_key("authorization"));
}

#[tokio::test]
async fn how_long_a_set_is_kept_has_bounds() {
    let key = TestKey::new("ES256", "a");
    let bounds = [
        ("max-age=1", 60),
        ("no-store", 60),
        ("no-cache, max-age=4000", 60),
        ("max-age=0", 60),
        ("MAX-AGE=600", 600),
        ("max-age=99999999", 24 * 3600),
        ("private", UNSAID.as_secs()),
        ("max-age=soon", UNSAID.as_secs()),
    ];
    for (said, seconds) in bounds {
        let set = Set::of(&[&key], said).await;
        assert!(set.finds("a").await);
        set.hands.advance(Duration::from_secs(seconds * 4 / 5 - 1));
        assert!(set.finds("a").await);
        assert_eq!(set.publisher.count(), 1, "{said}: fresh until {seconds} s");
        set.hands.advance(Duration::from_secs(seconds / 5 + 2));
        assert!(set.finds("a").await);
        assert_eq!(set.publisher.count(), 2, "{said}: ended after {seconds} s");
    }
}

#[tokio::test]
async fn time_that_a_set_spent_in_caches_counts() {
    let key = TestKey::new("ES256", "a");
    let set = Set::of(&[&key], "max-age=1000").await;
    set.publisher.put("/keys", Page::ok(key_set(&[&key])).with("cache-control", "max-age=1000").with("age", "900"));
    assert!(set.finds("a").await);
    set.hands.advance(101 * SECOND);
    assert!(set.finds("a").await);
    assert_eq!(set.publisher.count(), 2);
}

#[tokio::test]
async fn a_set_is_renewed_before_it_ends_and_nobody_waits_for_it() {
    let (old, new) = (TestKey::new("ES256", "old"), TestKey::new("ES256", "new"));
    let set = Set::of(&[&old], "max-age=100").await;
    assert!(set.finds("old").await);
    set.publisher.put("/keys", Page::ok(key_set(&[&old, &new])));
    set.publisher.close();
    set.hands.advance(85 * SECOND);
    for _ in 0..100 {
        assert_eq!(set.finds("old").now_or_never(), Some(true), "the answer is held back, and nobody waits");
    }
    set.publisher.has_been_asked(2).await;
    set.publisher.open();
    assert!(set.finds("new").await);
    assert_eq!(set.publisher.count(), 2);
}

#[tokio::test]
async fn many_callers_share_one_fetch() {
    let key = TestKey::new("ES256", "a");
    let set = Arc::new(Set::of(&[&key], "max-age=100").await);
    set.publisher.close();
    let callers: Vec<_> = (0..200)
        .map(|_| {
            tokio::spawn({
                let set = set.clone();
                async move { set.finds("a").await }
            })
        })
        .collect();
    set.publisher.has_been_asked(1).await;
    set.publisher.open();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(set.publisher.count(), 1);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_take_the_fetch_along() {
    let key = TestKey::new("ES256", "a");
    let set = Set::of(&[&key], "max-age=100").await;
    set.publisher.close();
    {
        let mut find = pin!(set.finds("a"));
        assert!(find.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        set.publisher.has_been_asked(1).await;
    }
    set.publisher.open();
    assert!(set.finds("a").await);
    assert_eq!(set.publisher.count(), 1, "the second caller joined the fetch of the first");
}

/// A-7.
#[tokio::test]
async fn ten_thousand_unknown_key_ids_cause_one_fetch_in_half_a_minute() {
    let key = TestKey::new("ES256", "a");
    let set = Set::of(&[&key], "max-age=3600").await;
    assert!(set.finds("a").await);
    set.hands.advance(WINDOW);
    for number in 0..10_000 {
        let found = set.keys.find(Some(&format!("kid-{number}")), ES256).await;
        assert!(unknown(&found));
    }
    assert_eq!(set.publisher.count(), 2, "the first one is looked for, the others are not");
    assert!(set.finds("a").await);
    set.hands.advance(WINDOW.checked_sub(SECOND).unwrap());
    assert!(!set.finds("other").await);
    assert_eq!(set.publisher.count(), 2);
    set.hands.advance(SECOND);
    assert!(!set.finds("other").await);
    assert_eq!(set.publisher.count(), 3, "the next window has its own");
}

/// A key that came after the last look is not unknown: nobody has looked for it yet.
#[tokio::test]
async fn a_key_that_nobody_has_looked_for_yet_is_an_outage_and_no_refusal() {
    let (old, new) = (TestKey::new("ES256", "old"), TestKey::new("ES256", "new"));
    let set = Set::of(&[&old], "max-age=86400").await;
    assert!(unknown(&set.keys.find(Some("bogus"), ES256).await), "the set was fetched for this very question");
    set.publisher.put("/keys", Page::ok(key_set(&[&old, &new])));
    set.hands.advance(SECOND);
    let found = set.keys.find(Some("new"), ES256).await;
    let Err(NoKey::Unavailable(Unavailable { reason, retry_after, .. })) = found else { panic!("{found:?}") };
    assert_eq!((reason, retry_after), ("key_lookups_limited", WINDOW.checked_sub(SECOND)));
    set.hands.advance(WINDOW);
    assert!(set.finds("new").await);
    assert!(unknown(&set.keys.find(Some("bogus"), ES256).await), "fetched this very moment");
    set.hands.advance(WINDOW);
    assert!(unknown(&set.keys.find(Some("bogus"), ES256).await), "looked for, and not there");
    set.hands.advance(SECOND);
    assert!(unknown(&set.keys.find(Some("bogus"), ES256).await), "nor a moment later");
    assert_eq!(set.publisher.count(), 3);
}

#[tokio::test]
async fn a_new_key_is_found_as_soon_as_a_token_names_it() {
    let (old, new) = (TestKey::new("ES256", "old"), TestKey::new("ES256", "new"));
    let set = Set::of(&[&old], "max-age=86400").await;
    assert!(set.finds("old").await);
    set.hands.advance(Duration::from_mins(5));
    set.publisher.put("/keys", Page::ok(key_set(&[&new])));
    assert!(set.finds("new").await);
    assert!(!set.finds("old").await, "and a withdrawn one is gone");
}

#[tokio::test]
async fn an_unknown_key_while_the_server_is_down_is_an_outage() {
    let key = TestKey::new("ES256", "a");
    let set = Set::of(&[&key], "max-age=3600").await;
    assert!(set.finds("a").await);
    set.publisher.fail();
    set.hands.advance(WINDOW);
    assert_eq!(unavailable(&set.keys.find(Some("new"), ES256).await), "error_status");
    assert_eq!(unavailable(&set.keys.find(Some("new"), ES256).await), "error_status", "and stays one in this window");
    assert_eq!(set.publisher.count(), 2);
    assert!(set.finds("a").await, "known keys go on working");
}

#[tokio::test]
async fn keys_outlive_an_outage_of_their_server_for_a_while() {
    let key = TestKey::new("ES256", "a");
    let set = Set::of(&[&key], "max-age=60").await;
    assert!(set.finds("a").await);
    set.publisher.fail();
    set.hands.advance(61 * SECOND);
    assert!(set.finds("a").await, "asked in vain, and served from what is kept");
    for _ in 0..300 {
        assert!(set.finds("a").await);
        tokio::task::yield_now().await;
    }
    assert_eq!(set.publisher.count(), 2, "a server that just failed is left alone");
    set.hands.advance(STALE.checked_sub(2 * SECOND).unwrap());
    assert!(set.finds("a").await);
    set.hands.advance(2 * SECOND);
    assert_eq!(unavailable(&set.keys.find(Some("a"), ES256).await), "error_status", "but not for ever");
    set.publisher.put("/keys", Page::ok(key_set(&[&key])));
    set.hands.advance(RETRY);
    assert!(set.finds("a").await, "and back as soon as the server is");
}

#[tokio::test]
async fn while_a_server_is_down_nobody_waits_for_it() {
    let key = TestKey::new("ES256", "a");
    let set = Set::of(&[&key], "max-age=60").await;
    assert!(set.finds("a").await);
    set.publisher.fail();
    set.hands.advance(61 * SECOND);
    assert!(set.finds("a").await);
    set.publisher.close();
    set.hands.advance(RETRY);
    for _ in 0..100 {
        assert_eq!(set.finds("a").now_or_never(), Some(true), "the retry is held back, and nobody waits");
    }
    set.publisher.has_been_asked(3).await;
    set.publisher.open();
}

#[tokio::test]
async fn an_outage_is_never_an_unknown_key() {
    let key = TestKey::new("ES256", "a");
    let answers = [
        (Page::status(500), "error_status"),
        (Page::status(404), "not_there"),
        (Page::status(302).with("location", "/elsewhere"), "error_status"),
        (Page::ok("<html>"), "no_usable_key"),
        (Page::ok("{}"), "no_usable_key"),
        (Page::ok(r#"{"keys":[]}"#), "no_usable_key"),
        (Page::ok(vec![b' '; BODY_MAX + 1]), "too_large"),
    ];
    for (page, reason) in answers {
        let set = Set::of(&[&key], "").await;
        set.publisher.put("/keys", page);
        set.publisher.put("/elsewhere", Page::ok(key_set(&[&key])));
        assert_eq!(unavailable(&set.keys.find(Some("a"), ES256).await), reason);
        assert!(
            set.publisher.asked().iter().all(|asked| asked.line.starts_with("GET /keys ")),
            "no redirect is followed"
        );
    }
    let gone = Keys::at("http://127.0.0.1:1/keys".parse().unwrap(), &Outbound::default(), Clock::manual(START).0);
    assert_eq!(unavailable(&gone.unwrap().find(None, ES256).await), "no_connection");
}

#[tokio::test]
async fn keys_come_over_https_or_from_this_machine() {
    let at = |address: &str| Keys::at(address.parse().unwrap(), &Outbound::default(), Clock::manual(START).0);
    for refused in [
        "http://login.example.org/keys",
        "http://10.0.0.1/keys",
        "ftp://login.example.org/keys",
        "file:///etc/passwd",
        "data:text/plain,keys",
        "https://user:password@login.example.org/keys",
        "https://169.254.169.254/keys",
    ] {
        assert!(at(refused).is_err(), "{refused}");
    }
    for accepted in ["https://login.example.org/keys", "http://localhost:8080/keys", "http://[::1]/keys"] {
        assert!(at(accepted).is_ok(), "{accepted}");
    }
}

/// A publisher of a discovery document and of keys.
async fn provider(document: impl Fn(&str) -> Value) -> (Publisher, String, Provider, ManualClock) {
    let publisher = Publisher::start().await;
    let issuer = publisher.url("/realm");
    publisher.put("/realm/.well-known/openid-configuration", Page::ok(document(&issuer).to_string()));
    let (clock, hands) = Clock::manual(START);
    let provider = Provider::new(&issuer, &Outbound::default(), clock).unwrap();
    (publisher, issuer, provider, hands)
}

#[tokio::test]
async fn an_issuer_says_where_its_keys_are() {
    let key = TestKey::new("ES256", "a");
    let document = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/one") });
    let (publisher, issuer, provider, hands) = provider(document).await;
    publisher.put("/realm/one", Page::ok(key_set(&[&key])));
    let keys = Keys::of(provider);
    keys.warm().await.unwrap();
    assert!(keys.find(Some("a"), ES256).await.is_ok());
    assert_eq!(publisher.count(), 2, "the document and the keys, once each");
    let moved = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/two") });
    publisher.put("/realm/.well-known/openid-configuration", Page::ok(moved.to_string()));
    publisher.put("/realm/two", Page::ok(key_set(&[&TestKey::new("ES256", "b")])));
    hands.advance(UNSAID);
    assert!(keys.find(Some("b"), ES256).await.is_ok(), "also when it says otherwise than before");
}

#[tokio::test]
async fn an_issuer_speaks_for_itself_only() {
    for named in ["/realm/", "/Realm", "", "/other"] {
        let (publisher, _, provider, _) = provider(|issuer| {
            let base = issuer.strip_suffix("/realm").unwrap();
            json!({ "issuer": format!("{base}{named}"), "jwks_uri": format!("{issuer}/keys") })
        })
        .await;
        let found = Keys::of(provider).find(Some("a"), ES256).await;
        assert_eq!(unavailable(&found), "discovery_of_another_issuer", "{named}");
        assert_eq!(publisher.count(), 1, "its keys are not even fetched");
    }
}

#[tokio::test]
async fn a_discovery_document_that_names_no_usable_keys_is_an_outage() {
    for keys in [json!(null), json!("http://login.example.org/keys"), json!("https://169.254.169.254/"), json!(7)] {
        let (_publisher, _, provider, _) = provider(|issuer| json!({ "issuer": issuer, "jwks_uri": keys })).await;
        assert_eq!(unavailable(&Keys::of(provider).find(None, ES256).await), "discovery_without_keys", "{keys}");
    }
    let twice = r#"{"issuer":"https://a.example","issuer":"https://a.example"}"#;
    assert_eq!(Metadata::read(twice.as_bytes(), "https://a.example", false).unwrap_err(), "discovery_not_json");
}

#[test]
fn an_issuer_elsewhere_cannot_send_us_to_this_machine() {
    let issuer = "https://login.example.org";
    let document = json!({ "issuer": issuer, "jwks_uri": "http://127.0.0.1/keys", "token_endpoint": "https://localhost/t",
        "userinfo_endpoint": "https://api.example.org/me" });
    let metadata = Metadata::read(document.to_string().as_bytes(), issuer, false).unwrap();
    assert_eq!(metadata.endpoint("jwks_uri"), None);
    assert_eq!(metadata.endpoint("token_endpoint"), None);
    assert_eq!(metadata.endpoint("userinfo_endpoint").unwrap().as_str(), "https://api.example.org/me");
}

const KID: &str = "12345678-1234-1234-1234-123456789012";

async fn one_by_one() -> (Publisher, Keys, ManualClock, TestKey) {
    let (publisher, key) = (Publisher::start().await, TestKey::new("ES256", KID));
    publisher.put(&format!("/pem/{KID}"), Page::ok(key.pem()));
    let (clock, hands) = Clock::manual(START);
    let keys = Keys::one_by_one(&url(&publisher, "/pem"), &Outbound::default(), clock).unwrap();
    (publisher, keys, hands, key)
}

fn uuid(number: usize) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

#[tokio::test]
async fn a_key_published_under_its_own_id_is_fetched_once() {
    let (publisher, keys, hands, key) = one_by_one().await;
    for _ in 0..10 {
        let found = keys.find(Some(KID), ES256).await.unwrap();
        assert!(found.verifies(ES256, b"message", &key.sign(b"message")));
    }
    assert_eq!(publisher.count(), 1);
    assert!(unknown(&keys.find(Some(KID), Algorithm::ES384).await), "a key of another curve is no match");
    assert!(unknown(&keys.find(None, ES256).await), "and without an id there is nothing to ask for");
    publisher.fail();
    hands.advance(UNSAID);
    assert!(keys.find(Some(KID), ES256).await.is_ok(), "it outlives an outage too");
}

/// A-4.
#[tokio::test]
async fn a_key_id_that_is_not_a_uuid_never_enters_an_address() {
    let (publisher, keys, ..) = one_by_one().await;
    let long = "a".repeat(300);
    for kid in [
        "",
        "a",
        "../../secret",
        "12345678-1234-1234-1234-12345678901",
        "12345678-1234-1234-1234-1234567890123",
        "12345678-1234-1234-1234-12345678901?",
        "12345678-1234-1234-1234-12345678901/",
        "12345678-1234-1234-1234-..3456789012",
        "@evil.example/1234-1234-1234-1234567",
        "12345678-1234-1234-1234-12345678901%",
        "12345678-1234-1234-1234-12345678901#",
        "12345678-1234-1234-1234-12345678901\n",
        "12345678_1234_1234_1234_123456789012",
        "12345678-1234-1234-1234-12345678901é",
        "https://evil.example/12345678-1234-1",
        long.as_str(),
    ] {
        assert!(unknown(&keys.find(Some(kid), ES256).await), "{kid:?}");
    }
    assert_eq!(publisher.count(), 0);
}

/// A-7.
#[tokio::test]
async fn ten_thousand_unknown_uuids_cause_one_call_in_half_a_minute() {
    let (publisher, keys, hands, _) = one_by_one().await;
    assert!(keys.find(Some(KID), ES256).await.is_ok());
    for number in 0..10_000 {
        let found = keys.find(Some(&uuid(number)), ES256).await;
        let limited = "key_lookups_limited";
        assert!(
            if number == 0 { unknown(&found) } else { unavailable(&found) == limited },
            "nobody looked for {number}"
        );
    }
    assert!(unknown(&keys.find(Some(&uuid(0)), ES256).await), "what was looked for is known not to be there");
    assert_eq!(publisher.count(), 2);
    assert!(keys.find(Some(KID), ES256).await.is_ok(), "known keys go on working");
    hands.advance(WINDOW);
    assert!(unknown(&keys.find(Some(&uuid(1)), ES256).await));
    assert_eq!(publisher.count(), 3);
}

#[tokio::test]
async fn ten_thousand_unknown_uuids_at_once_cause_one_call() {
    let (publisher, keys, ..) = one_by_one().await;
    let ask = |number| {
        let keys = keys.clone();
        async move { keys.find(Some(&uuid(number)), ES256).await.is_err() }
    };
    let callers: Vec<_> = (0..10_000).map(|number| tokio::spawn(ask(number))).collect();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(publisher.count(), 1);
}

/// A-7. Whoever makes up key ids waits for their own next look-up, and a key that was rotated in is found by everybody else.
#[tokio::test]
async fn made_up_key_ids_do_not_keep_a_new_key_unknown() {
    let (publisher, keys, hands, _) = one_by_one().await;
    let find = async |id: &str, last: u8| {
        let address = std::net::IpAddr::from([198, 51, 100, last]);
        keys.find_for(Some(id), ES256, Some(address)).await
    };
    for number in 0..100 {
        assert!(find(&uuid(number), 7).await.is_err());
    }
    assert_eq!(publisher.count(), 1);
    assert_eq!(
        unavailable(&find(KID, 7).await),
        "key_lookups_limited",
        "it may be there: an outage, nobody is logged out"
    );
    assert!(find(KID, 8).await.is_ok());
    assert!(find(KID, 7).await.is_ok(), "and then it is known to all");
    for (number, last) in (1..=200).zip(9..) {
        assert!(find(&uuid(number), last).await.is_err());
    }
    assert!(publisher.count() <= 70, "however many they are, there is an end");
    hands.advance(WINDOW);
    assert!(unknown(&find(&uuid(100), 7).await));
}

#[tokio::test]
async fn many_who_name_a_new_key_at_once_all_find_it_with_one_call() {
    let (publisher, keys, ..) = one_by_one().await;
    publisher.close();
    let find = |keys: Keys| async move { keys.find(Some(KID), ES256).await.is_ok() };
    let callers: Vec<_> = (0..100).map(|_| tokio::spawn(find(keys.clone()))).collect();
    publisher.has_been_asked(1).await;
    publisher.open();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(publisher.count(), 1);
}

#[tokio::test]
async fn a_key_server_that_fails_is_not_asked_about_every_id() {
    let (publisher, keys, hands, _) = one_by_one().await;
    publisher.put(&format!("/pem/{KID}"), Page::status(500));
    assert_eq!(unavailable(&keys.find(Some(KID), ES256).await), "error_status");
    assert_eq!(
        unavailable(&keys.find(Some(&uuid(1)), ES256).await),
        "error_status",
        "nobody is called unknown meanwhile"
    );
    assert_eq!(publisher.count(), 1);
    hands.advance(RETRY);
    publisher.put(&format!("/pem/{KID}"), Page::ok(TestKey::new("ES256", KID).pem()));
    assert!(keys.find(Some(KID), ES256).await.is_ok());
}

#[tokio::test]
async fn few_single_keys_are_kept_and_the_used_ones_stay() {
    let (publisher, keys, ..) = one_by_one().await;
    assert!(keys.find(Some(KID), ES256).await.is_ok());
    for number in 0..40 {
        let kid = uuid(number);
        publisher.put(&format!("/pem/{kid}"), Page::ok(TestKey::new("ES256", &kid).pem()));
        assert!(keys.find(Some(&kid), ES256).await.is_ok());
        assert!(keys.find(Some(KID), ES256).await.is_ok());
    }
    assert_eq!(publisher.count(), 41);
    assert!(keys.find(Some(&uuid(0)), ES256).await.is_ok());
    assert_eq!(publisher.count(), 42, "the least used one had to go");
}

#[tokio::test]
async fn a_single_key_that_is_withdrawn_is_forgotten_in_the_end() {
    let (publisher, keys, hands, _) = one_by_one().await;
    assert!(keys.find(Some(KID), ES256).await.is_ok());
    publisher.remove(&format!("/pem/{KID}"));
    hands.advance(UNSAID + STALE);
    assert!(unknown(&keys.find(Some(KID), ES256).await));
}
