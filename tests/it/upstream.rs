//! The host's own session endpoint: what leaves, what counts as a verdict, and what an outage is never mistaken for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use proptest::prelude::*;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::kit::{BEHIND_PROXY, House, START, mistakes, page, read, settings};
use crate::logs::Log;

/// What the endpoint does with one connection.
#[derive(Clone)]
enum Act {
    /// Sends these bytes and closes.
    Say(Vec<u8>),
    /// Sends nothing and never closes.
    Hang,
    /// Closes at once.
    Drop,
}

/// A session endpoint on a port of its own, that does what it is told and remembers what it was asked.
struct Endpoint {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// The acts in turn; the last one for ever after.
    async fn of(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let remembered = heard.clone();
        let mut acts: VecDeque<Act> = acts.into();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let act = if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0].clone() };
                let heard = remembered.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 16 * 1024];
                    let length = stream.read(&mut buffer).await.unwrap_or(0);
                    heard.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
                    match act {
                        Act::Say(bytes) => drop(stream.write_all(&bytes).await),
                        Act::Hang => std::future::pending().await,
                        Act::Drop => {}
                    }
                });
            }
        });
        Self { address, heard }
    }

    async fn saying(status: &str, headers: &str, body: &str) -> Self {
        Self::of(vec![say(status, headers, body.as_bytes())]).await
    }

    fn asked(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn house(&self, changes: &[(&str, &str)]) -> House {
        let url = format!("http://{}/me?fixed=1", self.address);
        let mut all = base(&url);
        all.extend(changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        House::of(&all)
    }
}

fn base(url: &str) -> Vec<(String, String)> {
    settings(
        &BEHIND_PROXY,
        &[
            ("SESSION_SOURCES", "upstream"),
            ("FORWARDED_CONVENTION", ""),
            ("FORWARDED_PROOF_SECRET", ""),
            ("UPSTREAM_SESSION_URL", url),
            ("UPSTREAM_SESSION_COOKIES", "sid,sid2"),
        ],
    )
}

fn say(status: &str, headers: &str, body: &[u8]) -> Act {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    Act::Say(bytes)
}

fn jane() -> String {
    json!({ "sub": "u1", "name": "Jane", "email": "jane@example.org", "exp": START.0 + 3600 }).to_string()
}

fn visit() -> http::request::Builder {
    page("/token").header("cookie", "sid=abc123")
}

#[tokio::test]
async fn the_hosts_own_session_becomes_a_token() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let claims = endpoint.house(&[]).ask(visit()).await.claims();
    assert_eq!((&claims["external_id"], &claims["name"]), (&json!("u1"), &json!("Jane")));
    assert_eq!(claims["exp"], START.0 + 3600, "the session's own end");
}

/// C-1.
#[tokio::test]
async fn only_the_named_cookies_leave_and_nothing_else_of_the_visitor() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let house = endpoint.house(&[]);
    let request = page("/token?sid=x")
        .header("cookie", "tracking=t1; sid=abc123; theme=dark; sid2=def")
        .header("authorization", "Bearer visitor-secret")
        .header("x-forwarded-for", "1.2.3.4")
        .header("user-agent", "Mozilla/5.0 visitor")
        .header("accept-language", "xx-visitor");
    assert_eq!(house.ask(request).await.status, StatusCode::OK);
    let asked = endpoint.asked().remove(0).to_ascii_lowercase();
    assert!(asked.starts_with("get /me?fixed=1 http/1.1\r\n"), "C-2: one fixed address: {asked}");
    assert!(asked.contains("cookie: sid=abc123; sid2=def\r\n"), "{asked}");
    for leak in ["tracking", "theme", "visitor", "1.2.3.4", "authorization", "sid=x"] {
        assert!(!asked.contains(leak), "{leak} left: {asked}");
    }
}

/// C-1.
#[tokio::test]
async fn without_a_session_cookie_nobody_is_asked() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let house = endpoint.house(&[]);
    for cookies in ["", "tracking=1", "SID=abc", "xsid=abc", "sid", "theme=sid=abc"] {
        assert_eq!(house.ask(page("/token").header("cookie", cookies)).await.code(), "login_required", "{cookies}");
    }
    assert!(endpoint.asked().is_empty());
}

