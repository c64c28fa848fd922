//! What a session of our own login promises: it begins under a new name, ends in time, and ends when it is told to.

use std::time::Duration;

use countersign::base::clock::Clock;
use countersign::store::Store;
use http::{Request, StatusCode};
use serde_json::json;

use super::browser::{Answer, Browser, From, encoded, form};
use super::house::{COOKIE, House, LISTED};
use super::provider::{Plan, Provider};
use crate::kit::START;

async fn logged_in() -> (Provider, House, Browser) {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    provider.log_in(&house, &mut browser, |plan| plan).await.location();
    house.events();
    (provider, house, browser)
}

async fn comes_back(
    provider: &Provider,
    house: &House,
    browser: &mut Browser,
    request: &serde_json::Map<String, serde_json::Value>,
) -> Answer {
    let back = provider.carry_out(&provider.plan(request, house.clock.now()));
    browser.get(&house.router, &back, From::Elsewhere).await
}

/// CK-2, CK-4, O-9.
#[tokio::test]
async fn the_session_cookie_is_for_this_host_and_for_no_script() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let answer = provider.log_in(&house, &mut Browser::default(), |plan| plan).await;
    let line = answer.cookies().into_iter().find(|line| line.starts_with(COOKIE)).unwrap();
    let (pair, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(pair.len(), COOKIE.len() + 1 + 22, "128 random bits");
    let settings =
        [("LOGIN_COOKIE_SAMESITE", "none"), ("LOGIN_COOKIE_PERSIST", "true"), ("LOGIN_COOKIE", "__Host-chat")];
    let answer = provider.log_in(&provider.house(&settings), &mut Browser::default(), |plan| plan).await;
    let line = answer.cookies().into_iter().find(|line| line.starts_with("__Host-chat=")).unwrap();
    assert!(line.ends_with("Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=43200"), "{line}");
}

/// Fixation: an id that somebody else knows never becomes the visitor's.
#[tokio::test]
async fn a_session_id_that_was_planted_is_never_adopted() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let planted = "AAAAAAAAAAAAAAAAAAAAAA";
    browser.plant(COOKIE, planted);
    assert_eq!(house.subject(&browser).await, None);
    provider.log_in(&house, &mut browser, |plan| plan).await.location();
    assert_ne!(browser.cookie(COOKIE).unwrap(), planted);
    assert!(house.asks_with(&format!("{COOKIE}={planted}")).await.unwrap().is_none());
}

/// CK-3. A browser lets a neighbouring host set every one of these names.
#[tokio::test]
async fn a_planted_cookie_makes_nobody_another_visitor() {
    let (_provider, house, jane) = logged_in().await;
    let genuine = jane.line(From::Own);
    for lookalike in [format!("\u{2000}{genuine}"), format!("\u{A0}{genuine}"), format!("\u{3000}{genuine}")] {
        assert!(house.asks_with(&lookalike).await.unwrap().is_none(), "{lookalike:?}");
        let other = format!("{lookalike}; {COOKIE}=AAAAAAAAAAAAAAAAAAAAAA");
        assert!(house.asks_with(&other).await.unwrap().is_none(), "the genuine cookie is the one that counts");
        let planted = format!("\u{2000}{COOKIE}=AAAAAAAAAAAAAAAAAAAAAA; {genuine}");
        assert!(house.asks_with(&planted).await.unwrap().is_some());
    }
    let junk = "j=x; ".repeat(60);
    assert!(house.asks_with(&format!("{junk}{genuine}")).await.unwrap().is_some(), "junk logs nobody out");
    assert!(house.asks_with(&format!("{genuine}; {genuine}")).await.unwrap().is_some(), "two equal copies are one");
}

#[tokio::test]
async fn a_login_ends_the_session_the_browser_had_before() {
    let (provider, house, mut browser) = logged_in().await;
    let before = browser.line(From::Own);
    provider.log_in(&house, &mut browser, |plan| plan).await.location();
    assert_ne!(browser.line(From::Own), before);
    assert!(house.asks_with(&before).await.unwrap().is_none(), "the old id is dead");
    assert!(house.subject(&browser).await.is_some());
}

