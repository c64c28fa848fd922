//! A whole service in memory: settings in, answers out, time in the test's hands.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use countersign::app::App;
use countersign::app::config::Settings;
use countersign::base::clock::{Clock, ManualClock, UnixTime};
use countersign::config::env::{Env, Mistakes};
use countersign::net::outbound::Outbound;
use countersign::net::peer::{Peer, TrustedProxies};
use countersign::observe::audit::settings::AuditSettings;
use countersign::sources::plan::Collaborators;
use data_encoding::BASE64URL_NOPAD;
use http::request::Builder;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Map, Value};
use tokio::net::TcpListener;

/// 2026-01-01T00:00:00Z.
pub const START: UnixTime = UnixTime(1_767_225_600);
/// Base64url of 32 bytes.
pub const SECRET: &str = "c29tZS1tZWRjaGF0LXNlY3JldC1vZi0zMi1ieXRlcyE";
/// What the proxy adds.
pub const PROOF: &str = "kX4vQm8Zt2Lr6Wp0Jd3Hn7Bs5Yc1Gf9A";

/// The shortest configuration behind an auth proxy.
pub const BEHIND_PROXY: [(&str, &str); 7] = [
    ("SESSION_SOURCES", "forwarded"),
    ("FORWARDED_CONVENTION", "oauth2-proxy"),
    ("FORWARDED_PROOF_SECRET", PROOF),
    ("WIDGET_PRESET", "medchat"),
    ("WIDGET_SECRET", SECRET),
    ("PUBLIC_URL", "https://www.example.org/chat-identity"),
    ("AUDIT_LOG", "off"),
];

/// Settings: a base, with some replaced or added, and those set to nothing removed.
pub fn settings(base: &[(&str, &str)], changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in base.iter().chain(changes) {
        all.retain(|(known, _)| known != name);
        if !value.is_empty() {
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    all
}

/// Reads a configuration at [`START`].
pub fn read(vars: &[(String, String)]) -> Result<Settings, Mistakes> {
    Settings::read(Env::new(vars.iter().cloned()))
}

/// Every mistake of a configuration, as the operator sees it.
pub fn mistakes(vars: &[(String, String)]) -> String {
    read(vars).expect_err("the configuration is wrong").to_string()
}

/// A source by itself, which calls whom it likes and knows of no proxies.
pub fn made<S>(clock: &Clock, make: impl FnOnce(&Collaborators<'_>) -> Result<S, String>) -> S {
    let (outbound, proxies) = (Outbound::default(), TrustedProxies::default());
    make(&Collaborators { outbound: &outbound, proxies: &proxies, clock, login: None }).unwrap()
}

/// A service, its clock, and what it recorded.
pub struct House {
    pub app: App,
    pub hands: ManualClock,
    pub records: Records,
}

/// What the audit log received.
#[derive(Clone, Default)]
pub struct Records(Arc<Mutex<Vec<u8>>>);

impl Records {
    pub fn text(&self, app: &App) -> String {
        app.state.audit.flush();
        self.read()
    }

    /// What has arrived by now.
    pub fn read(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("JSON, got {}", self.text))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()["token"].as_str().unwrap().to_owned()
    }

    pub fn claims(&self) -> Map<String, Value> {
        payload(&self.token())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// The payload of a token, unverified.
pub fn payload(token: &str) -> Map<String, Value> {
    part(token, 1)
}

/// The JOSE header of a token.
pub fn jose(token: &str) -> Map<String, Value> {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Map<String, Value> {
    let text = token.split('.').nth(index).unwrap();
    let bytes = BASE64URL_NOPAD.decode(text.as_ref()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

impl House {
    /// A service of these settings.
    pub fn of(vars: &[(String, String)]) -> Self {
        let (clock, hands) = Clock::manual(START);
        Self::by(vars, &clock, hands)
    }

    /// A service of these settings, by a clock that others look at too.
    pub fn by(vars: &[(String, String)], clock: &Clock, hands: ManualClock) -> Self {
        let mut config = Settings::read(Env::new(vars.iter().cloned())).unwrap();
        let records = Records::default();
        config.audit = AuditSettings::to(Some(Box::new(records.clone())));
        Self { app: App::new(config, clock).unwrap(), hands, records }
    }

    /// The shortest configuration with these changes.
    pub fn behind_proxy(changes: &[(&str, &str)]) -> Self {
        Self::of(&settings(&BEHIND_PROXY, changes))
    }

    /// Sends one request from a TCP peer.
    pub async fn send(&self, mut request: Request<Body>) -> Answer {
        if request.extensions().get::<Peer>().is_none() {
            request.extensions_mut().insert(Peer::Tcp([127, 0, 0, 1].into()));
        }
        let response = self.app.service.handle(request).await;
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, 1024 * 1024).await.unwrap();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// Sends one request built by a test.
    pub async fn ask(&self, builder: Builder) -> Answer {
        self.send(builder.body(Body::empty()).unwrap()).await
    }
}

/// A page of our own origin asking for a token, nobody logged in.
pub fn page(path: &str) -> Builder {
    Request::get(path)
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
}

/// The same through the proxy, for this visitor.
pub fn visit(path: &str, subject: &str) -> Builder {
    page(path)
        .header("x-countersign-proof", PROOF)
        .header("x-forwarded-user", subject)
        .header("x-forwarded-preferred-username", "Jane Doe")
        .header("x-forwarded-email", "jane@example.org")
}

/// The address of a server that answers as the router says, for as long as the test's runtime lives.
pub async fn server(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    format!("http://{address}")
}
