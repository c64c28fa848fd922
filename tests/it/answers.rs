//! The shape of answers: for pages, for proxies, for whoever debugs.

use http::{Method, StatusCode};

use crate::kit::{House, page, visit};

/// MedChat's documented page code reads `resp.token` of a JSON answer to a plain GET.
#[tokio::test]
async fn the_vendors_snippet_finds_the_token_where_it_looks() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(visit("/token", "alice").header("accept", "*/*")).await;
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(answer.json()["token"].as_str().unwrap().split('.').count(), 3);
}

#[tokio::test]
async fn a_page_that_asks_for_the_bare_token_gets_nothing_else() {
    let house = House::behind_proxy(&[]);
    for (accept, media) in [
        ("application/jwt", "application/jwt"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html, text/plain;q=0.5", "text/plain; charset=utf-8"),
    ] {
        let answer = house.ask(visit("/token", "alice").header("accept", accept)).await;
        assert_eq!(answer.header("content-type"), media, "{accept}");
        assert_eq!(answer.text.split('.').count(), 3, "{accept}");
    }
    let both = house.ask(visit("/token", "alice").header("accept", "text/plain, application/json")).await;
    assert!(both.json()["token"].is_string(), "JSON wins where it is accepted");
}

#[tokio::test]
async fn a_page_can_read_the_token_under_another_name_and_claims_in_clear() {
    let house =
        House::behind_proxy(&[("WIDGET_TOKEN_FIELD", "jwt"), ("WIDGET_ANSWER_CLAIMS", "email,external_id,absent")]);
    let json = house.ask(visit("/token", "alice")).await.json();
    assert!(json["jwt"].is_string());
    assert_eq!(json["email"], "jane@example.org");
    assert_eq!(json["external_id"], "alice");
    assert!(json.get("absent").is_none());
}

/// HD-1 to HD-3, on every status.
/// HD-2.
#[tokio::test]
async fn every_answer_is_private_whatever_its_status() {
    let house = House::behind_proxy(&[("RATE_LIMIT_VISITOR", "1/m")]);
    let answers = [
        house.ask(visit("/token", "alice")).await,
        house.ask(visit("/token", "alice")).await,
        house.ask(page("/token")).await,
        house.ask(page("/nothing")).await,
        house.ask(visit("/token", "alice").header("sec-fetch-site", "cross-site")).await,
        house.ask(visit("/token", "a@b")).await,
        house.ask(visit("/token", "bob").method(Method::PUT)).await,
        house.ask(visit("/token", "bob").header("x_forwarded_user", "m")).await,
    ];
    let statuses: Vec<u16> = answers.iter().map(|a| a.status.as_u16()).collect();
    assert_eq!(statuses, [200, 429, 401, 404, 403, 403, 405, 400]);
    for answer in &answers {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.status);
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_eq!(answer.header("vary"), "Cookie, Origin, Sec-Fetch-Site");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("etag"), "");
        assert_eq!(answer.header("location"), "", "HD-4: never a redirect");
        assert_eq!(answer.header("set-cookie"), "", "XS-1: nothing but the body carries a token");
        let json = if answer.status == StatusCode::OK {
            "application/json; charset=utf-8"
        } else {
            "application/problem+json"
        };
        assert_eq!(answer.header("content-type"), json);
    }
}

/// RFC 9457.
#[tokio::test]
async fn a_problem_names_its_stable_code_and_its_status() {
    let house = House::behind_proxy(&[]);
    let json = house.ask(page("/token")).await.json();
    assert_eq!(json["type"], "urn:countersign:login_required");
    assert_eq!(json["status"], 401);
    assert_eq!(json["code"], "login_required");
    assert!(json["title"].is_string());
}

/// Hosts route a path of their own site to us; some proxies strip it and some do not.
#[tokio::test]
async fn the_service_answers_under_the_path_of_its_public_url() {
    let house = House::behind_proxy(&[]);
    for path in ["/token", "/chat-identity/token", "/chat-identity/token/medchat", "/token/medchat"] {
        assert_eq!(house.ask(visit(path, "alice")).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(house.ask(visit("/other/token", "alice")).await.status, StatusCode::NOT_FOUND);
}

/// RT-1.
#[tokio::test]
async fn a_path_that_could_be_read_two_ways_is_no_path() {
    let house = House::behind_proxy(&[]);
    let odd = [
        "/token/",
        "//token",
        "/token//medchat",
        "/./token",
        "/token/../token",
        "/token/.",
        "/%74oken",
        "/token%2fmedchat",
        "/token/%6dedchat",
        "/token;x=1",
        "/token/medchat;v=1",
        "/TOKEN",
        "/token/MEDCHAT",
        "/token/medchat/",
        "/chat-identity//token",
        "/token%00",
        "/token/%2e%2e/admin",
        "/token%23x",
        "/tokens",
        "/token/token",
    ];
    for path in odd {
        assert_eq!(house.ask(visit(path, "alice")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// RT-3.
#[tokio::test]
async fn a_refusal_is_the_same_whatever_the_secret_or_the_visitor() {
    let mut first = House::behind_proxy(&[]).ask(page("/token")).await;
    let mut second = House::behind_proxy(&[("WIDGET_SECRET", "YW5vdGhlci1zZWNyZXQtb2YtMzItYnl0ZXMtb3ItbW9yZQ")])
        .ask(page("/token"))
        .await;
    let ids = [&mut first, &mut second].map(|answer| answer.headers.remove("x-request-id"));
    assert_ne!(ids[0], ids[1], "every answer names its own request");
    assert_eq!(first.text, second.text);
    assert_eq!(first.headers, second.headers);
}
