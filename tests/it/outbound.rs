//! The door to the network outside: whom it goes past, and that nobody holds it shut for others.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use countersign::base::clock::{Clock, ManualClock};
use countersign::net::outbound::{Call, Fault, Limits, Outbound, Target, Visitor, is_loopback};
use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use crate::kit::{BEHIND_PROXY, House, START, mistakes, page, read, settings};

/// A server that answers everything with the same text, or, where the request holds `bad`, with 500 or not at all.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 25\r\nconnection: close\r\n\r\n{\"sub\":\"u1\",\"name\":\"Ada\"}";

impl Server {
    async fn saying(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let remembered = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let remembered = remembered.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 8192];
                    let length = stream.read(&mut buffer).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    remembered.lock().unwrap().push(request.clone());
                    if request.contains("slow") {
                        std::future::pending::<()>().await;
                    }
                    let failure =
                        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let answer = if request.contains("bad") { failure } else { answer };
                    drop(stream.write_all(answer.as_bytes()).await);
                });
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn target(&self, limits: Limits) -> (Target, ManualClock) {
        let (clock, hands) = Clock::manual(START);
        (Target::new(&Outbound::default(), &self.url(), limits, clock).unwrap(), hands)
    }

    fn url(&self) -> Url {
        format!("http://{}/me", self.address).parse().unwrap()
    }

    fn call(&self, cookie: &str) -> Call {
        let headers = HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())]);
        Call { method: Method::GET, url: self.url(), headers, body: Bytes::new() }
    }
}

fn at(address: u8) -> std::net::IpAddr {
    [198, 51, 100, address].into()
}

#[test]
fn every_spelling_of_this_machine_is_this_machine() {
    for own in [
        "http://127.0.0.1/",
        "http://127.9.9.9:8080/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://app.localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "redis://127.0.0.1",
        "redis://[::1]",
    ] {
        assert!(is_loopback(&own.parse().unwrap()), "{own}");
    }
    for other in [
        "http://localhost.example.org/",
        "http://mylocalhost/",
        "http://128.0.0.1/",
        "http://[::2]/",
        "http://[::ffff:10.0.0.1]/",
        "http://127.0.0.1.example.org/",
        "redis://127.0.0.1.example.org",
    ] {
        assert!(!is_loopback(&other.parse().unwrap()), "{other}");
    }
}

/// C-2: a cookie that goes to this very machine goes nowhere else, and nobody in between answers for it.
#[tokio::test]
async fn what_is_on_this_machine_is_never_asked_through_a_proxy() {
    let endpoint = Server::saying(OK).await;
    let proxy = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 38\r\nconnection: close\r\n\r\n{\"sub\":\"mallory\",\"name\":\"Somebody else\"}").await;
    let through = format!("http://{}", proxy.address);
    for variable in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        for host in ["127.0.0.1", "localhost", "app.localhost", "[::ffff:127.0.0.1]"] {
            let url = format!("http://{host}:{}/me", endpoint.address.port());
            let vars = settings(
                &BEHIND_PROXY,
                &[
                    ("SESSION_SOURCES", "upstream"),
                    ("UPSTREAM_SESSION_URL", &url),
                    ("UPSTREAM_SESSION_COOKIES", "sid"),
                    (variable, &through),
                ],
            );
            let answer = House::of(&vars).ask(page("/token").header("cookie", "sid=secret")).await;
            assert_eq!(answer.claims()["external_id"], "u1", "{variable} {host}");
        }
    }
    assert!(proxy.heard().is_empty(), "the proxy heard {:?}", proxy.heard());
}

#[test]
fn plain_http_across_the_network_does_not_start_where_there_is_a_proxy() {
    let vars = |variable: &str, direct: &str| {
        let plain = [
            ("SESSION_SOURCES", "upstream"),
            ("UPSTREAM_SESSION_URL", "http://app.internal/me"),
            ("UPSTREAM_SESSION_COOKIES", "sid"),
            ("UPSTREAM_ALLOW_HTTP", "true"),
        ];
        let proxy = [(variable, "http://proxy.internal:3128"), ("NO_PROXY", direct)];
        settings(&BEHIND_PROXY, &[plain.as_slice(), &proxy].concat())
    };
    for variable in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        let text = mistakes(&vars(variable, "other.internal"));
        assert!(text.contains("UPSTREAM_SESSION_URL: is plain http, and a proxy is set"), "{variable}: {text}");
        assert!(read(&vars(variable, ".internal")).is_ok(), "{variable}: named in NO_PROXY it is reached directly");
    }
}