/// CK-3.
#[tokio::test]
async fn only_the_genuine_session_cookie_is_relayed_whatever_stands_around_it() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let house = endpoint.house(&[]);
    let junk = "j=x; ".repeat(60);
    for line in [
        "\u{2000}sid=evil; sid=genuine".to_owned(),
        "sid=genuine; sid=genuine".to_owned(),
        "sid\u{A0}=evil; sid=genuine; \u{FEFF}sid=evil".to_owned(),
        format!("{junk}sid=genuine"),
    ] {
        let request = page("/token").header("cookie", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        assert_eq!(house.ask(request).await.status, StatusCode::OK, "{line}");
        let asked = endpoint.asked().pop().unwrap();
        assert!(asked.contains("cookie: sid=genuine\r\n"), "{line}: {asked}");
    }
    let broken = page("/token").header("cookie", HeaderValue::from_bytes(b"a=\xFF; sid=genuine").unwrap());
    assert_eq!(house.ask(broken).await.status, StatusCode::OK, "one broken cookie hides no other");
    let only_planted = page("/token").header("cookie", HeaderValue::from_bytes("\u{2000}sid=evil".as_bytes()).unwrap());
    assert_eq!(house.ask(only_planted).await.code(), "login_required");
}

#[test]
fn what_is_no_name_of_a_cookie_does_not_start() {
    for (source, name) in [("upstream", "UPSTREAM_SESSION_COOKIES"), ("store", "STORE_COOKIE")] {
        for wrong in ["a b", "a=b", "s\u{2000}id", "s\u{ef}d"] {
            let vars = settings(
                &BEHIND_PROXY,
                &[
                    ("SESSION_SOURCES", source),
                    ("UPSTREAM_SESSION_URL", "https://h.test/me"),
                    ("STORE_URL", "sqlite:/x.db"),
                    (name, wrong),
                ],
            );
            assert!(mistakes(&vars).contains(&format!("{name}:")), "{wrong}: {}", mistakes(&vars));
        }
    }
}

/// CK-3.
#[tokio::test]
async fn a_session_cookie_that_is_there_twice_is_refused() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let house = endpoint.house(&[]);
    let answer = house.ask(page("/token").header("cookie", "sid=mine; a=b; sid=planted")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let split = page("/token").header("cookie", "sid=mine").header("cookie", "sid=planted");
    assert_eq!(house.ask(split).await.status, StatusCode::BAD_REQUEST);
    assert!(endpoint.asked().is_empty());
}

/// C-3.
#[tokio::test]
async fn each_status_means_what_it_means() {
    let table = [
        ("401 Unauthorized", "", "", 401, "login_required"),
        ("403 Forbidden", "", "", 401, "login_required"),
        ("404 Not Found", "", "", 401, "login_required"),
        ("302 Found", "location: http://127.0.0.1:1/login\r\n", "", 401, "login_required"),
        ("303 See Other", "location: /login\r\n", "", 401, "login_required"),
        ("429 Too Many Requests", "retry-after: 7\r\n", "", 503, "upstream_unavailable"),
        ("500 Internal Server Error", "", "<html>oops</html>", 503, "upstream_unavailable"),
        ("502 Bad Gateway", "", "", 503, "upstream_unavailable"),
        ("503 Service Unavailable", "retry-after: 9\r\n", "", 503, "upstream_unavailable"),
        ("204 No Content", "", "", 503, "upstream_unavailable"),
        ("201 Created", "", r#"{"sub":"u1"}"#, 503, "upstream_unavailable"),
        ("400 Bad Request", "", "", 503, "upstream_unavailable"),
        ("418 I'm a teapot", "", "", 503, "upstream_unavailable"),
        ("200 OK", "", "<html>log in</html>", 503, "upstream_unavailable"),
        ("200 OK", "", "", 503, "upstream_unavailable"),
        ("200 OK", "", r#"{"sub":"u1""#, 503, "upstream_unavailable"),
    ];
    for (status, headers, body, expected, code) in table {
        let endpoint = Endpoint::saying(status, headers, body).await;
        let answer = endpoint.house(&[]).ask(visit()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (expected, code), "{status} {body}");
        assert!(!answer.text.contains("oops"), "no text of theirs in our answer");
    }
}

/// C-3.
#[tokio::test]
async fn retry_after_is_passed_on() {
    let endpoint = Endpoint::saying("429 Too Many Requests", "retry-after: 7\r\n", "").await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.header("retry-after"), "7");
    let date = "retry-after: Thu, 01 Jan 2026 00:00:30 GMT\r\n";
    let endpoint = Endpoint::saying("503 Service Unavailable", date, "").await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.header("retry-after"), "30");
    let endpoint = Endpoint::saying("503 Service Unavailable", "retry-after: 999999\r\n", "").await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.header("retry-after"), "3600", "bounded");
}

