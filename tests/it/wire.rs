//! The bytes of a request as they come in over the listener: how many there may be, and what is refused because the proxy in
//! front may read it differently.

use std::net::SocketAddr;

use countersign::app::{Listeners, ReadSettings};
use countersign::config::env::Mistakes;
use countersign::http::listen::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::kit::{House, PROOF};
use crate::logs::Log;

/// A service that listens; dropping it stops it.
struct Wire {
    address: SocketAddr,
    state: std::sync::Arc<countersign::http::state::AppState>,
    records: crate::kit::Records,
    _stop: oneshot::Sender<()>,
}

/// What came back, until the service closed the connection or had answered as often as was asked.
struct Said {
    text: String,
}

impl Said {
    fn status(&self) -> u16 {
        self.text.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{}", self.text))
    }

    fn code(&self) -> String {
        let body = self.text.rsplit("\r\n\r\n").next().unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{}", self.text));
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Wire {
    async fn of(changes: &[(&str, &str)]) -> Self {
        let House { app, records, .. } = House::behind_proxy(changes);
        let state = app.state.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let reread: ReadSettings = Box::new(|| Err(Mistakes(Vec::new())));
        let listeners = Listeners { public: Listener::Tcp(listener), admin: None };
        tokio::spawn(app.serve(listeners, reread, async { drop(stopped.await) }));
        Self { address, state, records, _stop: stop }
    }

    /// Sends these pieces, one after the other, and reads to the end. Requests must ask for it.
    async fn say(&self, pieces: &[&[u8]]) -> Said {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Said { text: String::from_utf8(bytes).unwrap() }
    }

    async fn ask(&self, request: &str) -> Said {
        self.say(&[request.as_bytes()]).await
    }
}

/// What every request for a token carries here.
fn usual() -> String {
    format!(
        "Sec-Fetch-Site: same-origin\r\nX-Countersign-Proof: {PROOF}\r\nX-Forwarded-User: alice\r\nX-Forwarded-Preferred-Username: Alice\r\nConnection: close\r\n"
    )
}

/// A request for a token with these lines more.
fn with(lines: &str) -> String {
    format!("GET /token HTTP/1.1\r\nHost: www.example.org\r\n{lines}{}\r\n", usual())
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[tokio::test]
async fn ordinary_peoples_requests_are_answered_however_much_their_browsers_carry() {
    let wire = Wire::of(&[]).await;
    let cookies = |count: usize, size: usize| {
        format!("Cookie: {}\r\n", many(count, |n| format!("c{n}={}; ", "x".repeat(size))).trim_end_matches("; "))
    };
    for lines in [
        String::new(),
        cookies(180, 20),
        cookies(15, 4000),
        many(200, |n| format!("X-Header-{n}: value\r\n")),
        many(120, |n| format!("Cookie: c{n}=x\r\n")),
        format!("X-Groups: {}\r\n", "g,".repeat(20_000)),
    ] {
        let said = wire.ask(&with(&lines)).await;
        assert_eq!(said.status(), 200, "{} bytes: {}", lines.len(), said.text);
    }
}

#[tokio::test]
async fn each_limit_has_a_code_of_its_own_and_the_log_says_which_setting_it_is() {
    let (log, _guard) = Log::capture();
    let wire = Wire::of(&[]).await;
    let cases = [
        (with(&format!("X-Large: {}\r\n", "x".repeat(70_000))), 431, "head_too_large", "REQUEST_HEAD_MAX is 65536"),
        (with(&many(300, |n| format!("X-{n}: 1\r\n"))), 431, "too_many_headers", "REQUEST_HEADERS_MAX is 256"),
        (
            with(&format!("Cookie: {}\r\n", many(201, |n| format!("c{n}=1; ")))),
            431,
            "too_many_cookies",
            "201 cookies, and REQUEST_COOKIES_MAX is 200",
        ),
        (
            format!("GET /token?{} HTTP/1.1\r\nHost: a\r\n{}\r\n", "x".repeat(200_000), usual()),
            414,
            "uri_too_long",
            "the address asked for has",
        ),
    ];
    for (request, status, code, line) in cases {
        let said = wire.ask(&request).await;
        assert_eq!((said.status(), said.code().as_str()), (status, code), "{}", said.text);
        assert!(log.text().contains(line), "{line}: {}", log.text());
        let counted = format!("code=\"{code}\"");
        assert!(wire.state.metrics.render().contains(&counted), "{counted}");
    }
}

#[tokio::test]
async fn the_limits_are_settings() {
    let wire =
        Wire::of(&[("REQUEST_HEAD_MAX", "131072"), ("REQUEST_HEADERS_MAX", "400"), ("REQUEST_COOKIES_MAX", "32")])
            .await;
    assert_eq!(wire.ask(&with(&format!("X-Large: {}\r\n", "x".repeat(100_000)))).await.status(), 200);
    assert_eq!(wire.ask(&with(&many(350, |n| format!("X-{n}: 1\r\n")))).await.status(), 200);
    let said = wire.ask(&with(&format!("Cookie: {}\r\n", many(33, |n| format!("c{n}=1; "))))).await;
    assert_eq!(said.code(), "too_many_cookies");
}

#[tokio::test]
async fn what_two_readers_may_understand_differently_is_refused_and_said() {
    let (log, _guard) = Log::capture();
    let wire = Wire::of(&[]).await;
    let usual = usual();
    let post = |lines: &str| format!("POST /token HTTP/1.1\r\nHost: www.example.org\r\n{lines}{usual}\r\n");
    let cases = [
        ("no_host", format!("GET /token HTTP/1.1\r\n{usual}\r\n")),
        ("several_hosts", with("Host: www.example.org\r\n")),
        ("several_hosts", with("host: elsewhere.example\r\n")),
        ("bad_host", format!("GET /token HTTP/1.1\r\nHost: a, b\r\n{usual}\r\n")),
        ("bad_host", format!("GET /token HTTP/1.1\r\nHost: u@www.example.org\r\n{usual}\r\n")),
        ("bad_host", format!("GET /token HTTP/1.1\r\nHost:\r\n{usual}\r\n")),
        ("other_host", format!("GET http://elsewhere.example/token HTTP/1.1\r\nHost: www.example.org\r\n{usual}\r\n")),
        ("other_host", format!("GET http://a@www.example.org/token HTTP/1.1\r\nHost: www.example.org\r\n{usual}\r\n")),
        ("length_and_encoding", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n")),
        ("length_and_encoding", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")),
        ("several_lengths", post("Content-Length: 0\r\nContent-Length: 4\r\n")),
        ("bad_length", post("Content-Length: 0, 0\r\n")),
        ("bad_length", post("Content-Length: +0\r\n")),
        ("bad_length", post("Content-Length: 0x0\r\n")),
        ("bad_length", post("Content-Length: 99999999999999999999\r\n")),
        ("bad_length", post("Content-Length:\r\n")),
        ("transfer_encoding", post("Transfer-Encoding: gzip, chunked\r\n")),
        ("transfer_encoding", post("Transfer-Encoding: identity\r\n")),
        ("transfer_encoding", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        ("transfer_encoding", post("Transfer-Encoding: \"chunked\"\r\n")),
        ("transfer_encoding", post("Transfer-Encoding: \x0bchunked\r\n").replace('\x0b', "\u{a0}")),
        ("old_encoding", format!("POST /token HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{usual}\r\n")),
        ("folded_header", with("X-A: b\r\n c\r\n")),
        ("folded_header", with("X-A: b\r\n\tc\r\n")),
        ("folded_header", format!("GET /token HTTP/1.1\r\n Host: a\r\nHost: a\r\n{usual}\r\n")),
        ("space_before_colon", with("X-A : b\r\n")),
        ("space_before_colon", post("Content-Length : 4\r\n")),
        ("space_before_colon", post("Transfer-Encoding\t: chunked\r\n")),
        ("header_name", with("X-\u{e4}: b\r\n")),
        ("header_name", with("X A: b\r\n")),
        ("header_name", with("no colon\r\n")),
        ("header_name", with(": b\r\n")),
        ("header_name", with("X\0: b\r\n")),
        ("header_value", with("X-A: b\0c\r\n")),
        ("header_value", with("X-A: b\x08c\r\n")),
        ("line_end", with("X-A: b\rX-Forwarded-User: eve\r\n")),
        ("line_end", with("X-A: b\nX-Forwarded-User: eve\r\n")),
        ("line_end", with("").replace("\r\n", "\n")),
        ("request_line", format!("GET  /token HTTP/1.1\r\nHost: a\r\n{usual}\r\n")),
        ("request_line", format!("GET /tok en HTTP/1.1\r\nHost: a\r\n{usual}\r\n")),
        ("request_line", format!("GET /token#x HTTP/1.1\r\nHost: a\r\n{usual}\r\n")),
        ("request_line", format!("GET\t/token HTTP/1.1\r\nHost: a\r\n{usual}\r\n")),
        ("request_line", format!("G(T /token HTTP/1.1\r\nHost: a\r\n{usual}\r\n")),
        ("request_line", format!("GET /token\r\nHost: a\r\n{usual}\r\n")),
        ("http_version", format!("GET /token HTTP/1.2\r\nHost: a\r\n{usual}\r\n")),
        ("http_version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("tls", "\x16\x03\x01\x02\0\x01".to_owned()),
    ];
    for (reason, request) in cases {
        let said = wire.ask(&request).await;
        assert_eq!((said.status(), said.code().as_str()), (400, "ambiguous_request"), "{request:?}: {}", said.text);
        let line = format!("reason=\"{reason}\"");
        assert!(log.text().contains(&line), "{line}: {request:?}");
        let metrics = wire.state.metrics.render();
        assert!(metrics.contains(&format!("code=\"ambiguous_request\",reason=\"{reason}\"")), "{metrics}");
    }
}

#[tokio::test]
async fn what_everybody_understands_alike_is_answered() {
    let wire = Wire::of(&[]).await;
    let usual = usual();
    let post =
        |lines: &str, body: &str| format!("POST /token HTTP/1.1\r\nHost: www.example.org\r\n{lines}{usual}\r\n{body}");
    for request in [
        format!("\r\n{}", with("")),
        format!("GET /token HTTP/1.0\r\n{usual}\r\n"),
        format!("GET http://www.example.org/token HTTP/1.1\r\nHost: WWW.example.org\r\n{usual}\r\n"),
        format!("GET /token HTTP/1.1\r\nHost: [::1]:8080\r\n{usual}\r\n"),
        with("X-A:b\r\nX-B:\t b \t\r\nX-C:\r\nX-D: \u{e4}\r\n"),
        post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"),
        post("Transfer-Encoding: Chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        post("Content-Length: 0\r\n", ""),
    ] {
        let said = wire.ask(&request).await;
        assert_eq!(said.status(), 200, "{request:?}: {}", said.text);
    }
}

#[tokio::test]
async fn a_head_in_pieces_is_read_as_one_and_requests_in_one_piece_as_several() {
    let wire = Wire::of(&[]).await;
    let whole = with("X-A: b\r\n");
    let bytes: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
    assert_eq!(wire.say(&bytes).await.status(), 200);
    let open = whole.replace("Connection: close\r\n", "");
    let body = open.replace("GET", "POST").replace("X-A: b", "Content-Length: 2").replace("\r\n\r\n", "\r\n\r\n{}");
    let said = wire.ask(&format!("{open}{body}{open}{whole}")).await;
    assert_eq!(said.text.matches("HTTP/1.1 200 OK").count(), 4, "{}", said.text);
}

#[tokio::test]
async fn a_connection_that_ends_with_its_answer_says_so_in_it() {
    let wire = Wire::of(&[]).await;
    let open = with("Content-Length: 100\r\n").replace("Connection: close\r\n", "");
    for method in ["GET /token", "POST /token", "POST /session", "PUT /nowhere"] {
        let said = wire.ask(&open.replace("GET /token", method)).await;
        assert_eq!(said.text.matches("HTTP/1.1 ").count(), 1, "{}", said.text);
        assert!(said.text.contains("connection: close"), "{method}: {}", said.text);
    }
    let waits = open.replace("Content-Length: 100", "Content-Length: 2\r\nExpect: 100-continue");
    let said = wire.ask(&waits).await;
    assert!(said.text.starts_with("HTTP/1.1 200"), "nobody is asked for a body in vain: {}", said.text);
    assert!(said.text.contains("connection: close"), "{}", said.text);
}

#[tokio::test]
async fn nothing_after_a_refused_request_is_read() {
    let wire = Wire::of(&[]).await;
    let open = with("").replace("Connection: close\r\n", "");
    let hidden = "GET /session HTTP/1.1\r\nHost: a\r\n\r\n";
    let bad = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n";
    for pieces in [vec![format!("{open}{bad}{hidden}")], vec![open.clone(), bad.to_owned(), hidden.to_owned()]] {
        let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
        let said = wire.say(&pieces).await;
        assert_eq!(said.text.matches("HTTP/1.1 ").count(), 2, "{}", said.text);
        assert!(said.text.starts_with("HTTP/1.1 200") && said.text.contains("ambiguous_request"), "{}", said.text);
        assert!(said.text.contains("connection: close"), "{}", said.text);
    }
    let chunked = "POST /token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let said = wire.ask(&format!("{chunked}{hidden}")).await;
    assert_eq!(said.text.matches("HTTP/1.1 ").count(), 1, "where chunks end is not ours to find: {}", said.text);
}

#[tokio::test]
async fn a_refused_head_is_recorded_at_its_widget() {
    let wire = Wire::of(&[]).await;
    wire.ask(&with("Host: www.example.org\r\n")).await;
    wire.state.audit.flush();
    let metrics = wire.state.metrics.render();
    assert!(metrics.contains("widget=\"medchat\",code=\"ambiguous_request\",reason=\"several_hosts\""), "{metrics}");
    let text = wire.records.read();
    assert!(text.contains("\"several_hosts\"") && !text.contains("alice"), "{text}");
}
