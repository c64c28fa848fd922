//! What each way of learning who the visitor is costs: `/token` per source, against a bare handler of the same process, in turns.
//!
//! `cargo bench --bench sources` measures, with wrk; under `cargo test` it runs for a moment. `BENCH_REDIS_URL` and
//! `BENCH_POSTGRES_URL` name servers whose contents may be lost; without them their rows are left out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot run ends, and prints what it found"
)]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "somebody else signs, and the shell says where servers are"
)]

use std::fmt::Write as _;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use countersign::app::App;
use countersign::app::config;
use countersign::base::clock::{Clock, UnixTime};
use countersign::config::env::Env;
use countersign::http::listen::{Listener, ListenerOptions, serve};
use countersign::jose::algorithm::Algorithm;
use countersign::jose::signer::{HeaderOptions, Signer, generate_pem};
use countersign::login::sessions::LoginSessions;
use countersign::login::sessions::record::NewLogin;
use countersign::session::identity::{Identity, Subject};
use jsonwebtoken::{EncodingKey, Header};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const PROOF: &str = "kX4vQm8Zt2Lr6Wp0Jd3Hn7Bs5Yc1Gf9A";
const AUDIENCE: &str = "https://chat.example.org";
/// How many different visitors ask, at most.
const VISITORS: u64 = 1000;
/// Threads that are not the service's: endpoints it asks.
const OTHERS: &str = "others";

type Settings = Vec<(&'static str, String)>;

/// How long, how often, and how many sessions a full store holds.
struct Plan {
    seconds: u32,
    rounds: usize,
    sessions: [u64; 2],
}

/// A source under load: its settings, and what each visitor sends.
struct Case {
    name: String,
    settings: Settings,
    visitors: Visitors,
}

enum Visitors {
    /// Header lines, one visitor a line.
    Send(Vec<String>),
    /// So many log in first.
    LogIn(u64),
}

fn name_of(n: u64) -> String {
    format!("Zoe Mueller {n:05}")
}

fn everybody(line: impl Fn(u64) -> String) -> Visitors {
    Visitors::Send((0..VISITORS).map(line).collect())
}

fn forwarded() -> Case {
    let settings = vec![
        ("SESSION_SOURCES", "forwarded".to_owned()),
        ("FORWARDED_CONVENTION", "oauth2-proxy".to_owned()),
        ("FORWARDED_PROOF_SECRET", PROOF.to_owned()),
    ];
    let line = |n| {
        let name = name_of(n);
        format!("X-Countersign-Proof: {PROOF}\tX-Forwarded-User: patient{n:05}\tX-Forwarded-Preferred-Username: {name}")
    };
    Case { name: "forwarded".to_owned(), settings, visitors: everybody(line) }
}

/// Somebody who signs: an identity provider, a proxy.
struct Issuer {
    key: EncodingKey,
    header: Header,
    jwk: Value,
}

impl Issuer {
    fn new(algorithm: &str, typ: &str) -> Self {
        let algorithm = Algorithm::named(algorithm).unwrap();
        let pem = generate_pem(algorithm).unwrap();
        let signer = Signer::new(algorithm, &pem.clone().into_bytes().into(), &HeaderOptions::default()).unwrap();
        let jwk = signer.public_jwk().unwrap().clone();
        let mut header = Header::new(algorithm.name().parse().unwrap());
        header.kid = jwk["kid"].as_str().map(str::to_owned);
        header.typ = Some(typ.to_owned());
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = match algorithm.name() {
            // PKCS #1 is what PKCS #8 (RFC 5208) wraps in 26 bytes at this size of key.
            "RS256" => EncodingKey::from_rsa_der(&der.secret_pkcs8_der()[26..]),
            _ => EncodingKey::from_ec_der(der.secret_pkcs8_der()),
        };
        Self { key, header, jwk }
    }

    fn token(&self, issuer: &str, n: u64, now: UnixTime) -> String {
        let claims = json!({ "iss": issuer, "aud": AUDIENCE, "sub": format!("patient{n:05}"), "name": name_of(n),
            "client_id": "page", "iat": now.0, "exp": now.0 + 12 * 3600 });
        jsonwebtoken::encode(&self.header, &claims, &self.key).unwrap()
    }

    fn key_set(&self) -> String {
        json!({ "keys": [self.jwk] }).to_string()
    }
}

fn assertion(algorithm: &str, now: UnixTime) -> Case {
    const ISSUER: &str = "https://login.example.org";
    let issuer = Issuer::new(algorithm, "JWT");
    let settings = vec![
        ("SESSION_SOURCES", "assertion".to_owned()),
        ("ASSERTION_CONVENTION", "custom".to_owned()),
        ("ASSERTION_HEADER", "X-Identity".to_owned()),
        ("ASSERTION_ISSUER", ISSUER.to_owned()),
        ("ASSERTION_AUDIENCE", AUDIENCE.to_owned()),
        ("ASSERTION_ALGORITHMS", algorithm.to_owned()),
        ("ASSERTION_KEYS", issuer.key_set()),
    ];
    let visitors = everybody(|n| format!("X-Identity: {}", issuer.token(ISSUER, n, now)));
    Case { name: format!("assertion, {algorithm}"), settings, visitors }
}

async fn bearer(now: UnixTime) -> Case {
    let issuer = Issuer::new("ES256", "at+jwt");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let document = json!({ "issuer": base, "jwks_uri": format!("{base}/keys") }).to_string();
    let keys = issuer.key_set();
    let endpoint = Router::new()
        .route("/.well-known/openid-configuration", get(async move || as_json(document.clone())))
        .route("/keys", get(async move || as_json(keys.clone())));
    tokio::spawn(async move { axum::serve(listener, endpoint).await });
    let settings = vec![
        ("SESSION_SOURCES", "bearer".to_owned()),
        ("BEARER_ISSUER", base.clone()),
        ("BEARER_AUDIENCE", AUDIENCE.to_owned()),
        ("BEARER_ALGORITHMS", "ES256".to_owned()),
    ];
    let visitors = everybody(|n| format!("Authorization: Bearer {}", issuer.token(&base, n, now)));
    Case { name: "bearer, ES256".to_owned(), settings, visitors }
}

async fn upstream() -> Case {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/me", listener.local_addr().unwrap());
    let me = json!({ "user": { "id": "patient00001", "name": name_of(1), "email": "zoe@example.org" } }).to_string();
    let endpoint = Router::new().route("/me", get(async move || as_json(me.clone())));
    tokio::spawn(async move { axum::serve(listener, endpoint).await });
    let settings = vec![
        ("SESSION_SOURCES", "upstream".to_owned()),
        ("UPSTREAM_SESSION_URL", url),
        ("UPSTREAM_SESSION_COOKIES", "session_id".to_owned()),
        ("UPSTREAM_ALLOW_HTTP", "true".to_owned()),
        ("UPSTREAM_SUBJECT", "/user/id".to_owned()),
        ("UPSTREAM_NAME", "/user/name".to_owned()),
        ("UPSTREAM_CONCURRENCY", "64".to_owned()),
    ];
    Case {
        name: "upstream, local".to_owned(),
        settings,
        visitors: everybody(|n| format!("Cookie: session_id=s{n:05}")),
    }
}

fn as_json(text: String) -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], text)
}