/// C-3: an outage is never "logged out".
#[tokio::test]
async fn an_outage_is_never_a_logout() {
    let cut = Act::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"sub\":".to_vec());
    let garbage = Act::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    for act in [Act::Drop, cut, garbage] {
        let answer = Endpoint::of(vec![act]).await.house(&[]).ask(visit()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "upstream_unavailable"));
        assert!(!answer.header("retry-after").is_empty());
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answer = House::of(&base(&format!("http://{closed}/me"))).ask(visit()).await;
    assert_eq!(answer.code(), "upstream_unavailable", "nobody listens there");
}

/// C-7.
#[tokio::test]
async fn a_hanging_endpoint_holds_a_visitor_no_longer_than_the_deadline() {
    let endpoint = Endpoint::of(vec![Act::Hang]).await;
    let answer = endpoint.house(&[("UPSTREAM_DEADLINE", "60ms")]).ask(visit()).await;
    assert_eq!(answer.code(), "upstream_unavailable");
}

/// C-5.
#[tokio::test]
async fn a_body_that_does_not_end_is_not_read_to_its_end() {
    let endpoint = Endpoint::of(vec![say("200 OK", "", &vec![b' '; 10 * 1024 * 1024])]).await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.code(), "upstream_unavailable");
    // 1 MiB of zeros in gzip: small on the wire, large when unpacked.
    let bomb: &[u8] = include_bytes!("data/zeros-1mib.gz");
    let endpoint = Endpoint::of(vec![say("200 OK", "content-encoding: gzip\r\n", bomb)]).await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.code(), "upstream_unavailable");
}

/// C-7.
#[tokio::test]
async fn a_failed_connection_is_tried_once_more_and_an_answer_is_not() {
    let endpoint = Endpoint::saying("500 Internal Server Error", "", "").await;
    endpoint.house(&[]).ask(visit()).await;
    assert_eq!(endpoint.asked().len(), 1, "an answer is an answer");
}

/// C-7.
#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone_and_found_again_when_it_recovers() {
    let mut acts = vec![say("500 Internal Server Error", "", b""); 5];
    acts.push(say("200 OK", "", jane().as_bytes()));
    let endpoint = Endpoint::of(acts).await;
    let house = endpoint.house(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    for n in 0..5 {
        let visitor = visit().header("x-forwarded-for", format!("198.51.100.{n}"));
        assert_eq!(house.ask(visitor).await.code(), "upstream_unavailable");
    }
    assert_eq!(house.ask(visit()).await.code(), "upstream_unavailable");
    assert_eq!(endpoint.asked().len(), 5, "the sixth visitor did not cost a call");
    house.hands.advance(Duration::from_secs(3));
    assert_eq!(house.ask(visit()).await.status, StatusCode::OK, "and it recovers by itself");
}

/// C-4.
#[tokio::test]
async fn an_answer_without_a_usable_subject_is_nobody() {
    let long = "x".repeat(300);
    let subjects = [
        json!(null),
        json!(""),
        json!("  "),
        json!({}),
        json!([]),
        json!(["u1"]),
        json!(true),
        json!(1.5),
        json!(1e40),
        json!(long),
        json!("a\nb"),
        json!("a\u{0}b"),
    ];
    for subject in subjects {
        let endpoint = Endpoint::saying("200 OK", "", &json!({ "sub": subject }).to_string()).await;
        assert_eq!(endpoint.house(&[]).ask(visit()).await.code(), "login_required", "{subject}");
    }
    for document in ["{}", "[]", "null", "1", "\"u1\""] {
        let endpoint = Endpoint::saying("200 OK", "", document).await;
        assert_eq!(endpoint.house(&[]).ask(visit()).await.code(), "login_required", "{document}");
    }
    let endpoint = Endpoint::saying("200 OK", "", r#"{"sub": 4711, "name": "N"}"#).await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.claims()["external_id"], "4711", "a whole number is an id");
}

#[tokio::test]
async fn an_end_of_the_session_that_cannot_be_read_is_neither_none_nor_a_logout() {
    let cases = [
        (json!("soon"), "misconfigured"),
        (json!(-5), "misconfigured"),
        (json!({}), "misconfigured"),
        (json!("2026-01-01T00:10:00"), "misconfigured"),
        (json!(1.5), "login_required"),
        (json!(1_767_225_600_000_u64), "login_required"),
    ];
    for (end, code) in cases {
        let endpoint =
            Endpoint::saying("200 OK", "", &json!({ "sub": "u1", "name": "N", "exp": end }).to_string()).await;
        assert_eq!(endpoint.house(&[]).ask(visit()).await.code(), code, "{end}");
    }
    let dated = json!({ "sub": "u1", "name": "N", "exp": "2026-01-01T00:10:00Z" }).to_string();
    let endpoint = Endpoint::saying("200 OK", "", &dated).await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.json()["expires_in"], 600);
}

