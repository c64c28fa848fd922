//! What the pure parts cost: signing against the common library, filling a template, guarding and reading headers, verifying,
//! and the whole answer in memory. `tests/bench/run` runs this with the load bench; `cargo bench --profile dist --bench rooms` runs this
//! alone. As a test each part runs once.

#![expect(clippy::unwrap_used, reason = "a bench that cannot run ends")]
#![expect(clippy::disallowed_types, reason = "the other library's key is what we measure against")]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use countersign::app::App;
use countersign::app::config::Settings;
use countersign::base::clock::{Clock, UnixTime};
use countersign::claims::{ClaimTemplate, Claims, PageInput, Registered, Scope, Stamp, Stamped, SubjectRule};
use countersign::config::env::Env;
use countersign::http::guard::{Guard, fold};
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jwks::key::{Key, KeySet};
use countersign::jose::jws::examine::{Expectation, verify};
use countersign::jose::signer::{HeaderOptions, Signer, generate_pem};
use countersign::net::cookies;
use countersign::net::peer::Peer;
use countersign::session::identity::{Identity, Subject};
use countersign::session::{Guarded, Session};
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use jsonwebtoken::{EncodingKey, Header};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::SecretSlice;
use tokio::runtime::Builder;

/// Times `work` in a hundred batches of about ten milliseconds, and prints what one run takes: usually, and in the fastest and
/// the slowest tenth.
#[expect(clippy::print_stdout, reason = "the figures are what a bench is run for")]
#[expect(clippy::disallowed_methods, reason = "what is measured here is time itself")]
fn bench<T>(name: &str, mut work: impl FnMut() -> T) {
    let mut batch = |runs: u32| {
        let began = Instant::now();
        (0..runs).for_each(|_| drop(black_box(work())));
        began.elapsed()
    };
    let once = batch(1);
    if !std::env::args().any(|word| word == "--bench") {
        return println!("{name}: it runs");
    }
    batch(u32::try_from(Duration::from_millis(200).as_nanos() / once.as_nanos().max(1)).unwrap_or(1).clamp(1, 100_000));
    let warm = batch(10) / 10;
    let runs = u32::try_from(Duration::from_millis(10).as_nanos() / warm.as_nanos().max(1)).unwrap().max(1);
    let mut taken: Vec<Duration> = (0..100).map(|_| batch(runs) / runs).collect();
    taken.sort_unstable();
    println!("{name:<40} time: {:>10.2?} ({:.2?} to {:.2?})", taken[50], taken[10], taken[90]);
}

const NOW: UnixTime = UnixTime(1_900_000_000);
const SECRET: &str = "c29tZS1zZWNyZXQtb2YtNjQtYnl0ZXMtdGhhdC1pcy1sb25nLWVub3VnaC1mb3ItYWxsLW9mLXRoZW0h";
const PROOF: &str = "kX4vQm8Zt2Lr6Wp0Jd3Hn7Bs5Yc1Gf9A";
const TEMPLATE: &str = r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 },
  "groups": "{{ groups }}"
}"#;
const EXPRESSIONS: &str = r#"{ "name": "{{ name or email }}", "who": "{{ subject ~ '@' ~ widget }}" }"#;

fn session() -> Session {
    let mut identity = Identity::new(Subject::new("patient-4711").unwrap());
    identity.name = Some("Zoë Müller".to_owned());
    identity.email = Some("zoe@example.org".to_owned());
    identity.groups = vec!["patients".to_owned(), "night".to_owned()];
    Session { identity, source: "forwarded", expires_at: None, authenticated_at: None }
}

fn stamp() -> Stamp {
    Stamp::new(NOW, Duration::from_mins(5), Duration::from_secs(5), None).unwrap()
}

fn template(text: &str) -> ClaimTemplate {
    let registered = Registered {
        issuer: Some("https://www.example.org/chat-identity".to_owned()),
        audience: vec!["https://chat.example.com".to_owned()],
        subject: Some(SubjectRule { claim: Cow::Borrowed("sub"), max: 256, alphanumeric: false }),
        stamped: vec![Stamped::IssuedAt, Stamped::NotBefore, Stamped::Expires, Stamped::Id],
    };
    ClaimTemplate::compile(text, registered).unwrap()
}

fn fill(template: &ClaimTemplate, session: &Session, stamp: &Stamp) -> Claims {
    let page = PageInput::default();
    let scope = Scope { session, subject: "patient-4711", widget: "support", ticket: None, agent: false, page: &page };
    template.fill(&scope, stamp).unwrap()
}