/// Our own login over this store, with so many sessions in it.
fn login(store: &str, address: &str, sessions: u64) -> Case {
    let settings = vec![
        ("SESSION_SOURCES", "login".to_owned()),
        ("LOGIN", "oidc".to_owned()),
        ("OIDC_ISSUER", "https://login.example.org".to_owned()),
        ("OIDC_CLIENT_ID", "chat".to_owned()),
        ("OIDC_CLIENT_SECRET", "pV8sQ2mZr4Xk7WdNt5Yh9Lc3".to_owned()),
        ("SESSION_STORE", address.to_owned()),
    ];
    let number = thousands(sessions);
    Case { name: format!("store, {store}, {number}"), settings, visitors: Visitors::LogIn(sessions) }
}

fn stores(plan: &Plan, home: &Path) -> Vec<Case> {
    let at = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
    let servers = [("Redis", at("BENCH_REDIS_URL")), ("PostgreSQL", at("BENCH_POSTGRES_URL"))];
    let mut cases = Vec::new();
    for sessions in plan.sessions {
        cases.push(login("memory", "memory", sessions));
        let file = format!("sqlite:{}/{sessions}.db", home.display());
        cases.push(login("SQLite", &file, sessions));
        for (name, url) in &servers {
            cases.extend(url.as_deref().map(|url| login(name, url, sessions)));
        }
    }
    for (name, _) in servers.iter().filter(|(_, url)| url.is_none()) {
        println!("  store, {name}: left out, nobody said where it is");
    }
    cases
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap()).collect();
    groups.join(",")
}

/// Logs so many visitors in; what the first thousand send.
async fn log_in(visits: &LoginSessions, sessions: u64, clock: &Clock) -> Vec<String> {
    let next = Arc::new(AtomicU64::new(0));
    let mut set = JoinSet::new();
    for _ in 0..64 {
        let (visits, next, clock) = (visits.clone(), next.clone(), clock.clone());
        set.spawn(async move {
            let mut lines = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= sessions {
                    return lines;
                }
                let mut identity = Identity::new(Subject::new(&format!("patient{n:07}")).unwrap());
                identity.name = Some(name_of(n));
                let now = clock.now();
                let arrival =
                    NewLogin { identity, method: "oidc", authenticated_at: now, ends_at: None, provider: None };
                let cookie = visits.begin(arrival, None).await.unwrap().unwrap();
                if n % (sessions / VISITORS).max(1) == 0 {
                    lines.push(format!("Cookie: {}", cookie.to_str().unwrap().split(';').next().unwrap()));
                }
            }
        });
    }
    set.join_all().await.concat()
}