#[tokio::test]
async fn pointers_find_identity_wherever_the_host_keeps_it() {
    let document = json!({ "user": { "id": 7, "full": "Ada", "mail": "ada@example.org", "roles": ["a", "b"], "lang": "de" }, "account": { "plan": "gold" } });
    let endpoint = Endpoint::saying("200 OK", "", &document.to_string()).await;
    let house = endpoint.house(&[
        ("UPSTREAM_SUBJECT", "/user/id"),
        ("UPSTREAM_NAME", "/user/full"),
        ("UPSTREAM_EMAIL", "/user/mail"),
        ("UPSTREAM_GROUPS", "/user/roles"),
        ("UPSTREAM_LOCALE", "/user/lang"),
        ("UPSTREAM_ATTRIBUTES", "plan=/account/plan"),
        ("WIDGET_CLAIMS", r#"{"n":"{{ name }}","g":"{{ groups }}","l":"{{ locale }}","p":"{{ attributes.plan }}"}"#),
    ]);
    let claims = house.ask(visit()).await.claims();
    assert_eq!(claims["external_id"], "7");
    assert_eq!(
        (&claims["n"], &claims["g"], &claims["l"], &claims["p"]),
        (&json!("Ada"), &json!(["a", "b"]), &json!("de"), &json!("gold"))
    );
}

/// C-6.
#[tokio::test]
async fn a_cookie_the_endpoint_sets_does_not_reach_the_page() {
    let endpoint = Endpoint::saying("200 OK", "set-cookie: sid=rotated; Path=/\r\n", &jane()).await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.header("set-cookie"), "");
}

/// Directories say in lists what others say in one text, and some say roles as an object whose members are named after them.
#[tokio::test]
async fn the_first_of_a_list_is_the_name_and_the_members_of_an_object_are_roles() {
    let document = json!({ "sub": "u1", "name": ["Ada", "Countess"], "email": ["ada@example.org", "a@example.org"],
        "roles": { "staff": { "1": "example.org" }, "nurse": {} } });
    let endpoint = Endpoint::saying("200 OK", "", &document.to_string()).await;
    let asked = async |group: &str| {
        endpoint.house(&[("UPSTREAM_GROUPS", "/roles"), ("WIDGET_REQUIRED_GROUPS", group)]).ask(visit()).await
    };
    assert_eq!(asked("nurse").await.claims()["name"], "Ada");
    assert_eq!(asked("admin").await.status, StatusCode::FORBIDDEN);
    let empty = json!({ "sub": ["u1"], "name": "N" }).to_string();
    let endpoint = Endpoint::saying("200 OK", "", &empty).await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.code(), "login_required", "nobody is the first of several");
}

/// CA-3.
#[tokio::test]
async fn a_kept_verdict_lives_as_long_as_allowed_and_no_longer_than_its_session() {
    let endpoint =
        Endpoint::saying("200 OK", "", &json!({ "sub": "u1", "name": "N", "exp": START.0 + 8 }).to_string()).await;
    let house = endpoint.house(&[("UPSTREAM_CACHE", "5s")]);
    for _ in 0..3 {
        assert_eq!(house.ask(visit()).await.status, StatusCode::OK);
    }
    assert_eq!(endpoint.asked().len(), 1);
    house.hands.advance(Duration::from_secs(6));
    house.ask(visit()).await;
    assert_eq!(endpoint.asked().len(), 2, "asked again after five seconds");
    house.hands.advance(Duration::from_secs(3));
    assert_eq!(house.ask(visit()).await.code(), "login_required", "the session has ended meanwhile");
}