/// L-2: an answer that belongs to one browser is worth nothing in another.
#[tokio::test]
async fn an_answer_counts_only_in_the_browser_the_login_began_in() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let request = provider.begin(&house, &mut attacker, "/login").await;
    provider.begin(&house, &mut victim, "/login").await;
    let answer = comes_back(&provider, &house, &mut victim, &request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(victim.cookie(COOKIE), None);
    assert_eq!(house.events(), ["login refused no_transaction"]);
    assert!(!provider.publisher.asked().iter().any(|asked| asked.line.starts_with("POST")), "no code was sent");
}

/// RL-1: each costs a call to the provider and a row in the store.
#[tokio::test]
async fn answers_are_not_taken_without_end() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut taken = 0;
    let comes_back = async || {
        let mut browser = Browser::default();
        let request = provider.begin(&house, &mut browser, "/login").await;
        let back = format!("/login/callback?error=access_denied&state={}", request["state"].as_str().unwrap());
        browser.get(&house.router, &back, From::Elsewhere).await.status
    };
    while comes_back().await != StatusCode::TOO_MANY_REQUESTS {
        taken += 1;
        assert!(taken <= 1000, "there is no end");
    }
    assert!(taken >= 300, "a building logs in from one address: {taken}");
    assert_eq!(house.events().last().unwrap(), "login refused rate_limited");
}

/// RL-1: what nobody began keeps nobody out.
#[tokio::test]
async fn bare_answers_lock_nobody_out() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let state = "s".repeat(43);
    for bare in ["/login/callback?code=x&state=y".to_owned(), format!("/login/callback?code=x&state={state}")] {
        for _ in 0..400 {
            let answer = Browser::default().get(&house.router, &bare, From::Elsewhere).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        }
    }
    provider.log_in(&house, &mut Browser::default(), |plan| plan).await.location();
}

/// L-2: whoever can plant a cookie begins nothing by it.
#[tokio::test]
async fn a_login_that_was_not_begun_here_is_nothing() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let request = provider.begin(&house, &mut browser, "/login?return_to=/help").await;
    let name = browser.names()[0].to_owned();
    let sealed = browser.cookie(&name).unwrap().to_owned();
    assert!(!sealed.contains(request["nonce"].as_str().unwrap()));
    let plain = json!({
        "s": request["state"], "n": request["nonce"], "v": "v".repeat(43), "t": START.0, "r": "/elsewhere",
    });
    let mut changed = sealed.clone().into_bytes();
    *changed.last_mut().unwrap() ^= 1;
    let plain = data_encoding::BASE64URL_NOPAD.encode(plain.to_string().as_bytes());
    for planted in [plain, String::from_utf8_lossy(&changed).into_owned(), String::new()] {
        let mut victim = Browser::default();
        victim.plant(&name, &planted);
        let answer = comes_back(&provider, &house, &mut victim, &request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    let other = provider.house(&[("SESSION_STORE_KEY", "9dSxW2mKq7Lr4VzB8nYc3TfHj6Pg1EaU")]);
    assert_eq!(comes_back(&provider, &other, &mut browser.clone(), &request).await.status, StatusCode::BAD_REQUEST);
    comes_back(&provider, &house, &mut browser, &request).await.location();
}

/// O-2.
#[tokio::test]
async fn an_answer_counts_once() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let request = provider.begin(&house, &mut browser, "/login").await;
    let mut copy = browser.clone();
    comes_back(&provider, &house, &mut browser, &request).await.location();
    let again = comes_back(&provider, &house, &mut browser, &request).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "its cookie is gone");
    let replay = comes_back(&provider, &house, &mut copy, &request).await;
    assert_eq!(replay.status, StatusCode::BAD_REQUEST, "and a copy of the cookie does not help");
    assert_eq!(house.events(), ["login granted", "login refused no_transaction", "login refused replayed"]);
}

