//! Everything of one subject is ended: tokens count no longer, sessions end, nothing is renewed; and nobody else notices.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use countersign::base::clock::Clock;
use countersign::issuance::revocation::Revocations;
use countersign::session::identity::Subject;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::deeds::{AUDIT_KEY, run};
use crate::introspection::{house, introspect, token, vars};
use crate::kit::{House, START, page, visit};
use crate::login::accounts::{PASSWORD, accounts, try_password};
use crate::login::browser::Browser;
use crate::login::house as login_house;

const REVOKER: &str = "the-secret-of-who-may-revoke-all-0815";

async fn revoke(house: &House, credential: &str, body: &str) -> (StatusCode, Value) {
    ask("/revocations", house, credential, body).await
}

async fn lift(house: &House, credential: &str, body: &str) -> (StatusCode, Value) {
    ask("/revocations/lift", house, credential, body).await
}

async fn ask(path: &str, house: &House, credential: &str, body: &str) -> (StatusCode, Value) {
    let request = Request::post(path).header("host", "127.0.0.1").header(AUTHORIZATION, credential);
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(body.to_owned()));
    let (head, body) = house.app.admin.handle(request.unwrap()).await.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    (head.status, serde_json::from_slice(&bytes).unwrap())
}

fn admin() -> [(&'static str, &'static str); 1] {
    [("REVOCATION_SECRET", REVOKER)]
}