/// A service that listens, and what its visitors send.
async fn open(case: Case, clock: &Clock, options: ListenerOptions) -> (SocketAddr, Vec<String>) {
    let usual = [
        ("PUBLIC_URL", "https://www.example.org"),
        ("RATE_LIMIT_VISITOR", "1000000/s"),
        ("AUDIT_LOG", "/dev/null"),
        ("WIDGET_PRESET", "medchat"),
        ("WIDGET_SECRET", "c29tZS1tZWRjaGF0LXNlY3JldC1vZi0zMi1ieXRlcyE"),
    ];
    let usual = usual.into_iter().map(|(name, value)| (name, value.to_owned()));
    let config = config::Settings::read(Env::new(usual.chain(case.settings))).unwrap();
    let app = App::new(config, clock).unwrap();
    let visits = app.state.snapshot().login.as_ref().map(|login| login.sessions.clone());
    if let Some(store) = &app.store {
        store.open().await.unwrap();
    }
    let lines = match case.visitors {
        Visitors::Send(lines) => lines,
        Visitors::LogIn(sessions) => log_in(&visits.unwrap(), sessions, clock).await,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |received| {
        let service = app.service.clone();
        async move { service.answer(received).await }
    };
    tokio::spawn(serve(Listener::Tcp(listener), options, answer, pending()));
    (address, lines)
}

async fn bare() -> SocketAddr {
    let body = json!({ "token": "x".repeat(330), "expires_at": 1_900_000_000, "expires_in": 14_400, "refresh_in": 11_520,
        "widget": "medchat" });
    let body = body.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = Router::new().route("/token", get(async move || as_json(body.clone())));
    tokio::spawn(async move { axum::serve(listener, handler).await });
    address
}

/// Requests a second, and microseconds of processor time for each.
#[derive(Clone, Copy)]
struct Run {
    rate: f64,
    cost: f64,
}

/// Seconds of processor time of this process, threads that have ended included, without those that are not the service's.
fn processor_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let others: f64 = stats.filter(|stat| stat.contains(&format!("({OTHERS})"))).map(|stat| ticks(&stat)).sum();
    (ticks(&std::fs::read_to_string("/proc/self/stat").unwrap()) - others) / 100.0
}

/// User and system time in a line of `stat`, in hundredths of a second.
fn ticks(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
}

/// One run of wrk.
fn load(at: SocketAddr, visitors: &Path, seconds: u32) -> Run {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/visitors.lua");
    let mut words: Vec<String> =
        std::env::var("LOAD_PREFIX").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    words.extend(["wrk", "-t1", "-c64"].map(str::to_owned));
    words.extend([format!("-d{seconds}s"), "-s".to_owned(), script.display().to_string(), format!("http://{at}")]);
    let before = processor_seconds();
    let output = Command::new(&words[0]).args(&words[1..]).env("VISITORS", visitors).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT ")).expect("wrk says how it went");
    let numbers: Vec<f64> = result.split(' ').map(|n| n.parse().unwrap()).collect();
    assert!(numbers[4] == 0.0 && numbers[0] > 0.0, "the load met {} errors", numbers[4]);
    Run { rate: numbers[0] * 1e6 / numbers[1], cost: (processor_seconds() - before) * 1e6 / numbers[0] }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(case: Case, plan: &Plan, service: &Runtime, home: &Path, clock: &Clock) {
    let name = case.name.clone();
    let (ours, lines) = service.block_on(open(case, clock, ListenerOptions::default()));
    let beside = service.block_on(bare());
    let visitors = home.join("visitors");
    let text = lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    std::fs::write(&visitors, text).unwrap();
    load(ours, &visitors, 1);
    let rounds: Vec<(Run, Run)> = (0..plan.rounds)
        .map(|_| (load(beside, &visitors, plan.seconds), load(ours, &visitors, plan.seconds)))
        .collect();
    let of = |read: fn(&(Run, Run)) -> f64| median(rounds.iter().map(read).collect());
    println!(
        "  {name:28} {:>8.0} /s  {:>6.1} us of processor each   ratio by requests {:.2}, by processor time {:.2}",
        of(|(_, ours)| ours.rate),
        of(|(_, ours)| ours.cost),
        of(|(bare, ours)| ours.rate / bare.rate),
        of(|(bare, ours)| bare.cost / ours.cost),
    );
}

fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().unwrap()
}

fn main() {
    let full = std::env::args().any(|arg| arg == "--bench");
    let plan = if full {
        Plan { seconds: 3, rounds: 3, sessions: [1000, 1_000_000] }
    } else {
        Plan { seconds: 1, rounds: 1, sessions: [20, 200] }
    };
    let home = TempDir::new().unwrap();
    let clock = Clock::system();
    let now = clock.now();
    let others = runtime(OTHERS);
    println!("GET /token by source, HS256, 64 connections, {} s a run, against a bare handler", plan.seconds);
    let mut cases = vec![forwarded(), assertion("ES256", now), assertion("RS256", now)];
    cases.push(others.block_on(bearer(now)));
    cases.push(others.block_on(upstream()));
    cases.extend(stores(&plan, home.path()));
    for case in cases {
        // A service of its own for each, gone before the next.
        let service = runtime("service");
        measure(case, &plan, &service, home.path(), &clock);
        service.shutdown_background();
    }
    drop(others);
}
