//! Where a vendor can end its tokens, it is told to: at a logout, at the provider's, and at a revocation; and nobody waits for it.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::browser::{Browser, From};
use super::provider::{CLIENT, Provider, SECRET};
use super::whole::{logged_in, own_login};
use crate::deeds::{AUDIT_KEY, run};
use crate::kit::{House, START, mistakes, page, settings, visit};
use crate::publisher::{Page, Publisher};

const REVOKER: &str = "the-secret-of-who-may-revoke-all-0815";
/// The provider's subject in these tests.
const JANE: &str = "248289761001";

/// A vendor that gives tokens and ends them, and the format of that.
struct Vendor {
    publisher: Publisher,
    url: String,
    format: String,
}

impl Vendor {
    async fn start() -> Self {
        Self::of(&json!({ "method": "DELETE", "url": "https://api.example.com/users/{{ subject }}/tokens" })).await
    }

    async fn of(revoke: &Value) -> Self {
        let publisher = Publisher::start().await;
        publisher.put("/tokens", Page::ok(r#"{"token": "given"}"#));
        let format = json!({
            "headers": { "Api-Token": "{secret}" },
            "call": { "url": "https://api.example.com/tokens", "json": { "user": "{{ subject }}" } },
            "revoke": revoke,
            "answer": { "token": "/token" }
        });
        Self { url: publisher.url(""), publisher, format: format.to_string() }
    }

    fn vars(&self) -> [(&str, &str); 6] {
        [
            ("WIDGET_PRESET", "custom"),
            ("WIDGET_SECRET", ""),
            ("WIDGET_SUBJECT", "plain"),
            ("WIDGET_EXCHANGE", &self.format),
            ("WIDGET_API_KEY", "an-api-key-of-the-vendor-0123"),
            ("WIDGET_API_URL", &self.url),
        ]
    }

    /// The lines of the calls that end tokens.
    fn told(&self) -> Vec<String> {
        let asked = self.publisher.asked().into_iter().map(|asked| asked.line);
        asked.filter(|line| line.starts_with("DELETE")).collect()
    }
}

fn deletes(subject: &str) -> [String; 1] {
    [format!("DELETE /users/{subject}/tokens HTTP/1.1")]
}

async fn log_out(house: &House, browser: &mut Browser) {
    let logout = Request::post("/chat-identity/logout").header("sec-fetch-site", "same-origin");
    assert_eq!(browser.visit(house, logout.header("sec-fetch-mode", "cors"), "").await.status, StatusCode::OK);
}

fn records(house: &House) -> Vec<Value> {
    let text = house.records.text(&house.app);
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|record| record["audit"] == "vendor_revocation").collect()
}

/// V-12.
#[tokio::test]
async fn a_logout_ends_the_vendors_tokens_and_nobody_waits_for_it() {
    let vendor = Vendor::start().await;
    let house = House::of(&own_login(&vendor.vars()));
    let mut browser = logged_in(&house).await;
    let answer = house.ask(page("/token").header("cookie", browser.line(From::Own))).await.json();
    let subject = answer["sub"].as_str().unwrap().to_owned();
    vendor.publisher.put(&format!("/users/{subject}/tokens"), Page::status(204));
    vendor.publisher.close();
    log_out(&house, &mut browser).await;
    vendor.publisher.has_been_asked(2).await;
    assert_eq!(records(&house), [] as [Value; 0], "the vendor has not answered, and the visitor has gone");
    vendor.publisher.open();
    house.app.state.vendor_calls.wait().await;
    assert_eq!(vendor.told(), deletes(&subject));
    assert_eq!(vendor.publisher.asked()[1].headers["api-token"], "an-api-key-of-the-vendor-0123");
    let records = records(&house);
    assert_eq!((&records[0]["outcome"], &records[0]["method"]), (&json!("granted"), &json!("logout")));
    assert_eq!(records[0]["widget"], "custom");
    assert!(!records[0].to_string().contains(&subject), "{records:?}");
    log_out(&house, &mut browser).await;
    house.app.state.vendor_calls.wait().await;
    assert_eq!(vendor.told().len(), 1, "whoever is not logged in makes us call nobody");
}

/// V-12.
#[tokio::test]
async fn a_vendor_that_fails_keeps_nobody_logged_in_and_is_left_alone_for_a_while() {
    let vendor = Vendor::start().await;
    let house = House::of(&own_login(&vendor.vars()));
    let mut browser = logged_in(&house).await;
    let answer = house.ask(page("/token").header("cookie", browser.line(From::Own))).await.json();
    vendor.publisher.put(&format!("/users/{}/tokens", answer["sub"].as_str().unwrap()), Page::status(500));
    for _ in 0..12 {
        log_out(&house, &mut browser).await;
        house.app.state.vendor_calls.wait().await;
        let cookie = browser.line(From::Own);
        assert_eq!(house.ask(page("/token").header("cookie", cookie)).await.status, StatusCode::UNAUTHORIZED);
        browser = logged_in(&house).await;
    }
    let reasons: Vec<String> = records(&house).iter().map(|r| r["reason"].as_str().unwrap().to_owned()).collect();
    assert_eq!((reasons.len(), reasons[0].as_str()), (12, "connector_unavailable"));
    assert_eq!(reasons.last().unwrap(), "connector_busy", "the breaker is open");
}

/// V-12.
#[tokio::test]
async fn a_logout_at_the_provider_ends_the_vendors_tokens_of_who_it_names() {
    let (vendor, provider) = (Vendor::start().await, Provider::start().await);
    vendor.publisher.put(&format!("/users/{JANE}/tokens"), Page::status(204));
    let issuer = provider.issuer();
    let oidc = [
        ("LOGIN", "oidc"),
        ("ACCOUNTS", ""),
        ("OIDC_ISSUER", &issuer),
        ("OIDC_CLIENT_ID", CLIENT),
        ("OIDC_CLIENT_SECRET", SECRET),
    ];
    let house = House::of(&own_login(&[&oidc[..], &vendor.vars()].concat()));
    for (token, told) in [
        (provider.logout_token(START, |claims| drop(claims.as_object_mut().unwrap().remove("sub"))), 0),
        (provider.logout_token(START, |claims| claims["jti"] = json!("lt-2")), 1),
    ] {
        let request = Request::post("/chat-identity/logout/backchannel");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = house.send(request.body(Body::from(format!("logout_token={token}"))).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        house.app.state.vendor_calls.wait().await;
        assert_eq!(vendor.told().len(), told, "a session of the provider's alone does not say whose it is");
    }
    assert_eq!(vendor.told(), deletes(JANE));
    let records = records(&house);
    assert_eq!((&records[0]["reason"], &records[1]["reason"]), (&json!("subject_unknown"), &json!("")));
    assert_eq!(records[1]["method"], "back_channel_logout");
}

/// V-12.
#[tokio::test]
async fn a_revocation_ends_the_vendors_tokens_and_says_what_came_of_it() {
    let vendor = Vendor::start().await;
    let vars = settings(
        &crate::kit::BEHIND_PROXY,
        &[&vendor.vars()[..], &[("REVOCATION_SECRET", REVOKER), ("SESSION_STORE", "memory")]].concat(),
    );
    let house = House::of(&vars);
    assert_eq!(house.ask(visit("/token", "alice")).await.token(), "given");
    for (status, came) in [(204, "granted"), (404, "connector_request")] {
        vendor.publisher.put("/users/alice/tokens", Page::status(status));
        let request = Request::post("/revocations").header("host", "127.0.0.1");
        let request = request.header(AUTHORIZATION, format!("Bearer {REVOKER}"));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = house.app.admin.handle(request.body(Body::from("subject=alice")).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let text = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap()["vendors"], json!({ "custom": came }));
    }
    assert_eq!(vendor.told(), [deletes("alice"), deletes("alice")].concat());
    assert_eq!(records(&house)[1]["outcome"], "refused");
}

/// V-12.
#[tokio::test]
async fn the_command_ends_the_vendors_tokens_and_fails_when_it_could_not() {
    let vendor = Vendor::start().await;
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (store, log) = (format!("sqlite:{}", at("state.db")), at("audit.jsonl"));
    let more =
        [("REVOCATION_SECRET", REVOKER), ("SESSION_STORE", &store), ("AUDIT_LOG", &log), ("AUDIT_KEY", AUDIT_KEY)];
    let vars = settings(&crate::kit::BEHIND_PROXY, &[&vendor.vars()[..], &more].concat());
    let line = ["revoke", "--subject", "alice", "--reason", "a lost laptop"];
    vendor.publisher.put("/users/alice/tokens", Page::status(204));
    let (out, ended) = run(&line, vars.clone()).await;
    assert_eq!(ended.unwrap(), countersign::cli::Exit::Well);
    assert!(out.contains("The vendor of widget custom was told to end its tokens: granted."), "{out}");
    vendor.publisher.put("/users/alice/tokens", Page::status(500));
    let (out, ended) = run(&line, vars).await;
    assert_eq!(ended.unwrap(), countersign::cli::Exit::Failed);
    assert!(out.contains("connector_unavailable"), "{out}");
    assert_eq!(vendor.told().len(), 2);
}

#[tokio::test]
async fn what_would_never_be_called_or_could_not_be_filled_is_refused_at_start() {
    let vendor = Vendor::start().await;
    let behind_proxy = |vendor: &Vendor| settings(&crate::kit::BEHIND_PROXY, &vendor.vars());
    let told = mistakes(&behind_proxy(&vendor));
    assert!(told.contains("WIDGET_EXCHANGE") && told.contains("nothing here would call"), "{told}");
    let mail = Vendor::of(&json!({ "url": "https://api.example.com/{{ email }}" })).await;
    let told = mistakes(&own_login(&mail.vars()));
    assert!(told.contains("`revoke` cannot be filled") && told.contains("but `subject`"), "{told}");
}
