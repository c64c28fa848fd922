//! A widget's server asks whether a token counts: it is told yes or no, once where tokens count once, and never why not.

use std::sync::Arc;

use axum::body::Body;
use countersign::base::clock::random_id;
use futures_util::{StreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, Request, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::kit::{Answer, BEHIND_PROXY, House, SECRET, mistakes, payload, read, settings, visit};
use crate::state::server;
use crate::verifier::signed;

pub const CALLER: &str = "the-secret-of-the-widget-server-0815";
const NEXT: &str = "the-secret-that-comes-after-it-04711";
const FORM: &str = "application/x-www-form-urlencoded";

/// A widget whose tokens have every registered claim.
pub const FULL: [(&str, &str); 10] = [
    ("WIDGET_PRESET", "custom"),
    ("WIDGET_CLAIMS", "{}"),
    ("WIDGET_ALGORITHM", "HS256"),
    ("WIDGET_SECRET_ENCODING", "base64url"),
    ("WIDGET_STAMPED", "iat,exp,jti"),
    ("WIDGET_ISSUER", "clinic"),
    ("WIDGET_AUDIENCE", "chat"),
    ("INTROSPECTION_SECRET", CALLER),
    ("SESSION_STORE", "memory"),
    ("CLOCK_SKEW", "5s"),
];

pub fn house(changes: &[(&str, &str)]) -> House {
    House::of(&vars(changes))
}

pub fn vars(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let all: Vec<(&str, &str)> = FULL.iter().chain(changes).copied().collect();
    settings(&BEHIND_PROXY, &all)
}

pub fn question(path: &str, token: &str) -> Request<Body> {
    asked_by(path, &format!("Bearer {CALLER}"), token)
}

fn asked_by(path: &str, credential: &str, token: &str) -> Request<Body> {
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let request = Request::post(path).header(CONTENT_TYPE, FORM).header(AUTHORIZATION, credential);
    request.body(Body::from(form)).unwrap()
}

pub async fn introspect(house: &House, token: &str) -> Value {
    let answer = house.send(question("/introspect", token)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

pub async fn token(house: &House, subject: &str) -> String {
    house.ask(visit("/token", subject)).await.token()
}

fn reasons(house: &House) -> Vec<String> {
    let records = house.records.text(&house.app);
    let lines = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let inactive = lines.filter(|record| record["outcome"] == "inactive");
    inactive.map(|record| record["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_token_that_counts_is_active_and_says_what_it_says() {
    let house = house(&[]);
    let token = token(&house, "alice").await;
    for path in ["/introspect", "/introspect/custom", "/chat-identity/introspect"] {
        let answer = house.send(question(path, &token)).await;
        let said = answer.json();
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        for (name, value) in payload(&token) {
            assert_eq!(said[&name], value, "{name}");
        }
        assert_eq!((&said["active"], &said["widget"]), (&json!(true), &json!("custom")));
    }
    let records = house.records.text(&house.app);
    assert_eq!(records.matches(r#""outcome":"active""#).count(), 3, "{records}");
    assert!(!records.contains(&token) && !records.contains("alice"), "{records}");
}

#[tokio::test]
async fn the_subject_has_its_name_wherever_the_format_keeps_it() {
    let medchat = [("INTROSPECTION_SECRET", CALLER), ("SESSION_STORE", "memory")];
    let house = House::of(&settings(&BEHIND_PROXY, &medchat));
    let said = introspect(&house, &token(&house, "alice").await).await;
    assert_eq!((&said["active"], &said["sub"]), (&json!(true), &said["external_id"]));
    assert!(said["sub"].is_string());
}

/// V-3.
#[tokio::test]
async fn an_outsider_learns_no_step_and_the_records_learn_each() {
    let house = house(&[]);
    let good = token(&house, "alice").await;
    let secret = data_encoding::BASE64URL_NOPAD.decode(SECRET.as_ref()).unwrap();
    let claims = payload(&good);
    let with = |name: &str, value: Value| {
        let mut other = claims.clone();
        other.insert(name.to_owned(), value);
        signed(&secret, r#"{"alg":"HS256"}"#, &Value::Object(other).to_string())
    };
    let cases = [
        ("nonsense".to_owned(), "malformed"),
        (signed(b"another secret of more than 32 bytes", r#"{"alg":"HS256"}"#, "{}"), "signature"),
        (signed(&secret, r#"{"alg":"HS512"}"#, "{}"), "algorithm"),
        (signed(&secret, r#"{"alg":"HS256","typ":"at+jwt"}"#, "{}"), "token_type"),
        (with("iss", json!("other")), "issuer"),
        (with("aud", json!("mail")), "audience"),
        (with("exp", json!(1)), "expired"),
        (with("iat", json!(4_000_000_000_u64)), "early"),
        (with("jti", json!("")), "requirement"),
        (signed(&secret, r#"{"alg":"HS256"}"#, r#"{"sub":"a","sub":"b"}"#), "duplicate_member"),
        (format!("{good}{}", "A".repeat(16 * 1024)), "too_large"),
    ];
    for (token, _) in &cases {
        let answer = house.send(question("/introspect/custom", token)).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"active":false}"#));
    }
    let expected: Vec<&str> = cases.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons(&house), expected);
    let metrics = house.app.state.metrics.render();
    assert!(metrics.contains(r#"reason="audience""#) && metrics.contains(r#"code="inactive""#), "{metrics}");
}

/// V-4.
#[tokio::test]
async fn who_shows_no_secret_is_told_nothing_about_any_token() {
    let house = house(&[("INTROSPECTION_SECRET_NEXT", NEXT)]);
    let token = token(&house, "alice").await;
    let both = [format!("Bearer {CALLER}"), format!("bearer {NEXT}")];
    for credential in &both {
        assert_eq!(house.send(asked_by("/introspect", credential, &token)).await.json()["active"], true);
    }
    let wrong = ["", "Bearer", "Bearer wrong", &format!("Basic {CALLER}"), &format!("Bearer {}", &CALLER[1..])];
    let mut texts = Vec::new();
    for credential in wrong {
        for token in [token.as_str(), "nonsense"] {
            let answer = house.send(asked_by("/introspect", credential, token)).await;
            assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "unauthorized"));
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            texts.push(answer.text);
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "every caller without a secret is told the same");
    let records = house.records.text(&house.app);
    assert!(records.contains("credential_wrong") && records.contains("credential_missing"), "{records}");
    assert!(!records.contains(CALLER) && !records.contains(&CALLER[1..]), "{records}");
}

/// V-4.
#[tokio::test]
async fn introspection_is_off_unless_it_has_a_secret_and_is_for_no_page() {
    let off = house(&[("INTROSPECTION_SECRET", ""), ("SESSION_STORE", "")]);
    assert_eq!(off.send(question("/introspect", "x")).await.status, StatusCode::NOT_FOUND);
    let on = house(&[("ALLOWED_ORIGINS", "https://app.example.org")]);
    let page = |builder: http::request::Builder| builder.header("origin", "https://app.example.org");
    for path in ["/introspect", "/introspect/custom"] {
        let preflight = page(Request::options(path)).header("access-control-request-method", "POST");
        let answer = on.ask(preflight).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        let mut asked = question(path, "x");
        asked.headers_mut().insert("origin", "https://app.example.org".parse().unwrap());
        for answer in [answer, on.send(asked).await, on.ask(page(Request::get(path))).await] {
            let cors = |name: &HeaderName| name.as_str().starts_with("access-control-");
            assert!(!answer.headers.keys().any(cors), "{:?}", answer.headers);
        }
    }
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    let house = house(&[]);
    let ask = |media: &str, body: String| {
        let request = Request::post("/introspect").header(AUTHORIZATION, format!("Bearer {CALLER}"));
        house.send(request.header(CONTENT_TYPE, media).body(Body::from(body)).unwrap())
    };
    for (media, body) in [(FORM, ""), (FORM, "token="), (FORM, "token=a&token=b"), ("application/json", "{}")] {
        let answer = ask(media, body.to_owned()).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "bad_request"), "{media} {body}");
    }
    let answer = ask(FORM, format!("token={}", "a".repeat(20 * 1024))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// V-5.
#[tokio::test]
async fn a_token_that_counts_once_counts_for_who_asks_first() {
    for stamped in ["iat,exp,jti", "iat,exp"] {
        let house = house(&[("INTROSPECTION_ONE_TIME", "true"), ("WIDGET_STAMPED", stamped)]);
        let (one, other) = (token(&house, "alice").await, token(&house, "bob").await);
        assert_eq!(introspect(&house, &one).await["active"], true);
        assert_eq!(introspect(&house, &one).await, json!({ "active": false }));
        assert_eq!(introspect(&house, &other).await["active"], true, "another token is another use");
        assert_eq!(reasons(&house), ["used"]);
    }
}

/// V-5.
#[tokio::test]
async fn a_store_that_cannot_be_asked_is_a_503_and_never_says_inactive() {
    let sound = house(&[]);
    let token = token(&sound, "alice").await;
    let away = house(&[("SESSION_STORE", "redis://127.0.0.1:9/0"), ("INTROSPECTION_ONE_TIME", "true")]);
    let answer = away.send(question("/introspect", &token)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable"));
    assert!(!answer.header("retry-after").is_empty() && !answer.text.contains("active\""), "{}", answer.text);
    let refused = away.send(question("/introspect", "nonsense")).await;
    assert_eq!(refused.json(), json!({ "active": false }), "what does not hold needs no store");
}

#[test]
fn a_weak_or_lonely_introspection_setting_is_named() {
    let short = mistakes(&vars(&[("INTROSPECTION_SECRET", "short")]));
    assert!(short.contains("INTROSPECTION_SECRET: has 5 characters; at least 32"), "{short}");
    let lonely = mistakes(&vars(&[("INTROSPECTION_SECRET", ""), ("INTROSPECTION_SECRET_NEXT", NEXT)]));
    assert!(lonely.contains("INTROSPECTION_SECRET_NEXT: is set without INTROSPECTION_SECRET"), "{lonely}");
    let once = mistakes(&vars(&[("INTROSPECTION_SECRET", ""), ("INTROSPECTION_ONE_TIME", "true")]));
    assert!(once.contains("INTROSPECTION_ONE_TIME: needs INTROSPECTION_SECRET"), "{once}");
    let alone = read(&vars(&[("INTROSPECTION_ONE_TIME", "true")])).unwrap().reading.warnings;
    assert!(alone.iter().any(|w| w.to_string().contains("in this process alone")), "{alone:?}");
}

const USES: usize = 10_000;
/// Questions under way at a time.
const AT_ONCE: usize = 64;

/// Of all the uses of one token, half at each of two replicas, those that were told that it is active, and the others.
async fn race(store: &str, prefix: &str) -> (usize, usize) {
    let once = [("SESSION_STORE", store), ("SESSION_STORE_PREFIX", prefix), ("INTROSPECTION_ONE_TIME", "true")];
    let replicas = [Arc::new(house(&once)), Arc::new(house(&once))];
    let token = token(&replicas[0], "alice").await;
    let uses = stream::iter(0..USES).map(|at| {
        let (replica, token) = (replicas[at % 2].clone(), token.clone());
        tokio::spawn(async move { replica.send(question("/introspect", &token)).await })
    });
    let answers: Vec<Answer> = uses.buffer_unordered(AT_ONCE).map(Result::unwrap).collect().await;
    let active = answers.iter().filter(|answer| answer.json()["active"] == true).count();
    let inactive = answers.iter().filter(|answer| answer.text == r#"{"active":false}"#).count();
    (active, inactive)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Redis server: tests/e2e/stores"]
async fn ten_thousand_uses_of_one_token_at_two_replicas_on_redis_are_one() {
    let prefix = format!("test-{}:", random_id());
    assert_eq!(race(&server("TEST_REDIS_URL"), &prefix).await, (1, USES - 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL server: tests/e2e/stores"]
async fn ten_thousand_uses_of_one_token_at_two_replicas_on_postgres_are_one() {
    assert_eq!(race(&server("TEST_POSTGRES_URL"), "").await, (1, USES - 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_uses_of_one_token_on_sqlite_are_one() {
    let place = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", place.path().join("state.db").display());
    assert_eq!(race(&store, "").await, (1, USES - 1));
}