/// C-3.
#[tokio::test]
async fn a_proxys_own_refusal_is_an_outage() {
    for refusal in [
        "407 Proxy Authentication Required",
        "502 Bad Gateway",
        "403 Forbidden",
        "401 Unauthorized",
        "302 Found",
        "404 Not Found",
    ] {
        let text = format!(
            "HTTP/1.1 {refusal}\r\nlocation: https://proxy.internal/login\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let proxy = Server::saying(Box::leak(text.into_boxed_str())).await;
        let through = format!("http://{}", proxy.address);
        let vars = settings(
            &BEHIND_PROXY,
            &[
                ("SESSION_SOURCES", "upstream"),
                ("UPSTREAM_SESSION_URL", "https://app.example.test/me"),
                ("UPSTREAM_SESSION_COOKIES", "sid"),
                ("HTTPS_PROXY", &through),
            ],
        );
        let answer = House::of(&vars).ask(page("/token").header("cookie", "sid=secret")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "upstream_unavailable"), "{refusal}");
        let heard = proxy.heard();
        assert!(heard[0].starts_with("CONNECT app.example.test:443 ") && !heard[0].contains("secret"), "{heard:?}");
    }
}

#[tokio::test]
async fn one_visitors_bad_cookies_do_not_stop_the_calls_for_others() {
    let server = Server::saying(OK).await;
    let (target, _) = server.target(Limits::DEFAULT);
    for n in 0..12 {
        let cookie = format!("sid=bad{n}");
        let visitor = Visitor { credential: cookie.as_bytes(), address: Some(at(7)) };
        assert!(target.call_for(server.call(&cookie), visitor).await.unwrap().status.is_server_error());
    }
    for _ in 0..12 {
        let visitor = Visitor { credential: b"sid=bad", address: None };
        assert!(target.call_for(server.call("sid=bad"), visitor).await.is_ok());
    }
    assert!(!target.is_resting());
    let visitor = Visitor { credential: b"sid=good", address: Some(at(8)) };
    assert!(target.call_for(server.call("sid=good"), visitor).await.unwrap().status.is_success());
}

#[tokio::test]
async fn a_server_that_fails_everybody_is_left_alone() {
    let server = Server::saying(OK).await;
    let (target, hands) = server.target(Limits::DEFAULT);
    for n in 0..5 {
        let cookie = format!("sid=bad{n}");
        let visitor = Visitor { credential: cookie.as_bytes(), address: Some(at(n)) };
        target.call_for(server.call(&cookie), visitor).await.unwrap();
    }
    assert!(target.is_resting(), "five visitors in five places");
    let visitor = Visitor { credential: b"sid=good", address: Some(at(8)) };
    let refused = target.call_for(server.call("sid=good"), visitor).await.unwrap_err();
    assert!(matches!(refused, Fault::Resting { .. }));
    hands.advance(Duration::from_secs(3));
    let probe = Visitor { credential: b"sid=bad", address: Some(at(9)) };
    target.call_for(server.call("sid=bad"), probe).await.unwrap();
    assert!(target.call_for(server.call("sid=good"), visitor).await.is_ok(), "nobody's bad cookie keeps it closed");
    assert!(!target.is_resting());
    for n in 0..5 {
        let cookie = format!("sid=bad-known{n}");
        let visitor = Visitor { credential: cookie.as_bytes(), address: Some(at(7)) };
        target.know(visitor);
        target.call_for(server.call(&cookie), visitor).await.unwrap();
    }
    assert!(target.is_resting(), "five visitors whom it knew, wherever they are");
}

#[tokio::test]
async fn one_visitors_slow_cookies_leave_places_for_others() {
    let server = Server::saying(OK).await;
    let (target, _) = server.target(Limits { deadline: Duration::from_secs(5), concurrency: 8, ..Limits::DEFAULT });
    let target = Arc::new(target);
    let mut slow = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (target, cookie) = (target.clone(), format!("sid=slow{n}"));
        let call = server.call(&cookie);
        slow.spawn(async move {
            drop(target.call_for(call, Visitor { credential: cookie.as_bytes(), address: Some(at(7)) }).await);
        });
    }
    while server.heard().len() < 2 {
        tokio::task::yield_now().await;
    }
    let visitor = Visitor { credential: b"sid=good", address: Some(at(8)) };
    assert!(target.call_for(server.call("sid=good"), visitor).await.unwrap().status.is_success());
    assert!(server.heard().len() <= 3, "a quarter of the places is one visitor's: {}", server.heard().len());
    slow.abort_all();
}

#[tokio::test]
async fn a_call_that_fails_is_logged_with_whom_and_why() {
    let (log, _guard) = crate::logs::Log::capture();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/me", closed.local_addr().unwrap())).unwrap();
    drop(closed);
    let target = Target::new(&Outbound::default(), &url, Limits::DEFAULT, Clock::system()).unwrap();
    let call = Call { method: Method::GET, url, headers: HeaderMap::new(), body: bytes::Bytes::new() };
    assert_eq!(target.call(call).await.unwrap_err(), Fault::Connect);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("no connection could be made")).unwrap_or_default();
    assert!(line.contains("127.0.0.1") && line.contains("Connection refused") && !line.contains("/me"), "{text}");
}
