//! From an anonymous page to a token, through the whole service.

use countersign::app::config::Settings;
use countersign::app::{ReadSettings, reload};
use countersign::config::env::Env;
use countersign::login::accounts::store::{AccountStore, NewAccount};
use http::{Request, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::browser::{Browser, From};
use super::house::COOKIE;
use crate::kit::{BEHIND_PROXY, House, mistakes, page, settings};

const PASSWORD: &str = "correct horse battery staple";

pub(super) fn own_login(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut book = AccountStore::default();
    let newcomer =
        NewAccount { username: "anna".to_owned(), name: Some("Anna Berg".to_owned()), ..NewAccount::default() };
    book.add(newcomer, &SecretString::from(PASSWORD)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("accounts.jsonl");
    book.save(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let own = [
        ("SESSION_SOURCES", "login"),
        ("FORWARDED_CONVENTION", ""),
        ("FORWARDED_PROOF_SECRET", ""),
        ("LOGIN", "accounts"),
        ("ACCOUNTS", text.as_str()),
        ("SESSION_STORE", "memory"),
        ("WIDGET_SUBJECT", "hex"),
    ];
    let all: Vec<(&str, &str)> = own.into_iter().chain(changes.iter().copied()).collect();
    settings(&BEHIND_PROXY, &all)
}

pub(super) async fn logged_in(house: &House) -> Browser {
    let mut browser = Browser::default();
    let form = browser.visit(house, Request::get("/chat-identity/login?return_to=/help"), "").await;
    let fields = format!("state={}&username=anna&password={}", form.field("state"), PASSWORD.replace(' ', "+"));
    let post = Request::post("/chat-identity/login/password").header("sec-fetch-site", "same-origin");
    let post = post.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(browser.visit(house, post, &fields).await.location(), "/help");
    browser
}

#[tokio::test]
async fn an_anonymous_page_lets_its_visitor_log_in_and_gets_a_token_until_they_log_out() {
    let house = House::of(&own_login(&[]));
    let before = house.ask(page("/chat-identity/token")).await;
    assert_eq!((before.status, before.code().as_str()), (StatusCode::UNAUTHORIZED, "login_required"));
    let mut browser = logged_in(&house).await;
    let token = house.ask(page("/chat-identity/token").header("cookie", browser.line(From::Own))).await;
    assert!(!token.claims().is_empty());
    let session = house.ask(page("/session").header("cookie", browser.line(From::Own))).await.json();
    assert_eq!((session["logged_in"].as_bool(), session["name"].as_str()), (Some(true), Some("Anna Berg")));
    assert_eq!(
        session["login_url"], "https://www.example.org/chat-identity/login",
        "for whoever logs in as somebody else"
    );
    let logout = Request::post("/chat-identity/logout").header("sec-fetch-site", "same-origin");
    let answer = browser.visit(&house, logout.header("sec-fetch-mode", "cors"), "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(browser.cookie(COOKIE), None);
    assert_eq!(house.ask(page("/token")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_login_and_logout_is_written_down_without_a_name() {
    let house = House::of(&own_login(&[]));
    let mut browser = logged_in(&house).await;
    house.ask(page("/token").header("cookie", browser.line(From::Own))).await;
    let logout = Request::post("/chat-identity/logout").header("sec-fetch-site", "same-origin");
    browser.visit(&house, logout.header("sec-fetch-mode", "cors"), "").await;
    let text = house.records.text(&house.app);
    assert!(!text.to_lowercase().contains("anna") && !text.contains("correct horse"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| [&line["audit"], &line["outcome"], &line["method"]]).collect();
    assert_eq!(
        told,
        [
            [&json!("login"), &json!("granted"), &json!("accounts")],
            [&json!("token"), &json!("issued"), &Value::Null],
            [&json!("logout"), &json!("granted"), &json!("accounts")],
        ]
    );
    assert!(lines.iter().all(|line| line["subject"] == lines[0]["subject"]), "one visitor, one hash");
}

#[tokio::test]
async fn a_page_on_which_nobody_is_logged_in_is_told_where_to_log_in() {
    let house = House::of(&own_login(&[]));
    let nobody = json!({ "logged_in": false, "login_url": "https://www.example.org/chat-identity/login" });
    for path in ["/session", "/chat-identity/session"] {
        assert_eq!(house.ask(page(path)).await.json(), nobody, "{path}");
    }
    let browser = logged_in(&house).await;
    let session = house.ask(page("/session").header("cookie", browser.line(From::Own))).await.json();
    let mut told: Vec<&String> = session.as_object().unwrap().keys().collect();
    told.sort();
    assert_eq!(
        told,
        ["expires_at", "expires_in", "logged_in", "login_url", "name"],
        "and nothing that proves anything"
    );
}

#[tokio::test]
async fn a_listed_pages_browser_may_ask_before_it_logs_somebody_out_and_no_others() {
    const APP: &str = "https://app.example.org";
    let house = House::of(&own_login(&[("ALLOWED_ORIGINS", APP)]));
    for path in ["/logout", "/chat-identity/logout"] {
        let ask = |origin: &str| Request::options(path).header("origin", origin);
        let answer = house.ask(ask(APP)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        assert!(answer.header("access-control-allow-methods").contains("POST"));
        assert!(answer.header("access-control-allow-headers").contains("X-Requested-By"));
        let refused = house.ask(ask("https://evil.example")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(!refused.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_page_that_one_widget_lists_may_log_its_visitor_out() {
    const APP: &str = "https://app.example.org";
    let house = House::of(&own_login(&[("WIDGET_ALLOWED_ORIGINS", APP)]));
    let browser = logged_in(&house).await;
    let logout = |origin: &str| {
        let post = Request::post("/logout").header("origin", origin).header("sec-fetch-site", "same-site");
        post.header("sec-fetch-mode", "cors").header("cookie", browser.line(From::Own))
    };
    assert_eq!(house.ask(logout("https://evil.example.org")).await.status, StatusCode::FORBIDDEN);
    let answer = house.ask(logout(APP)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, APP));
}

#[tokio::test]
async fn who_is_shut_out_is_out_at_once() {
    let place = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", place.path().join("sessions.db").display());
    let open = own_login(&[("SESSION_STORE", &store)]);
    let closed = |(name, value): &(String, String)| {
        let shut = || format!("{},\"disabled\":true}}", value.trim_end().trim_end_matches('}'));
        let lines = if name == "ACCOUNTS" { shut() } else { value.clone() };
        (name.clone(), lines)
    };
    let closed: Vec<(String, String)> = open.iter().map(closed).collect();
    let house = House::of(&open);
    let browser = logged_in(&house).await;
    let status = async || house.ask(page("/token").header("cookie", browser.line(From::Own))).await.status;
    let rereads = |vars: &[(String, String)]| -> ReadSettings {
        let vars = vars.to_vec();
        Box::new(move || Settings::read(Env::new(vars.clone())))
    };
    assert!(reload(&house.app.state, &rereads(&open)).await.is_some());
    assert_eq!(status().await, StatusCode::OK, "reading the files again ends nothing");
    assert!(reload(&house.app.state, &rereads(&closed)).await.is_some());
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn turning_the_login_on_by_reload_opens_its_pages_and_turning_it_off_closes_them() {
    let (without, with) = (settings(&BEHIND_PROXY, &[]), own_login(&[]));
    let house = House::of(&without);
    let form = async || house.ask(Request::get("/chat-identity/login?return_to=/help")).await.status;
    let reread = |vars: &[(String, String)]| -> ReadSettings {
        let vars = vars.to_vec();
        Box::new(move || Settings::read(Env::new(vars.clone())))
    };
    assert_eq!(form().await, StatusCode::NOT_FOUND);
    assert!(reload(&house.app.state, &reread(&with)).await.is_some());
    assert_eq!(form().await, StatusCode::OK);
    let browser = logged_in(&house).await;
    let token = async || house.ask(page("/token").header("cookie", browser.line(From::Own))).await.status;
    assert_eq!(token().await, StatusCode::OK);
    assert!(reload(&house.app.state, &reread(&without)).await.is_some());
    assert_eq!((form().await, token().await), (StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED));
}

/// CK-1.
#[test]
fn a_login_over_plain_http_does_not_start() {
    let plain = own_login(&[("PUBLIC_URL", "http://www.example.org/chat-identity")]);
    assert!(mistakes(&plain).contains("LOGIN: needs an https PUBLIC_URL"), "{}", mistakes(&plain));
    House::of(&own_login(&[("PUBLIC_URL", "http://127.0.0.1:8080")]));
}

#[tokio::test]
async fn two_session_cookies_are_refused_for_the_whole_request() {
    let house = House::of(&own_login(&[]));
    let browser = logged_in(&house).await;
    let tossed = format!("{}; {COOKIE}=AAAAAAAAAAAAAAAAAAAAAA", browser.line(From::Own));
    assert_eq!(house.ask(page("/token").header("cookie", tossed)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_token_does_not_outlive_the_session_it_is_for() {
    let house = House::of(&own_login(&[("LOGIN_SESSION_IDLE", "1m"), ("WIDGET_LIFETIME", "10m")]));
    let browser = logged_in(&house).await;
    let token = house.ask(page("/token").header("cookie", browser.line(From::Own))).await;
    let end = token.claims()["exp"].as_u64().unwrap();
    assert!(end <= crate::kit::START.0 + 60, "{end}");
}

#[test]
fn a_login_that_nobody_asks_about_is_named_at_start() {
    assert!(mistakes(&own_login(&[("SESSION_SOURCES", "upstream")])).contains("SESSION_SOURCES: must hold `login`"));
    assert!(mistakes(&own_login(&[("LOGIN", "none")])).contains("LOGIN: is required for the source login"));
    assert!(mistakes(&own_login(&[("PUBLIC_URL", "")])).contains("LOGIN: needs PUBLIC_URL"));
    assert!(mistakes(&own_login(&[("ACCOUNTS", "{}")])).contains("ACCOUNTS: line 1: not an account"));
    assert!(mistakes(&own_login(&[("OIDC_ISSUR", "x")])).contains("did you mean OIDC_ISSUER?"));
}
