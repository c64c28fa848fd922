//! What a visitor gets, and how long it is good.

use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use http::{Method, StatusCode};
use proptest::prelude::*;
use serde_json::Value;

use crate::kit::{House, PROOF, START, jose, page, visit};

#[tokio::test]
async fn a_logged_in_visitor_gets_a_token_that_names_them() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(visit("/token", "alice42")).await;
    let claims = answer.claims();
    assert_eq!(claims["external_id"], "alice42");
    assert_eq!(claims["name"], "Jane Doe");
    assert_eq!(claims["email"], "jane@example.org");
}

/// The claims of MedChat's document, field by field, and nothing else.
#[tokio::test]
async fn a_medchat_token_holds_exactly_the_documented_claims() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(visit("/token", "alice42")).await;
    let claims = answer.claims();
    let mut names: Vec<&str> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["email", "exp", "external_id", "iat", "name"]);
    assert_eq!(claims["iat"], START.0 - 5, "back-dated by the default skew");
    assert_eq!(claims["exp"], START.0 + 4 * 3600);
    let header = jose(&answer.token());
    assert_eq!(Value::Object(header), serde_json::json!({ "alg": "HS256", "typ": "JWT" }));
}

#[tokio::test]
async fn the_answer_tells_the_page_when_to_come_back() {
    let house = House::behind_proxy(&[("WIDGET_LIFETIME", "10m")]);
    let json = house.ask(visit("/token", "alice")).await.json();
    assert_eq!(json["expires_in"], 600);
    assert_eq!(json["expires_at"], START.0 + 600);
    assert_eq!(json["refresh_in"], 480);
    assert_eq!(json["widget"], "medchat");
}

#[tokio::test]
async fn nobody_is_told_to_log_in_and_gets_nothing() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(page("/token").header("x-countersign-proof", PROOF)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "login_required"));
    assert!(answer.json().get("token").is_none());
    assert_eq!(answer.header("www-authenticate"), "", "HD-4: no browser pop-up");
}

/// T-2.
#[tokio::test]
async fn a_token_never_outlives_its_session() {
    let house = House::behind_proxy(&[("FORWARDED_EXPIRES_HEADER", "X-Expires")]);
    let soon = START.0 + 90;
    let answer = house.ask(visit("/token", "alice").header("x-expires", soon)).await;
    assert_eq!(answer.claims()["exp"], soon);
    assert_eq!(answer.json()["expires_in"], 90);
}

/// T-2.
#[tokio::test]
async fn an_ended_session_is_no_session() {
    let house = House::behind_proxy(&[("FORWARDED_EXPIRES_HEADER", "X-Expires")]);
    for end in [0, START.0 - 1, START.0] {
        let answer = house.ask(visit("/token", "alice").header("x-expires", end)).await;
        assert_eq!(answer.code(), "login_required", "{end}");
    }
    house.hands.advance(Duration::from_secs(100));
    let answer = house.ask(visit("/token", "alice").header("x-expires", START.0 + 100)).await;
    assert_eq!(answer.code(), "login_required", "ended this very second");
}

#[tokio::test]
async fn a_session_whose_end_cannot_be_read_is_the_operators_to_mend() {
    let house = House::behind_proxy(&[("FORWARDED_EXPIRES_HEADER", "X-Expires")]);
    let answer = house.ask(visit("/token", "alice").header("x-expires", "tomorrow")).await;
    assert_eq!(answer.code(), "misconfigured");
}

/// T-6: the fault of the sample this service replaces.
#[tokio::test]
async fn nothing_in_the_query_or_the_body_reaches_an_identity_claim() {
    let house = House::behind_proxy(&[]);
    let plain = house.ask(visit("/token", "alice")).await.claims();
    let forged = "?userId=victim&userName=Victim&external_id=victim&name=Victim&sub=victim&email=v@example.org";
    assert_eq!(house.ask(visit(&format!("/token{forged}"), "alice")).await.claims(), plain);
    let body = r#"{"external_id":"victim","name":"Victim","sub":"victim"}"#;
    let request = visit("/token", "alice").method(Method::POST).header("content-type", "application/json");
    assert_eq!(house.send(request.body(body.into()).unwrap()).await.claims(), plain);
}