/// CA-3.
#[tokio::test]
async fn somebody_who_has_just_logged_in_is_not_told_otherwise_for_long() {
    let endpoint = Endpoint::of(vec![say("401 Unauthorized", "", b""), say("200 OK", "", jane().as_bytes())]).await;
    let house = endpoint.house(&[("UPSTREAM_CACHE", "30s")]);
    assert_eq!(house.ask(visit()).await.code(), "login_required");
    house.hands.advance(Duration::from_secs(2));
    assert_eq!(house.ask(visit()).await.status, StatusCode::OK);
}

/// CA-2.
#[tokio::test]
async fn a_verdict_is_kept_for_its_exact_credential_only() {
    let endpoint = Endpoint::of(vec![say("200 OK", "", jane().as_bytes()), say("401 Unauthorized", "", b"")]).await;
    let house = endpoint.house(&[("UPSTREAM_CACHE", "30s")]);
    assert_eq!(house.ask(visit()).await.status, StatusCode::OK);
    let other = page("/token").header("cookie", "sid=abc124");
    assert_eq!(house.ask(other).await.code(), "login_required");
    let moved = page("/token").header("cookie", "sid2=abc123");
    assert_eq!(house.ask(moved).await.code(), "login_required", "the same value in another cookie");
}

/// CA-1.
#[tokio::test]
async fn a_kept_verdict_skips_no_rule() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let house = endpoint.house(&[("UPSTREAM_CACHE", "30s"), ("WIDGET_REQUIRED_GROUPS", "staff")]);
    for _ in 0..2 {
        assert_eq!(house.ask(visit()).await.code(), "forbidden");
    }
    assert_eq!(house.ask(visit().header("sec-fetch-site", "cross-site")).await.code(), "origin_refused");
}

/// C-2.
#[test]
fn an_endpoint_that_would_leak_the_cookie_or_reach_the_wrong_place_does_not_start() {
    let text = |url: &str| mistakes(&base(url));
    assert!(text("http://intranet.example.org/me").contains("UPSTREAM_SESSION_URL: is plain HTTP"));
    for url in [
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/me",
        "https://0.0.0.0/me",
        "https://224.0.0.1/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
    ] {
        assert!(text(url).contains("never called"), "{url}");
    }
    assert!(text("https://user:pw@www.example.org/me").contains("user name or password"));
    assert!(text("ftp://www.example.org/me").contains("not an http(s) address"));
    assert!(text("not a url").contains("UPSTREAM_SESSION_URL"));
    let mut allowed = base("http://intranet.example.org/me");
    allowed.push(("UPSTREAM_ALLOW_HTTP".to_owned(), "true".to_owned()));
    read(&allowed).unwrap();
}

/// C-2.
#[test]
fn a_name_that_points_at_the_metadata_service_resolves_to_nothing() {
    use countersign::net::outbound::is_off_limits;
    for address in ["169.254.169.254", "fe80::1", "::", "0.0.0.0", "255.255.255.255", "ff02::1", "::ffff:169.254.1.1"] {
        assert!(is_off_limits(address.parse().unwrap()), "{address}");
    }
    for address in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "203.0.113.9", "2001:db8::1"] {
        assert!(!is_off_limits(address.parse().unwrap()), "{address}");
    }
}

/// Chain rules.
#[tokio::test]
async fn an_outage_of_one_source_is_skipped_only_when_declared() {
    let both = |on_outage: &str, url: &str| {
        settings(
            &BEHIND_PROXY,
            &[
                ("SESSION_SOURCES", "upstream,forwarded"),
                ("SESSION_ON_OUTAGE", on_outage),
                ("UPSTREAM_SESSION_URL", url),
                ("UPSTREAM_SESSION_COOKIES", "sid"),
            ],
        )
    };
    let endpoint = Endpoint::saying("500 Internal Server Error", "", "").await;
    let url = format!("http://{}/me", endpoint.address);
    let ask = || crate::kit::visit("/token", "alice").header("cookie", "sid=1");
    assert_eq!(House::of(&both("fail", &url)).ask(ask()).await.code(), "upstream_unavailable");
    assert_eq!(House::of(&both("next", &url)).ask(ask()).await.claims()["external_id"], "alice");
    let nobody = page("/token").header("cookie", "sid=1");
    assert_eq!(
        House::of(&both("next", &url)).ask(nobody).await.code(),
        "upstream_unavailable",
        "nobody else knew: still an outage"
    );
}