/// A key for an algorithm, as we hold it and as the library holds it to sign and to verify.
fn keys(algorithm: Algorithm) -> (Signer, EncodingKey, KeySet) {
    let pem = generate_pem(algorithm).unwrap_or_else(|| SECRET.to_owned());
    let signer =
        Signer::new(algorithm, &SecretSlice::from(pem.clone().into_bytes()), &HeaderOptions::default()).unwrap();
    let bytes = pem.as_bytes();
    // PKCS #1 is what PKCS #8 (RFC 5208) wraps in 26 bytes at the RSA size of these keys.
    let pkcs8 = |pem: &[u8]| PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    let encoding = match &algorithm.name()[..2] {
        "HS" => EncodingKey::from_secret(bytes),
        "ES" => EncodingKey::from_ec_der(pkcs8(bytes).secret_pkcs8_der()),
        "Ed" => EncodingKey::from_ed_der(pkcs8(bytes).secret_pkcs8_der()),
        _ => EncodingKey::from_rsa_der(&pkcs8(bytes).secret_pkcs8_der()[26..]),
    };
    let shared = || Key::shared(&SecretSlice::from(bytes.to_vec()), algorithm);
    let key = signer.public_jwk().map_or_else(shared, |jwk| Key::from_jwk(jwk).unwrap());
    (signer, encoding, KeySet::of(vec![key]))
}

fn signing() {
    let claims = fill(&template(TEMPLATE), &session(), &stamp());
    let (issuer, audience) = ("https://www.example.org/chat-identity", ["https://chat.example.com".to_owned()]);
    for algorithm in Algorithm::signing() {
        let (signer, encoding, keys) = keys(algorithm);
        bench(&format!("sign/ours/{algorithm}"), || signer.sign(black_box(&claims)));
        let header = Header::new(algorithm.name().parse().unwrap());
        let theirs = || jsonwebtoken::encode(&header, black_box(&claims), &encoding);
        bench(&format!("sign/jsonwebtoken/{algorithm}"), theirs);
        let proof = signer.sign(&claims).unwrap();
        let expected =
            Expectation { issuer: Some(issuer), audience: &audience, ..Expectation::of(algorithm, vec![&keys]) };
        bench(&format!("verify/{algorithm}"), || verify(black_box(proof.reveal()), &expected, NOW).unwrap());
    }
}

fn templates() {
    let (session, stamp) = (session(), stamp());
    for (name, text) in [("variables", TEMPLATE), ("expressions", EXPRESSIONS)] {
        let template = template(text);
        bench(&format!("template/{name}"), || fill(&template, black_box(&session), &stamp));
    }
}

/// What a browser sends, and what a proxy makes of it.
fn headers() -> HeaderMap {
    let lines = [
        ("host", "www.example.org"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "*/*"),
        ("accept-language", "de,en;q=0.7,en-US;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://www.example.org/account"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-origin"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("x-countersign-proof", PROOF),
        ("x-forwarded-user", "patient4711"),
        ("x-forwarded-preferred-username", "Zoë Müller"),
        ("x-forwarded-email", "zoe@example.org"),
        ("x-forwarded-groups", "patients,night"),
    ];
    let pair = |(name, value): (&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    lines.map(pair).into_iter().collect()
}

fn guarding() {
    let names = ["x-countersign-proof", "x-forwarded-user", "x-forwarded-preferred-username", "x-forwarded-email"];
    let guarded: Vec<HeaderName> = names.map(HeaderName::from_static).to_vec();
    let guard = Guard::new(Guarded { headers: guarded.clone(), scalars: guarded, cookies: Vec::new() });
    let headers = headers();
    bench("guard/inspect", || guard.inspect(black_box(&headers)).unwrap());
    bench("guard/fold", || fold(black_box("X_Forwarded.Preferred-Username")));
    let cookie = HeaderValue::from_static("theme=dark; _ga=GA1.2.3; csrf=abcdef; session=0123456789abcdef; lang=de");
    let jar: HeaderMap = [(COOKIE, cookie)].into_iter().collect();
    bench("cookies/one", || cookies::one(black_box(&jar), "session").is_some());
}

fn whole_answer() {
    let clock = Clock::system();
    let env = Env::new([
        ("SESSION_SOURCES", "forwarded"),
        ("FORWARDED_CONVENTION", "oauth2-proxy"),
        ("FORWARDED_PROOF_SECRET", PROOF),
        ("WIDGET_PRESET", "medchat"),
        ("WIDGET_SECRET", SECRET),
        ("AUDIT_LOG", "off"),
        ("RATE_LIMIT_VISITOR", "off"),
    ]);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(async { App::new(Settings::read(env).unwrap(), &clock).unwrap() });
    let headers = headers();
    let request = || {
        let mut request = Request::get("/token").body(Body::empty()).unwrap();
        request.headers_mut().clone_from(&headers);
        request.extensions_mut().insert(Peer::Tcp([127, 0, 0, 1].into()));
        request
    };
    let answer = || async {
        let response = app.service.handle(request()).await;
        assert!(response.status().is_success());
        to_bytes(response.into_body(), 64 * 1024).await.unwrap()
    };
    bench("answer/request alone", request);
    bench("answer/token", || runtime.block_on(answer()));
}

fn main() {
    signing();
    templates();
    guarding();
    whole_answer();
}