/// T-5.
#[tokio::test]
async fn a_token_that_is_too_large_is_an_error_and_never_cut() {
    let house = House::behind_proxy(&[("WIDGET_MAX_TOKEN_BYTES", "100")]);
    let answer = house.ask(visit("/token", "alice")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured"));
}

#[tokio::test]
async fn every_widget_has_its_own_route_and_key_and_the_first_is_the_default() {
    let house = House::behind_proxy(&[
        ("WIDGETS", "support,billing"),
        ("WIDGET_PRESET", ""),
        ("WIDGET_SECRET", ""),
        ("WIDGET_SUPPORT_PRESET", "medchat"),
        ("WIDGET_SUPPORT_SECRET", crate::kit::SECRET),
        ("WIDGET_BILLING_PRESET", "userinfo"),
        ("WIDGET_BILLING_SECRET", "a-text-secret-of-more-than-32-characters"),
        ("WIDGET_BILLING_AUDIENCE", "https://chat.example.com"),
    ]);
    assert_eq!(house.ask(visit("/token", "alice")).await.json()["widget"], "support");
    assert_eq!(house.ask(visit("/token/support", "alice")).await.claims()["external_id"], "alice");
    let billing = house.ask(visit("/token/billing", "alice")).await.claims();
    assert_eq!(billing["sub"], "alice");
    assert_eq!(billing["aud"], "https://chat.example.com");
    assert_eq!(house.ask(visit("/token/other", "alice")).await.status, StatusCode::NOT_FOUND);
}

/// T-1.
#[tokio::test]
async fn a_userinfo_token_carries_the_whole_registered_set() {
    let house = House::behind_proxy(&[
        ("WIDGET_PRESET", "userinfo"),
        ("WIDGET_AUDIENCE", "https://chat.example.com"),
        ("WIDGET_SECRET", "a-text-secret-of-more-than-32-characters"),
    ]);
    let first = house.ask(visit("/token", "alice")).await.claims();
    assert_eq!(first["iss"], "https://www.example.org/chat-identity");
    assert_eq!(first["nbf"], START.0 - 5);
    assert_eq!(first["exp"], START.0 + 300);
    let second = house.ask(visit("/token", "alice")).await.claims();
    assert_ne!(first["jti"], second["jti"], "every token has its own id");
    assert_eq!(first["jti"].as_str().unwrap().len(), 22);
}

#[tokio::test]
async fn back_dating_follows_the_configured_skew() {
    let house = House::behind_proxy(&[("CLOCK_SKEW", "0s")]);
    assert_eq!(house.ask(visit("/token", "alice")).await.claims()["iat"], START.0);
    let house = House::behind_proxy(&[("CLOCK_SKEW", "2m")]);
    assert_eq!(house.ask(visit("/token", "alice")).await.claims()["iat"], START.0 - 120);
}

/// MedChat documents `external_id` as alphanumeric.
#[tokio::test]
async fn an_id_the_vendor_might_refuse_is_refused_with_the_remedy() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(visit("/token", "alice@example.org")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "identity_incomplete"));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("external_id") && detail.contains("WIDGET_SUBJECT=hex"), "{detail}");
    assert!(!answer.text.contains("alice"), "and the id itself stays out of the answer");
}

#[tokio::test]
async fn an_id_written_in_hex_fits_every_vendor() {
    let house = House::behind_proxy(&[("WIDGET_SUBJECT", "hex")]);
    let id = house.ask(visit("/token", "zoë@example.org")).await.claims()["external_id"].as_str().unwrap().to_owned();
    assert_eq!(String::from_utf8(HEXLOWER_PERMISSIVE.decode(id.as_ref()).unwrap()).unwrap(), "zoë@example.org");
}

#[tokio::test]
async fn a_display_name_is_cut_at_a_character_and_an_address_is_refused_whole() {
    let house = House::behind_proxy(&[("FORWARDED_CHARSET", "utf8")]);
    let long = "ä".repeat(250);
    let request = visit("/token", "alice");
    let mut request = request.body(axum::body::Body::empty()).unwrap();
    let value = http::HeaderValue::from_bytes(long.as_bytes()).unwrap();
    request.headers_mut().insert("x-forwarded-preferred-username", value);
    let name = house.send(request).await.claims()["name"].as_str().unwrap().to_owned();
    assert_eq!(name, "ä".repeat(200));
    let mut request = visit("/token", "alice").body(axum::body::Body::empty()).unwrap();
    let address = format!("{}@example.org", "a".repeat(250));
    request.headers_mut().insert("x-forwarded-email", address.parse().unwrap());
    assert_eq!(house.send(request).await.code(), "identity_incomplete");
}

/// RL-1.
#[tokio::test]
async fn a_visitor_who_asks_too_often_waits_and_others_do_not() {
    let house = House::behind_proxy(&[("RATE_LIMIT_VISITOR", "3/m")]);
    for _ in 0..3 {
        assert_eq!(house.ask(visit("/token", "alice")).await.status, StatusCode::OK);
    }
    let answer = house.ask(visit("/token", "alice")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    assert_eq!(answer.header("retry-after"), "20");
    assert_eq!(house.ask(visit("/token", "bob")).await.status, StatusCode::OK);
    house.hands.advance(Duration::from_secs(20));
    assert_eq!(house.ask(visit("/token", "alice")).await.status, StatusCode::OK);
}

proptest! {
    /// T-2.
    #[test]
    fn no_token_ends_after_its_lifetime_or_its_session(end in 1u64..20_000, life in 10u64..14_400) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let house = House::behind_proxy(&[
                ("FORWARDED_EXPIRES_HEADER", "X-Expires"),
                ("WIDGET_LIFETIME", &format!("{life}s")),
            ]);
            let answer = house.ask(visit("/token", "alice").header("x-expires", START.0 + end)).await;
            let exp = answer.claims()["exp"].as_u64().unwrap();
            assert_eq!(exp, START.0 + end.min(life));
            assert!(answer.json()["refresh_in"].as_u64().unwrap() < end.min(life).max(1));
        });
    }
}