#[tokio::test]
async fn a_cookie_that_may_be_renewed_is_passed_back_and_no_other() {
    let headers = "set-cookie: sid=rotated; Path=/; HttpOnly\r\nset-cookie: other=1; Path=/\r\n";
    for (status, body) in [("200 OK", jane()), ("401 Unauthorized", String::new())] {
        let endpoint = Endpoint::saying(status, headers, &body).await;
        let house = endpoint.house(&[("UPSTREAM_RENEWED_COOKIES", "sid")]);
        let answer = house.ask(visit()).await;
        let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(lines, ["sid=rotated; Path=/; HttpOnly"], "{status}");
    }
}

async fn reason(house: &House, request: http::request::Builder) -> String {
    assert_eq!(house.ask(request).await.code(), "login_required");
    let metrics = house.app.state.metrics.render();
    let line = metrics.lines().find(|line| line.contains("login_required") && line.ends_with(" 1")).unwrap();
    line.split("reason=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn why_the_endpoint_knows_nobody_is_told_apart() {
    let cases = [
        ("endpoint_said_no", "401 Unauthorized", "", ""),
        ("endpoint_said_no", "302 Found", "location: https://login.example.org/start?next=/me\r\n", ""),
        ("anonymous_answer", "200 OK", "", "{}"),
        ("anonymous_answer", "200 OK", "", "null"),
        ("anonymous_answer", "200 OK", "", r#"{"sub":null}"#),
        ("no_subject", "200 OK", "", r#"{"id":"u1"}"#),
        ("no_subject", "200 OK", "", r#"{"sub":{"id":"u1"}}"#),
    ];
    for (word, status, headers, body) in cases {
        let endpoint = Endpoint::saying(status, headers, body).await;
        assert_eq!(reason(&endpoint.house(&[]), visit()).await, word, "{status} {body}");
    }
    let endpoint = Endpoint::saying("200 OK", "", r#"{"user":null}"#).await;
    assert_eq!(reason(&endpoint.house(&[("UPSTREAM_SUBJECT", "/user/id")]), visit()).await, "anonymous_answer");
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    assert_eq!(reason(&endpoint.house(&[]), page("/token")).await, "no_cookie");
}

/// C: a redirect to itself says nothing about the visitor.
#[tokio::test]
async fn a_redirect_to_the_same_path_is_a_misconfiguration_and_no_logout() {
    for location in ["https://www.example.org/me", "/me/", "/me?fixed=1", "https://127.0.0.1/me/"] {
        let headers = format!("location: {location}\r\n");
        for status in ["301 Moved Permanently", "302 Found", "308 Permanent Redirect"] {
            let endpoint = Endpoint::saying(status, &headers, "").await;
            let answer = endpoint.house(&[]).ask(visit()).await;
            assert_eq!(answer.code(), "misconfigured", "{status} {location}");
        }
    }
    let endpoint = Endpoint::saying("304 Not Modified", "", "").await;
    assert_eq!(endpoint.house(&[]).ask(visit()).await.code(), "upstream_unavailable");
}

#[tokio::test]
async fn the_endpoint_is_asked_with_the_headers_its_framework_insists_on() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let headers = "Host=www.example.org,Origin=https://www.example.org,X-Forwarded-Proto=https,X-Key=a=b";
    let house = endpoint.house(&[("UPSTREAM_HEADERS", headers)]);
    assert_eq!(house.ask(visit().header("x-key", "visitors")).await.status, StatusCode::OK);
    let asked = endpoint.asked().remove(0).to_ascii_lowercase();
    for line in [
        "host: www.example.org\r\n",
        "origin: https://www.example.org\r\n",
        "x-forwarded-proto: https\r\n",
        "x-key: a=b\r\n",
    ] {
        assert_eq!(asked.matches(line).count(), 1, "{line} {asked}");
    }
    for wrong in ["Cookie=a", "no-value", "Bad Name=x", "Content-Length=1"] {
        let text =
            mistakes(&settings(&[], &as_pairs(&base("https://www.example.org/me"), ("UPSTREAM_HEADERS", wrong))));
        assert!(text.contains("UPSTREAM_HEADERS: number 1"), "{text}");
    }
}

fn as_pairs<'a>(base: &'a [(String, String)], more: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    base.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([more]).collect()
}

#[tokio::test]
async fn a_cookie_in_pieces_is_relayed_whole_and_in_order() {
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let house = endpoint.house(&[("UPSTREAM_SESSION_COOKIES", "next-auth.session-token.*,sid")]);
    let name = "next-auth.session-token";
    let cookies = format!("{name}.10=k; x=1; {name}.1=b; {name}.0=a; {name}.2=c; {name}.x=no; {name}=no; sid=s");
    assert_eq!(house.ask(page("/token").header("cookie", cookies)).await.status, StatusCode::OK);
    let asked = endpoint.asked().remove(0);
    let sent = format!("{name}.0=a; {name}.1=b; {name}.2=c; {name}.10=k; sid=s\r\n");
    assert!(asked.contains(&sent), "{asked}");
    let planted = format!("{name}.0=a; {name}.1=b; {name}.1=planted");
    assert_eq!(house.ask(page("/token").header("cookie", planted)).await.status, StatusCode::BAD_REQUEST);
}

proptest! {
    /// RT-4.
    #[test]
    fn no_cookie_header_brings_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..200), name in "[a-z]{1,5}") {
        let mut headers = http::HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.append("cookie", value);
        }
        let found = countersign::net::cookies::one(&headers, &name);
        prop_assert!(found.is_none_or(|value| !value.contains(&b';')));
    }

    /// C-4.
    #[test]
    fn no_document_makes_somebody_of_nobody(subject in ".{0,20}", noise in ".{0,60}") {
        let mapping = countersign::session::mapping::Mapping::default();
        prop_assert!(mapping.apply(&json!({ "sub": subject, "x": noise })).is_err(), "no pointer, nobody");
    }
}