#[tokio::test]
async fn a_login_that_takes_too_long_is_over() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let request = provider.begin(&house, &mut browser, "/login").await;
    house.hands.advance(Duration::from_mins(10));
    assert_eq!(comes_back(&provider, &house, &mut browser, &request).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn logins_in_several_tabs_do_not_disturb_each_other() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let one = provider.begin(&house, &mut browser, "/login?return_to=/one").await;
    let two = provider.begin(&house, &mut browser, "/login?return_to=/two").await;
    assert_eq!(comes_back(&provider, &house, &mut browser, &one).await.location(), "/one");
    assert_eq!(comes_back(&provider, &house, &mut browser, &two).await.location(), "/two");
}

#[tokio::test]
async fn a_browser_never_carries_more_than_four_logins() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let long = format!("/login?return_to=/{}", "x".repeat(400));
    let first = provider.begin(&house, &mut browser, &long).await;
    for _ in 0..20 {
        house.hands.advance(Duration::from_secs(1));
        provider.begin(&house, &mut browser, &long).await;
    }
    assert_eq!(browser.names().len(), 4);
    assert!(browser.line(From::Own).len() < 5000, "{}", browser.line(From::Own).len());
    let last = provider.begin(&house, &mut browser, &long).await;
    assert_eq!(
        comes_back(&provider, &house, &mut browser, &first).await.status,
        StatusCode::BAD_REQUEST,
        "the oldest went"
    );
    assert_eq!(comes_back(&provider, &house, &mut browser, &last).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn starting_logins_makes_us_remember_nothing() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    for _ in 0..50 {
        provider.begin(&house, &mut Browser::default(), "/login").await;
    }
    house.hands.advance(Duration::from_hours(1));
    assert_eq!(house.store.sweep().await.unwrap(), 0);
}