/// V-6.
#[tokio::test]
async fn what_was_made_before_a_revocation_is_inactive_from_then_on() {
    for subject in ["plain", "hex", "pseudonym"] {
        let key =
            data_encoding::BASE64URL_NOPAD.encode((0..64_u8).map(|i| i.wrapping_mul(37)).collect::<Vec<u8>>().as_ref());
        let changes = [admin()[0], ("WIDGET_SUBJECT", subject), ("PSEUDONYM_KEY", &key)];
        let house = house(&changes);
        let (alices, bobs) = (token(&house, "alice").await, token(&house, "bob").await);
        assert_eq!(introspect(&house, &alices).await["active"], true);
        let (status, said) = revoke(&house, &format!("Bearer {REVOKER}"), "subject=alice").await;
        assert_eq!((status, &said["revoked_at"]), (StatusCode::OK, &json!(START.0)), "{said}");
        assert_eq!(introspect(&house, &alices).await, json!({ "active": false }), "{subject}");
        assert_eq!(introspect(&house, &bobs).await["active"], true, "nobody else notices");
        let records = house.records.text(&house.app);
        assert!(records.contains(r#""reason":"revoked""#) && records.contains(r#""audit":"revocation""#), "{records}");
        assert!(!records.contains("alice"), "{records}");
    }
}

/// V-6.
#[tokio::test]
async fn nothing_is_renewed_after_a_revocation_until_the_visitor_has_logged_in_anew() {
    let house = house(&[admin()[0], ("FORWARDED_AUTH_TIME_HEADER", "X-Auth-Time")]);
    let logged_in = |at: u64| visit("/token", "alice").header("x-auth-time", at.to_string());
    assert_eq!(house.ask(logged_in(START.0 - 60)).await.status, StatusCode::OK);
    revoke(&house, &format!("Bearer {REVOKER}"), "subject=alice").await;
    for request in [logged_in(START.0 - 60), visit("/token", "alice")] {
        let answer = house.ask(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "login_required"));
    }
    let session = visit("/session", "alice").header("x-auth-time", (START.0 - 60).to_string());
    assert_eq!(house.ask(session).await.json()["logged_in"], false);
    house.hands.advance(Duration::from_secs(10));
    let anew = house.ask(logged_in(START.0 + 5)).await.token();
    assert_eq!(introspect(&house, &anew).await["active"], true, "a token of a later login");
    assert_eq!(house.ask(page("/token")).await.code(), "login_required");
}

/// V-13.
#[tokio::test]
async fn a_lifted_revocation_lets_the_visitor_back_in_and_revives_no_token() {
    let house = house(&admin());
    let bearer = format!("Bearer {REVOKER}");
    let before = token(&house, "alice").await;
    assert_eq!(lift(&house, &bearer, "subject=alice").await.1["lifted"], false, "there is nothing to lift yet");
    revoke(&house, &bearer, "subject=alice").await;
    assert_eq!(house.ask(visit("/token", "alice")).await.status, StatusCode::UNAUTHORIZED);
    for credential in ["", "Bearer wrong"] {
        assert_eq!(lift(&house, credential, "subject=alice").await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(house.ask(visit("/token", "alice")).await.status, StatusCode::UNAUTHORIZED);
    house.hands.advance(Duration::from_mins(1));
    let (status, said) = lift(&house, &bearer, "subject=alice").await;
    assert_eq!((status, said), (StatusCode::OK, json!({ "lifted": true, "revoked_at": START.0 })));
    let after = token(&house, "alice").await;
    assert_eq!(introspect(&house, &after).await["active"], true);
    assert_eq!(introspect(&house, &before).await, json!({ "active": false }), "a stolen token does not come back");
    let records = house.records.text(&house.app);
    assert!(records.contains(r#""audit":"lifted_revocation""#) && !records.contains("alice"), "{records}");
}

/// V-6.
#[tokio::test]
async fn a_revocation_ends_the_sessions_of_our_own_login() {
    let vars = [("LOGIN", "accounts"), ("ACCOUNTS", &*accounts(|_| ()))];
    let house = login_house::House::of(&vars);
    let mut browsers = [Browser::default(), Browser::default()];
    for browser in &mut browsers {
        try_password(&house, browser, "anna", PASSWORD).await;
    }
    let subject = house.subject(&browsers[0]).await.unwrap();
    let revocations = Revocations::new(house.store.clone(), Duration::ZERO, house.clock.clone());
    let revoked = revocations.revoke(&Subject::new(&subject).unwrap(), &["login"], &[]).await.unwrap();
    assert_eq!(revoked.sessions, 2);
    for browser in &browsers {
        assert_eq!(house.subject(browser).await, None);
    }
    try_password(&house, &mut browsers[0], "anna", PASSWORD).await;
    assert_eq!(house.subject(&browsers[0]).await, Some(subject), "who logs in anew is logged in");
}

/// V-6.
#[tokio::test]
async fn the_command_revokes_in_the_store_of_the_running_service() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (store, log) = (format!("sqlite:{}", at("state.db")), at("audit.jsonl"));
    let changes = [("SESSION_STORE", store.as_str()), ("AUDIT_LOG", &log), ("AUDIT_KEY", AUDIT_KEY)];
    let (clock, hands) = Clock::manual(Clock::system().now());
    let house = House::by(&vars(&changes), &clock, hands);
    let token = token(&house, "alice").await;
    let line = ["revoke", "--subject", "alice", "--reason", "a lost laptop", "--json"];
    let (out, ended) = run(&line, vars(&changes)).await;
    ended.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["sessions_ended"], 0, "{out}");
    assert_eq!(introspect(&house, &token).await, json!({ "active": false }));
    let records = std::fs::read_to_string(&log).unwrap();
    assert!(records.contains(r#""audit":"revoke""#) && records.contains("a lost laptop"), "{records}");
    let line = ["revoke", "--lift", "--subject", "alice", "--reason", "the laptop was found", "--json"];
    for lifted in [true, false] {
        let (out, ended) = run(&line, vars(&changes)).await;
        assert_eq!(ended.unwrap() == countersign::cli::Exit::Well, lifted);
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["lifted"], lifted, "{out}");
    }
    assert_eq!(house.ask(visit("/token", "alice")).await.status, StatusCode::OK);
    let records = std::fs::read_to_string(&log).unwrap();
    assert!(records.contains(r#""audit":"lift_revocation""#) && records.contains("the laptop was found"), "{records}");
}

#[tokio::test]
async fn a_revocation_that_no_service_would_see_is_refused() {
    let alone = [("INTROSPECTION_SECRET", ""), ("SESSION_STORE", "")];
    for (changes, sentence) in [(&alone[..], "set INTROSPECTION_SECRET"), (&[], "inside the running service")] {
        let (_, ended) = run(&["revoke", "--subject", "alice", "--reason", "x"], vars(changes)).await;
        let problem = ended.expect_err(sentence).to_string();
        assert!(problem.contains(sentence), "{problem}");
    }
}

/// V-7.
#[tokio::test]
async fn only_who_shows_the_revokers_secret_revokes() {
    let off = house(&[]);
    assert_eq!(revoke(&off, &format!("Bearer {REVOKER}"), "subject=alice").await.0, StatusCode::NOT_FOUND);
    let house = house(&admin());
    let token = token(&house, "alice").await;
    for credential in ["", "Bearer wrong", &format!("Bearer {}", crate::introspection::CALLER)] {
        assert_eq!(revoke(&house, credential, "subject=alice").await.0, StatusCode::UNAUTHORIZED);
    }
    let bearer = format!("Bearer {REVOKER}");
    assert_eq!(revoke(&house, &bearer, "subject=").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(introspect(&house, &token).await["active"], true);
    let away = crate::introspection::house(&[admin()[0], ("SESSION_STORE", "redis://127.0.0.1:9/0")]);
    assert_eq!(revoke(&away, &bearer, "subject=alice").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