/// RL-1: asked about invented cookies without end, the endpoint would have no time for real ones.
#[tokio::test]
async fn one_address_may_have_only_so_many_unknown_sessions_asked_about() {
    let endpoint = Endpoint::of(vec![say("200 OK", "", jane().as_bytes()), say("401 Unauthorized", "", b"")]).await;
    let house = endpoint.house(&[("TRUSTED_PROXIES", "127.0.0.1"), ("RATE_LIMIT_ADDRESS", "3/m")]);
    let from = |address: &str, cookie: &str| {
        page("/token").header("x-forwarded-for", address).header("cookie", format!("sid={cookie}"))
    };
    assert_eq!(house.ask(from("2001:db8::1", "jane")).await.status, StatusCode::OK);
    for n in 0..3 {
        assert_eq!(house.ask(from("2001:db8::1", &format!("bad{n}"))).await.code(), "login_required");
    }
    let refused = house.ask(from("2001:db8::2", "bad4")).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    assert_eq!(refused.header("retry-after"), "60", "whoever has one address of a network has them all");
    assert_eq!(endpoint.asked().len(), 4, "the endpoint hears nothing of it");
    assert_eq!(house.ask(from("2001:db8::3", "jane")).await.code(), "login_required", "who is known is asked about");
    assert_eq!(house.ask(from("2001:db8:0:1::1", "bad5")).await.code(), "login_required", "another network");
    house.hands.advance(Duration::from_mins(1));
    assert_eq!(house.ask(from("2001:db8::1", "bad6")).await.code(), "login_required");
}

#[tokio::test]
async fn an_address_that_may_be_everybodys_is_no_key() {
    let endpoint = Endpoint::saying("401 Unauthorized", "", "").await;
    let house = endpoint.house(&[("RATE_LIMIT_ADDRESS", "1/m")]);
    for n in 0..5 {
        assert_eq!(house.ask(page("/token").header("cookie", format!("sid=bad{n}"))).await.code(), "login_required");
    }
    let warned = read(&base("https://www.example.org/me")).unwrap().reading.warnings;
    assert!(warned.iter().any(|warning| warning.variable == "TRUSTED_PROXIES"));
}

#[tokio::test]
async fn the_log_names_the_cookie_that_is_there_with_two_values() {
    let (log, _guard) = Log::capture();
    let endpoint = Endpoint::saying("200 OK", "", &jane()).await;
    let answer = endpoint.house(&[]).ask(page("/token").header("cookie", "sid2=canary1; sid2=canary2")).await;
    assert_eq!(answer.code(), "bad_request");
    assert!(log.text().contains("the cookie sid2 is there with different values"), "{}", log.text());
    assert!(!log.text().contains("canary"));
}