/// CK-3: of two cookies of one name, one was planted.
#[tokio::test]
async fn a_tossed_cookie_is_nobodys() {
    let (provider, house, mut browser) = logged_in().await;
    let mine = browser.line(From::Own);
    assert!(house.asks_with(&format!("{mine}; {COOKIE}=AAAAAAAAAAAAAAAAAAAAAA")).await.unwrap().is_none());
    assert!(house.asks_with(&format!("{COOKIE}=AAAAAAAAAAAAAAAAAAAAAA; {mine}")).await.unwrap().is_none());
    let request = provider.begin(&house, &mut browser, "/login").await;
    let name = browser.names().into_iter().find(|name| *name != COOKIE).unwrap().to_owned();
    let line = format!("{}; {name}=tossed", browser.line(From::Own));
    let back = provider.carry_out(&provider.plan(&request, house.clock.now()));
    let tossed = Request::get(&back).header("cookie", line).body(axum::body::Body::empty()).unwrap();
    let answer = Browser::default().send(&house.router, tossed, From::Own).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn hostile_cookies_are_nobodys_and_break_nothing() {
    let (_, house, _) = logged_in().await;
    let long = "A".repeat(5000);
    for value in
        ["", "A", "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAA", "../../etc/passwd", "\"x\"", "%00", "é", &long]
    {
        assert!(house.asks_with(&format!("{COOKIE}={value}")).await.unwrap().is_none(), "{value}");
    }
}

#[tokio::test]
async fn a_session_ends_after_half_an_hour_without_a_request() {
    let (_, house, browser) = logged_in().await;
    let session = house.asks(&browser).await.unwrap().unwrap();
    assert_eq!(session.expires_at, Some(START.plus(Duration::from_mins(30))));
    house.hands.advance(Duration::from_secs(1799));
    assert!(house.subject(&browser).await.is_some(), "and this request prolongs it");
    house.hands.advance(Duration::from_secs(1799));
    assert!(house.subject(&browser).await.is_some());
    house.hands.advance(Duration::from_mins(30));
    assert_eq!(house.subject(&browser).await, None);
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_however_busy() {
    let (_, house, browser) = logged_in().await;
    for _ in 0..(12 * 60 / 20 - 1) {
        house.hands.advance(Duration::from_mins(20));
        assert!(house.subject(&browser).await.is_some());
    }
    let session = house.asks(&browser).await.unwrap().unwrap();
    assert_eq!(session.expires_at, Some(START.plus(Duration::from_hours(12))), "no token outlives it");
    house.hands.advance(Duration::from_mins(20));
    assert_eq!(house.subject(&browser).await, None);
}

#[tokio::test]
async fn a_session_ends_with_the_providers_own_where_that_is_known() {
    let provider = Provider::start().await;
    let house = provider.house(&[("OIDC_SESSION_ENDS", "/session_end")]);
    let mut browser = Browser::default();
    let end = START.plus(Duration::from_mins(7));
    provider.log_in(&house, &mut browser, |plan| plan.claim("session_end", json!(end.0))).await.location();
    assert_eq!(house.asks(&browser).await.unwrap().unwrap().expires_at, Some(end));
    house.hands.set(end);
    assert_eq!(house.subject(&browser).await, None);
}

#[tokio::test]
async fn stricter_times_count_for_sessions_that_began_before() {
    let provider = Provider::start().await;
    let (clock, hands) = Clock::manual(START);
    let store = Store::memory(clock.clone());
    let before = provider.house_over(&[], store.clone(), clock.clone(), hands.clone());
    let mut browser = Browser::default();
    provider.log_in(&before, &mut browser, |plan| plan).await.location();
    let after = provider.house_over(&[("LOGIN_SESSION_IDLE", "5m")], store, clock, hands);
    assert!(after.subject(&browser).await.is_some());
    after.hands.advance(Duration::from_mins(5));
    assert_eq!(after.subject(&browser).await, None);
}

#[test]
fn a_store_on_another_machine_is_warned_about_and_one_on_this_is_not() {
    let warned = |address: &str| {
        let mut env = countersign::config::env::Env::new([("SESSION_STORE", address)]);
        countersign::store::place::Settings::read(&mut env).unwrap();
        !env.finish(&std::collections::BTreeSet::new(), &[]).unwrap().warnings.is_empty()
    };
    for host in ["127.0.0.1:6379", "127.8.8.8", "localhost", "[::1]"] {
        assert!(!warned(&format!("redis://{host}/0")), "{host}");
        assert!(!warned(&format!("postgres://countersign@{host}/sessions")), "{host}");
    }
    for host in ["10.0.0.1", "db.example.org", "127.0.0.1.example.org", "[::2]"] {
        assert!(warned(&format!("redis://{host}/0")), "{host}");
        assert!(warned(&format!("postgres://countersign@{host}/sessions")), "{host}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_an_outage_and_not_a_logout() {
    let provider = Provider::start().await;
    let (clock, hands) = Clock::manual(START);
    let mut env = countersign::config::env::Env::new([("SESSION_STORE", "sqlite:/proc/nowhere/sessions.db")]);
    let store = Store::at(countersign::store::place::Settings::read(&mut env).unwrap(), clock.clone());
    let house = provider.house_over(&[], store, clock, hands);
    let mut browser = Browser::default();
    browser.plant(COOKIE, "AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(house.asks(&browser).await.unwrap_err().reason, "store_refused");
    let answer = browser.post(&house.router, "/logout", &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(browser.cookie(COOKIE).is_some(), "without it nobody could ask again");
    let answer = provider.log_in(&house, &mut Browser::default(), |plan| plan).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn logging_out_ends_the_record_and_the_cookie_and_the_providers_session() {
    let (provider, house, mut browser) = logged_in().await;
    let before = browser.line(From::Own);
    let page = browser.get(&house.router, "/logout", From::Own).await;
    assert!(page.text.contains("<form method=\"post\" action=\"/chat-identity/logout\">"));
    assert!(house.subject(&browser).await.is_some(), "asking changes nothing");
    let answer = browser.post(&house.router, "/logout", &[]).await;
    let address = url::Url::parse(answer.location()).unwrap();
    assert!(address.as_str().starts_with(&provider.publisher.url("/end?")));
    let query: std::collections::BTreeMap<_, _> = address.query_pairs().into_owned().collect();
    assert_eq!(query["post_logout_redirect_uri"], "https://www.example.org/chat-identity/logout");
    assert_eq!(query["client_id"], super::provider::CLIENT);
    assert!(query["id_token_hint"].starts_with("eyJ"));
    assert_eq!(browser.cookie(COOKIE), None, "by the rules that a browser keeps for such a cookie");
    assert!(house.asks_with(&before).await.unwrap().is_none());
    assert!(browser.get(&house.router, "/logout", From::Elsewhere).await.text.contains("You are logged out"));
}

#[tokio::test]
async fn a_script_that_logs_out_is_told_so_and_given_no_token() {
    let (_, house, mut browser) = logged_in().await;
    let request = Request::post("/logout").header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors");
    let answer = browser.send(&house.router, request.body(axum::body::Body::empty()).unwrap(), From::Own).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"logged_out":true}"#));
    assert_eq!(house.subject(&browser).await, None);
    assert!(answer.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn logging_out_leads_to_our_own_page_where_the_provider_is_not_to_be_asked() {
    let provider = Provider::start().await;
    for (settings, page) in [
        (vec![("OIDC_LOGOUT", "local")], "/chat-identity/logout"),
        (vec![("OIDC_LOGOUT", "local"), ("LOGOUT_RETURN_TO", "/goodbye")], "/goodbye"),
    ] {
        let house = provider.house(&settings);
        let mut browser = Browser::default();
        provider.log_in(&house, &mut browser, |plan| plan).await.location();
        assert_eq!(browser.post(&house.router, "/logout", &[]).await.location(), page);
    }
}

#[tokio::test]
async fn another_sites_page_logs_nobody_out() {
    let (_, house, browser) = logged_in().await;
    let senders: [&[(&str, &str)]; 6] = [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://other.example.org")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[],
    ];
    for sender in senders {
        let mut request = form("/logout", &[]);
        for (name, value) in sender {
            request = request.header(*name, *value);
        }
        let answer = browser.clone().send(&house.router, request.body(encoded(&[])).unwrap(), From::Own).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{sender:?}");
        assert!(answer.cookies().is_empty());
    }
    assert!(house.subject(&browser).await.is_some());
    for path in ["/logout", "/login", "/login/done"] {
        browser.clone().get(&house.router, path, From::Elsewhere).await;
    }
    assert!(house.subject(&browser).await.is_some(), "following a link changes nothing");
}

#[tokio::test]
async fn a_listed_page_may_log_its_visitor_out_and_read_that_it_did() {
    let (_, house, mut browser) = logged_in().await;
    let request = Request::post("/logout").header("sec-fetch-site", "same-site").header("origin", LISTED);
    let request = request.header("sec-fetch-mode", "cors").body(axum::body::Body::empty()).unwrap();
    let answer = browser.send(&house.router, request, From::Own).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), LISTED);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
}

async fn back_channel(house: &House, token: &str) -> Answer {
    let fields = [("logout_token", token)];
    let request = form("/logout/backchannel", &fields).body(encoded(&fields)).unwrap();
    Browser::default().send(&house.router, request, From::Elsewhere).await
}

#[tokio::test]
async fn a_session_that_ends_at_the_provider_ends_here() {
    let (provider, house, browser) = logged_in().await;
    let mut other = Browser::default();
    provider.log_in(&house, &mut other, |plan| plan.claim("sid", json!("op-session-2"))).await.location();
    let answer = back_channel(&house, &provider.logout_token(START, |_| ())).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(house.subject(&browser).await, None);
    assert!(house.subject(&other).await.is_some(), "another session of the same person runs on");
    let everything = provider.logout_token(START, |claims| {
        claims.as_object_mut().unwrap().remove("sid");
        claims["jti"] = json!("lt-2");
    });
    assert_eq!(back_channel(&house, &everything).await.status, StatusCode::OK);
    assert_eq!(house.subject(&other).await, None, "a token without a session means all of the person's");
}

/// The provider's word may overtake the visitor's redirect.
#[tokio::test]
async fn a_session_that_ended_at_the_provider_during_the_login_does_not_begin_here() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let mut browser = Browser::default();
    let request = provider.begin(&house, &mut browser, "/login").await;
    assert_eq!(back_channel(&house, &provider.logout_token(START, |_| ())).await.status, StatusCode::OK);
    assert_eq!(comes_back(&provider, &house, &mut browser, &request).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.cookie(COOKIE), None);
}

type Bend = Box<dyn Fn(&mut serde_json::Value)>;

#[tokio::test]
async fn a_logout_token_that_does_not_hold_ends_nothing() {
    let (provider, house, browser) = logged_in().await;
    let now = START.0;
    let bent: [(&str, Bend); 15] = [
        ("issuer", Box::new(|c| c["iss"] = json!("https://evil.example"))),
        ("audience", Box::new(|c| c["aud"] = json!("other"))),
        ("audience", Box::new(|c| drop(c.as_object_mut().unwrap().remove("aud")))),
        ("expired", Box::new(move |c| c["exp"] = json!(now - 31))),
        ("time", Box::new(|c| drop(c.as_object_mut().unwrap().remove("iat")))),
        ("too_old", Box::new(move |c| c["iat"] = json!(now - 631))),
        ("early", Box::new(move |c| c["iat"] = json!(now + 31))),
        ("no_jti", Box::new(|c| drop(c.as_object_mut().unwrap().remove("jti")))),
        ("no_logout_event", Box::new(|c| drop(c.as_object_mut().unwrap().remove("events")))),
        (
            "no_logout_event",
            Box::new(|c| c["events"] = json!({ "http://schemas.openid.net/event/backchannel-logout": [] })),
        ),
        ("no_logout_event", Box::new(|c| c["events"] = json!(["http://schemas.openid.net/event/backchannel-logout"]))),
        ("has_nonce", Box::new(|c| c["nonce"] = json!("n"))),
        ("has_nonce", Box::new(|c| c["nonce"] = json!(null))),
        ("no_text", Box::new(|c| c["sid"] = json!(7))),
        (
            "names_nobody",
            Box::new(|c| {
                let c = c.as_object_mut().unwrap();
                c.remove("sid");
                c.remove("sub");
            }),
        ),
    ];
    for (reason, bend) in bent {
        let answer = back_channel(&house, &provider.logout_token(START, |claims| bend(claims))).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#),
            "{reason}"
        );
        assert_eq!(house.events(), [format!("back_channel_logout refused {reason}")]);
    }
    for token in ["", "x", "a.b.c"] {
        assert_eq!(back_channel(&house, token).await.status, StatusCode::BAD_REQUEST);
    }
    assert!(house.subject(&browser).await.is_some());
}

#[tokio::test]
async fn an_id_token_is_no_logout_token_and_a_logout_token_no_id_token() {
    let (provider, house, browser) = logged_in().await;
    let mut copy = Browser::default();
    let request = provider.begin(&house, &mut copy, "/login").await;
    let plan = provider.plan(&request, START);
    let id_token = provider.key.token(&plan.header, &plan.claims);
    assert_eq!(back_channel(&house, &id_token).await.status, StatusCode::BAD_REQUEST);
    assert!(house.subject(&browser).await.is_some());
    let logout = provider.logout_token(START, |claims| claims["nonce"] = request["nonce"].clone());
    let back = provider.carry_out(&Plan { token: Some(logout), ..plan });
    assert_eq!(copy.get(&house.router, &back, From::Elsewhere).await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_replayed_logout_token_does_not_end_a_younger_session() {
    let (provider, house, _) = logged_in().await;
    let token = provider.logout_token(START, |claims| drop(claims.as_object_mut().unwrap().remove("sid")));
    assert_eq!(back_channel(&house, &token).await.status, StatusCode::OK);
    let mut again = Browser::default();
    provider.log_in(&house, &mut again, |plan| plan).await.location();
    assert_eq!(back_channel(&house, &token).await.status, StatusCode::BAD_REQUEST);
    assert!(house.subject(&again).await.is_some());
}

#[tokio::test]
async fn a_popup_tells_its_opener_and_nobody_else() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    let cases = [
        ("/login?popup=1", Some("https://www.example.org")),
        ("/login?popup=1&origin=https://app.example.org", Some(LISTED)),
        ("/login?popup=1&origin=https://evil.example", None),
        ("/login?popup=1&origin=*", None),
        ("/login?popup=1&origin=https://app.example.org/", None),
        ("/login?popup=1&origin=https://app.example.org&origin=https://evil.example", Some("https://www.example.org")),
    ];
    for (path, opener) in cases {
        let mut browser = Browser::default();
        let request = provider.begin(&house, &mut browser, path).await;
        let answer = comes_back(&provider, &house, &mut browser, &request).await;
        let Some(opener) = opener else {
            assert_eq!(answer.location(), "/", "{path}");
            continue;
        };
        let next = answer.location().to_owned();
        assert!(next.starts_with("/chat-identity/login/done?opener=https%3A%2F%2F"), "{next}");
        let page = browser.get(&house.router, &next, From::Own).await;
        assert!(page.text.contains(&format!("data-opener=\"{opener}\"")), "{path}: {}", page.text);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn a_forged_last_page_names_no_foreign_opener() {
    let provider = Provider::start().await;
    let house = provider.house(&[]);
    for opener in ["https://evil.example", "\"><script>alert(1)</script>", "*"] {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("opener", opener).finish();
        let page = Browser::default().get(&house.router, &format!("/login/done?{query}"), From::Elsewhere).await;
        assert!(page.text.contains("data-opener=\"\""), "{}", page.text);
    }
}

#[tokio::test]
async fn sessions_survive_a_restart_and_are_shared_by_replicas() {
    let provider = Provider::start().await;
    let place = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", place.path().join("sessions.db").display());
    let replica = || {
        let (clock, hands) = Clock::manual(START);
        let mut env = countersign::config::env::Env::new([("SESSION_STORE", address.as_str())]);
        let store = Store::at(countersign::store::place::Settings::read(&mut env).unwrap(), clock.clone());
        provider.house_over(&[], store, clock, hands)
    };
    let (one, other) = (replica(), replica());
    let mut browser = Browser::default();
    let request = provider.begin(&one, &mut browser, "/login").await;
    comes_back(&provider, &other, &mut browser, &request).await.location();
    assert!(one.subject(&browser).await.is_some(), "a login may begin at one replica and end at another");
    drop((one, other));
    let restarted = replica();
    assert!(restarted.subject(&browser).await.is_some());
    let third = replica();
    let mut copy = browser.clone();
    copy.post(&third.router, "/logout", &[]).await.location();
    assert_eq!(restarted.subject(&browser).await, None, "and a logout counts everywhere at once");
}

/// S-4: some providers leave `exp` out, and name a session that no ID token ever named.
#[tokio::test]
async fn a_logout_that_names_no_session_of_ours_ends_the_persons() {
    let (provider, house, browser) = logged_in().await;
    let mut other = Browser::default();
    provider.log_in(&house, &mut other, |plan| plan.claim("sub", json!("another"))).await;
    let token = provider.logout_token(START, |claims| claims["sid"] = json!("never-told"));
    assert_eq!(back_channel(&house, &token).await.status, StatusCode::OK);
    assert_eq!(house.subject(&browser).await, None);
}

/// S-4.
#[tokio::test]
async fn a_logout_token_without_an_end_counts_for_a_while() {
    let (provider, house, browser) = logged_in().await;
    let without = |jti: &str, issued: u64| {
        provider.logout_token(START, |claims| {
            claims.as_object_mut().unwrap().remove("exp");
            claims["iat"] = json!(issued);
            claims["jti"] = json!(jti);
        })
    };
    assert_eq!(back_channel(&house, &without("lt-old", START.0 - 631)).await.status, StatusCode::BAD_REQUEST);
    assert!(house.subject(&browser).await.is_some());
    let token = without("lt-new", START.0 - 300);
    assert_eq!(back_channel(&house, &token).await.status, StatusCode::OK);
    assert_eq!(house.subject(&browser).await, None);
    assert_eq!(back_channel(&house, &token).await.status, StatusCode::BAD_REQUEST, "and once");
}
