//! A 401 that can be diagnosed: each reason for nobody has a word of its own in the metric and the record, and a sentence in the
//! log that says where to look.

use axum::Router;
use http::request::{Builder, Parts};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::kit::{BEHIND_PROXY, House, PROOF, START, page, server, settings, visit};
use crate::logs::Log;
use crate::publisher::{Page, Publisher};
use crate::tokens::{TestKey, header_of, key_set};

/// A word, what the log says, and the request.
type Case = (&'static str, &'static str, Builder);

/// Each of them in a service of its own, so that what is counted and recorded is its own.
async fn told(make: impl Fn() -> House, cases: Vec<Case>) {
    for (word, sentence, request) in cases {
        let (log, _guard) = Log::capture();
        let house = make();
        let answer = house.ask(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "login_required"), "{word}");
        let text = log.text();
        let mut lines = text.lines().filter(|line| line.contains(" INFO ") || line.contains(" WARN "));
        let line = lines.find(|line| line.contains("nobody: ") && line.contains(sentence));
        let line = line.unwrap_or_else(|| panic!("{sentence}: {text}"));
        assert!(line.contains(&format!("reason=\"{word}\"")), "{line}");
        let metrics = house.app.state.metrics.render();
        assert!(metrics.contains(&format!("code=\"login_required\",reason=\"{word}\"}} 1")), "{metrics}");
        let record = house.records.text(&house.app);
        assert!(record.contains(&format!("\"reason\":\"{word}\"")), "{record}");
        for secret in ["canary", "eve"] {
            assert!(!line.contains(secret) && !record.contains(secret), "{secret}: {line} {record}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_say_who_it_is_can_be_told_from_the_log() {
    let proven = || page("/token").header("x-countersign-proof", PROOF);
    let unproven = || page("/token").header("x-forwarded-user", "eve");
    told(
        || House::behind_proxy(&[]),
        vec![
            ("no_session", "the request carries no header x-forwarded-user", page("/token")),
            ("no_session", "the request carries no header x-forwarded-user", proven()),
            ("proof_missing", "identity headers without x-countersign-proof", unproven()),
            ("proof_wrong", "a wrong x-countersign-proof", unproven().header("x-countersign-proof", "canary")),
            (
                "identity_unreadable",
                "the header x-forwarded-user ",
                proven().header("x-forwarded-user", "e".repeat(257)),
            ),
        ],
    )
    .await;
    told(
        || House::behind_proxy(&[("TRUSTED_PROXIES", "10.0.3.7")]),
        vec![("proof_peer", "not in TRUSTED_PROXIES", visit("/token", "eve"))],
    )
    .await;
}

/// A session endpoint that answers as the cookie says.
fn endpoint(headers: &HeaderMap) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let cookie = headers["cookie"].to_str().unwrap_or_default().to_owned();
    let redirect = "https://login.example.org/in?next=canary";
    let (status, body) = match cookie.trim_start_matches("sid=") {
        "401" => (StatusCode::UNAUTHORIZED, String::new()),
        "302" => (StatusCode::FOUND, String::new()),
        "empty" => (StatusCode::OK, "{}".to_owned()),
        "nobody" => (StatusCode::OK, json!({ "name": "canary" }).to_string()),
        _ => (StatusCode::OK, json!({ "sub": "eve", "email": "a@b.c", "exp": START.0 - 1 }).to_string()),
    };
    (status, [("location", redirect)], body)
}

#[tokio::test]
async fn what_the_session_endpoint_said_can_be_told_from_the_log() {
    let host = server(Router::new().fallback(async |parts: Parts| endpoint(&parts.headers))).await;
    let make = || {
        let changes = [
            ("SESSION_SOURCES", "upstream"),
            ("UPSTREAM_SESSION_URL", host.as_str()),
            ("UPSTREAM_SESSION_COOKIES", "sid"),
            ("FORWARDED_CONVENTION", ""),
            ("FORWARDED_PROOF_SECRET", ""),
        ];
        House::of(&settings(&BEHIND_PROXY, &changes))
    };
    let with = |cookie: &str| page("/token").header("cookie", cookie);
    told(
        make,
        vec![
            ("no_cookie", "the request carries no cookie sid", page("/token")),
            ("no_cookie", "the request carries no cookie sid", with("SID=canary; other=canary")),
            ("endpoint_said_no", "the endpoint answered 401", with("sid=401")),
            ("endpoint_said_no", "the endpoint answered 302 to login.example.org", with("sid=302")),
            ("anonymous_answer", "names nobody", with("sid=empty")),
            ("no_subject", "/sub", with("sid=nobody")),
            ("session_expired", "the session has ended", with("sid=old")),
        ],
    )
    .await;
}

#[tokio::test]
async fn which_claim_of_a_token_was_refused_can_be_told_from_the_log() {
    let publisher = Publisher::start().await;
    let (key, stranger) = (TestKey::new("ES256", "a"), TestKey::new("ES256", "a"));
    let issuer = publisher.url("/realm");
    let document = json!({ "issuer": issuer, "jwks_uri": publisher.url("/keys") }).to_string();
    publisher.put("/realm/.well-known/openid-configuration", Page::ok(document));
    publisher.put("/keys", Page::ok(key_set(&[&key])));
    let make = || {
        House::behind_proxy(&[
            ("SESSION_SOURCES", "bearer"),
            ("FORWARDED_CONVENTION", ""),
            ("FORWARDED_PROOF_SECRET", ""),
            ("BEARER_ISSUER", &issuer),
            ("BEARER_AUDIENCE", "https://chat.example.org"),
            ("BEARER_SCOPE", "chat"),
        ])
    };
    let sending = |by: &TestKey, changes: serde_json::Value| {
        let mut claims = json!({ "iss": issuer, "aud": "https://chat.example.org", "sub": "eve", "iat": START.0,
            "exp": START.0 + 300, "client_id": "app", "scope": "chat" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let mut header = header_of(by);
        header["typ"] = json!("at+jwt");
        page("/token").header("authorization", format!("Bearer {}", by.token(&header, &claims)))
    };
    told(
        make,
        vec![
            ("no_session", "the request carries no header authorization", page("/token")),
            ("malformed", "not in compact serialization", page("/token").header("authorization", "Bearer canary")),
            ("signature", "the signature does not hold", sending(&stranger, json!({}))),
            ("issuer", "iss is missing or names another issuer", sending(&key, json!({ "iss": "https://canary" }))),
            ("audience", "aud is missing or does not name us", sending(&key, json!({ "aud": "canary" }))),
            ("expired", "exp has passed", sending(&key, json!({ "exp": START.0 - 300 }))),
            ("early", "nbf or iat is still to come", sending(&key, json!({ "nbf": START.0 + 300 }))),
            ("requirement", "a claim or a scope that is required", sending(&key, json!({ "scope": "canary" }))),
        ],
    )
    .await;
}
