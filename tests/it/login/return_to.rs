//! A login leads back to a path of our own and nowhere else.

use countersign::login::return_to::ReturnTo;
use countersign::login::transaction::Transaction;
use countersign::net::origin::Origin;
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use url::Url;

use super::browser::{Browser, From};
use super::house::BASE;
use super::provider::Provider;
use crate::kit::START;

fn corpus(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap()
}

fn refused() -> Vec<String> {
    corpus(include_str!("../data/return_to_refused.json"))
}

fn accepted() -> Vec<String> {
    corpus(include_str!("../data/return_to_accepted.json"))
}

fn site() -> Url {
    BASE.parse().unwrap()
}

#[test]
fn an_open_redirect_payload_is_refused() {
    let payloads = refused();
    assert!(payloads.len() >= 200, "{} payloads", payloads.len());
    for payload in payloads {
        assert_eq!(ReturnTo::new(&payload, &site()), None, "{payload:?}");
    }
}

#[test]
fn a_plain_path_is_accepted_as_it_is() {
    for path in accepted() {
        assert_eq!(ReturnTo::new(&path, &site()).as_ref().map(ReturnTo::as_str), Some(path.as_str()));
    }
}

#[test]
fn a_login_never_leads_back_into_a_login() {
    for (path, round) in [
        ("/login", true),
        ("/login?return_to=/help", true),
        ("/logout#top", true),
        ("/login/callback", true),
        ("/chat-identity/login", true),
        ("/chat-identity/logout/done", true),
        ("/", false),
        ("/help", false),
        ("/loginhelp", false),
        ("/help/login", false),
        ("/chat-identity/help", false),
        ("/other/login", false),
    ] {
        assert_eq!(ReturnTo::new(path, &site()).unwrap().is_login("/chat-identity"), round, "{path}");
    }
}

/// Any number of readers that each decode once more, or that collapse what they take for superfluous.
#[test]
fn what_is_accepted_stays_on_our_origin_however_often_it_is_decoded() {
    for path in accepted() {
        let mut text = path.clone();
        for _ in 0..4 {
            let path = text.split(['?', '#']).next().unwrap().to_owned();
            let landed = site().join(&path).unwrap();
            assert_eq!(Origin::of(&landed), Origin::of(&site()), "{text:?}");
            assert!(!path.starts_with("//") && !path.contains('\\'), "{text:?}");
            let decoded: Vec<u8> = url::form_urlencoded::parse(format!("x={}", path.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, value)| value.into_owned().into_bytes())
                .unwrap_or_default();
            text = String::from_utf8_lossy(&decoded).into_owned();
        }
    }
}

#[tokio::test]
async fn a_login_that_was_given_a_foreign_address_leads_to_our_own_page() {
    let provider = Provider::start().await;
    let house = provider.house(&[("LOGIN_RETURN_TO", "/welcome")]);
    for payload in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%09/evil.example",
        "/login?x",
        "/chat-identity/logout",
    ] {
        let mut browser = Browser::default();
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", payload).finish();
        let request = provider.begin(&house, &mut browser, &format!("/login?{query}")).await;
        let back = provider.carry_out(&provider.plan(&request, house.clock.now()));
        let answer = browser.get(&house.router, &back, From::Elsewhere).await;
        assert_eq!(answer.location(), "/welcome", "{payload}");
    }
}

/// The visitor's own hands are on the cookie between the two checks.
#[tokio::test]
async fn what_the_cookie_says_cannot_be_changed() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let request = provider.begin(&house, &mut browser, "/login?return_to=/help&popup=1").await;
    let name = browser.names()[0].to_owned();
    let bent = serde_json::json!({
        "s": request["state"], "n": request["nonce"], "v": "v".repeat(43), "t": house.clock.now().0,
        "r": "//evil.example", "p": "https://evil.example",
    });
    browser.plant(&name, &BASE64URL_NOPAD.encode(bent.to_string().as_ref()));
    let back = provider.carry_out(&provider.plan(&request, house.clock.now()));
    let answer = browser.get(&house.router, &back, From::Elsewhere).await;
    assert_eq!(answer.status, http::StatusCode::BAD_REQUEST);
    assert!(!answer.text.contains("evil"), "{}", answer.text);
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_the_same_place_for_every_reader(text in "[/\\\\.%a-f0-9:@?#; \t\r\n&=é-]{0,24}") {
        if let Some(path) = ReturnTo::new(&text, &site()) {
            let landed = site().join(path.as_str()).unwrap();
            prop_assert_eq!(Origin::of(&landed), Origin::of(&site()));
            prop_assert!(path.as_str().starts_with('/') && !path.as_str().starts_with("//"));
            prop_assert!(path.as_str().is_ascii());
        }
    }
}

#[test]
fn a_state_that_is_none_of_ours_names_no_cookie() {
    let sound = Transaction::begin(START);
    assert!(sound.remove().is_some());
    let length = sound.state.len();
    for state in ["a".repeat(length + 1), "a".repeat(length - 1), format!("{};", "a".repeat(length - 1))] {
        let transaction = Transaction { state, ..Transaction::begin(START) };
        assert!(transaction.remove().is_none(), "{}", transaction.state);
    }
}

#[test]
fn a_login_under_way_prints_none_of_its_secrets() {
    let transaction = Transaction::begin(START);
    let printed = format!("{transaction:?}");
    assert!(printed.starts_with("Transaction") && printed.contains("began"), "{printed}");
    for secret in [&transaction.state, &transaction.nonce, &transaction.verifier] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
