//! `GET /session`: who is logged in, and never a token.

use axum::{Json, Router};
use http::{Method, StatusCode};
use serde_json::json;

use crate::kit::{BEHIND_PROXY, House, START, page, server, settings, visit};

const APP: &str = "https://app.example.org";

#[tokio::test]
async fn nobody_is_an_answer_and_not_a_refusal() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(page("/session")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), json!({ "logged_in": false }));
}

#[tokio::test]
async fn a_logged_in_visitor_is_named_and_gets_no_token() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(visit("/chat-identity/session", "alice")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), json!({ "logged_in": true, "name": "Jane Doe" }));
    assert!(house.records.text(&house.app).is_empty(), "asking who is logged in is no decision about a token");
}

#[tokio::test]
async fn an_end_of_the_session_is_told_as_a_date_and_as_a_span() {
    let until = START.0 + 90;
    let body = Json(json!({ "sub": "4711", "name": "Jane", "exp": until }));
    let host = server(Router::new().fallback(async || body)).await;
    let house = House::of(&settings(&BEHIND_PROXY, &upstream(&host)));
    let answer = house.ask(page("/session").header("cookie", "sid=1")).await;
    assert_eq!(answer.json(), json!({ "logged_in": true, "expires_at": until, "expires_in": 90, "name": "Jane" }));
}

#[tokio::test]
async fn an_outage_is_not_told_as_logged_out() {
    let host = server(Router::new().fallback(async || StatusCode::INTERNAL_SERVER_ERROR)).await;
    let house = House::of(&settings(&BEHIND_PROXY, &upstream(&host)));
    let answer = house.ask(page("/session").header("cookie", "sid=1")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "upstream_unavailable");
    assert!(!answer.header("retry-after").is_empty());
}

fn upstream(uri: &str) -> [(&str, &str); 5] {
    [
        ("SESSION_SOURCES", "upstream"),
        ("UPSTREAM_SESSION_URL", uri),
        ("UPSTREAM_SESSION_COOKIES", "sid"),
        ("FORWARDED_CONVENTION", ""),
        ("FORWARDED_PROOF_SECRET", ""),
    ]
}

#[tokio::test]
async fn a_page_that_may_fetch_no_token_may_not_ask_either() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP)]);
    let site = |site: &str, origin: &str| {
        http::Request::get("/session")
            .header("sec-fetch-site", site)
            .header("sec-fetch-mode", "cors")
            .header("origin", origin)
    };
    let listed = house.ask(site("same-site", APP)).await;
    assert_eq!(listed.status, StatusCode::OK);
    assert_eq!(listed.header("access-control-allow-origin"), APP);
    for (from, origin) in [("same-site", "https://evil.example.org"), ("cross-site", APP), ("none", APP)] {
        let answer = house.ask(site(from, origin)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "origin_refused"),
            "{from} {origin}"
        );
    }
    let preflight = http::Request::builder().method(Method::OPTIONS).uri("/session").header("origin", APP);
    let preflight = house.ask(preflight).await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, OPTIONS");
}

#[tokio::test]
async fn the_answer_is_private_and_only_read() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(visit("/session", "alice")).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("vary").contains("Cookie"));
    let posted = house.ask(visit("/session", "alice").method(Method::POST)).await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_goodbye_on_a_site_without_a_login_of_ours_is_no_error() {
    let house = House::behind_proxy(&[("ALLOWED_ORIGINS", APP)]);
    for path in ["/logout", "/chat-identity/logout"] {
        let own = http::Request::post(path).header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors");
        let answer = house.ask(own).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(house.ask(page(path)).await.status, StatusCode::NOT_FOUND, "there is no page to look at");
    }
    let listed = http::Request::post("/logout").header("sec-fetch-site", "same-site").header("origin", APP);
    assert_eq!(house.ask(listed).await.header("access-control-allow-origin"), APP);
    let asks = http::Request::options("/logout")
        .header("origin", APP)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-requested-by");
    assert_eq!(house.ask(asks).await.header("access-control-allow-origin"), APP);
}
