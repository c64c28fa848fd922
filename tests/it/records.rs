//! What is written down: every decision, and never a secret, a token, a name, or an address.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use countersign::app::config::Settings;
use countersign::config::env::Env;
use data_encoding::BASE64URL_NOPAD;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::kit::{BEHIND_PROXY, House, PROOF, SECRET, page, settings, visit};

fn lines(house: &House) -> Vec<Value> {
    house.records.text(&house.app).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_decision_about_a_token_is_written_down_once() {
    let house = House::behind_proxy(&[("RATE_LIMIT_VISITOR", "1/m")]);
    let issued = house.ask(visit("/token", "alice").header("x-request-id", "trace-1")).await;
    house.ask(visit("/token", "alice")).await;
    house.ask(page("/token")).await;
    house.ask(visit("/token", "a@b")).await;
    let lines = lines(&house);
    let outcomes: Vec<&str> = lines.iter().map(|l| l["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["issued", "rate_limited", "login_required", "identity_incomplete"]);
    assert_eq!(lines[0]["request"], "trace-1");
    assert_eq!(lines[0]["exp"], issued.claims()["exp"]);
    assert_eq!(lines[0]["subject"], lines[1]["subject"], "one visitor, one hash");
    assert_ne!(lines[0]["subject"], lines[3]["subject"]);
    assert_eq!(lines[0]["subject"].as_str().unwrap().len(), 16);
    assert_eq!(lines[0]["client"], "127.0.0.1");
}

#[tokio::test]
async fn one_key_gives_one_visitor_the_same_hash_on_every_replica() {
    let hash = |key: &str| {
        let key = secrecy::SecretSlice::from(key.as_bytes().to_vec());
        countersign::observe::audit::subject::SubjectKey::new(&key).hash("alice")
    };
    let key = "an-audit-key-that-two-replicas-share-9753";
    assert_eq!(hash(key), hash(key));
    assert_ne!(hash(key), hash("another-audit-key-of-another-service-1"));
}

/// LOG-2.
#[tokio::test]
async fn a_request_id_that_could_mean_something_in_a_log_is_replaced() {
    let house = House::behind_proxy(&[]);
    let long = "a".repeat(65);
    for id in ["a b", "\"}", "a\\n", "é", "", &long] {
        let mut request = visit("/token", "alice").body(Body::empty()).unwrap();
        request.headers_mut().insert("x-request-id", http::HeaderValue::from_bytes(id.as_bytes()).unwrap());
        house.send(request).await;
    }
    for line in lines(&house) {
        let id = line["request"].as_str().unwrap();
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && id.len() < 30, "{id}");
    }
}

/// A writer that keeps everything.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const NEXT: &str = "canary-proof-next-kX4vQm8Zt2Lr6Wp0Jd3H";
const AUDIT: &str = "canary-audit-key-7Bs5Yc1Gf9AkX4vQm8Zt2";
const PROXY: &str = "http://canary-user:canary-proxy-password@127.0.0.1:9";

fn canaries() -> Vec<(String, String)> {
    settings(
        &BEHIND_PROXY,
        &[
            ("FORWARDED_PROOF_SECRET_NEXT", NEXT),
            ("AUDIT_KEY", AUDIT),
            ("HTTPS_PROXY", PROXY),
            ("WIDGET_ANSWER_CLAIMS", "email"),
        ],
    )
}

/// LOG-1, H-9: a canary in every secret setting, and in everything a visitor brings.
#[tokio::test]
async fn no_secret_token_cookie_or_name_appears_in_any_log_error_metric_or_debug_output() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(kept.clone()).finish();
    let guard = crate::logs::listen(subscriber);
    let house = House::of(&canaries());
    let token = house.ask(visit("/token", "canarysubject")).await.token();
    let requests = [
        visit("/token", "canary@subject").header("cookie", "sid=canary-cookie"),
        page("/token").header("x-countersign-proof", "canary-wrong-proof").header("x-forwarded-user", "canarysubject"),
        visit("/token", "canarysubject").header("x_forwarded_user", "canary-alias"),
        visit("/token?userId=canary-query", "canarysubject")
            .header("origin", "https://canary-origin.example")
            .header("sec-fetch-site", "cross-site"),
        visit("/canary-path", "canarysubject").header("authorization", "Bearer canary-bearer"),
        visit("/token", "canarysubject").method(Method::PUT),
    ];
    let mut answers = String::new();
    for request in requests {
        answers.push_str(&house.ask(request).await.text);
    }
    drop(guard);
    let config = Settings::read(Env::new(canaries())).unwrap();
    let outputs = [
        ("log", String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()),
        ("audit", house.records.text(&house.app)),
        ("answers", answers),
        ("metrics", house.app.state.metrics.render()),
        ("debug", format!("{:?} {config:?} {:?}", house.app, Env::new(canaries()))),
        ("settings", countersign::config::env::effective_table(&config.reading.effective)),
    ];
    let secrets =
        [SECRET, PROOF, NEXT, AUDIT, "canary-proxy-password", "canary", "jane@example.org", "Jane Doe", token.as_str()];
    for (place, text) in &outputs {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} appears in {place}: {text}");
        }
    }
}

/// Every setting that is declared secret, where a configuration can hold it: none prints its value.
#[test]
fn no_secret_setting_prints_its_value() {
    let pem = countersign::jose::signer::generate_pem(countersign::jose::algorithm::Algorithm::named("ES256").unwrap())
        .unwrap();
    let mask = |first: u8| {
        let bytes: Vec<u8> = (0..64).map(|i: u8| i.wrapping_mul(37).wrapping_add(first)).collect();
        BASE64URL_NOPAD.encode(&bytes)
    };
    let vars = settings(
        &BEHIND_PROXY,
        &[
            ("WIDGETS", "clinic,agent"),
            ("WIDGET_PRESET", ""),
            ("WIDGET_SECRET", ""),
            ("FORWARDED_PROOF_SECRET_NEXT", NEXT),
            ("AUDIT_KEY", AUDIT),
            ("PSEUDONYM_KEY", &mask(1)),
            ("PSEUDONYM_KEYS_OLD", &mask(2)),
            ("WIDGET_CLINIC_PRESET", "healthcare-agent"),
            ("WIDGET_CLINIC_APP_SECRET", "canary-app-secret-9Gf3Hn7Bs5Yc1kX4vQm8"),
            ("WIDGET_CLINIC_WEBCHAT_SECRET", "canary-webchat-secret.5Yc1kX4vQm8"),
            ("WIDGET_CLINIC_WEBCHAT_SECRET_NEXT", "canary-webchat-other.7Bs5Yc1kX4v"),
            ("WIDGET_AGENT_PRESET", "copilot-studio"),
            ("WIDGET_AGENT_AUDIENCE", "agent"),
            ("WIDGET_AGENT_PRIVATE_KEY", &pem),
            (
                "WIDGET_AGENT_TOKEN_ENDPOINT",
                "https://x.environment.api.powerplatform.com/powervirtualagents/botsbyschema/c/directline/token?api-version=1",
            ),
            ("WIDGET_AGENT_RENEWAL_SECRET", "canary-renewal-secret-4vQm8Zt2Lr6Wp0Jd"),
        ],
    );
    let config = Settings::read(Env::new(vars.clone())).unwrap();
    let shown = format!("{config:?}\n{}", countersign::config::env::effective_table(&config.reading.effective));
    let secret = |name: &str| {
        let bare = name.replace("WIDGET_CLINIC_", "WIDGET_").replace("WIDGET_AGENT_", "WIDGET_");
        countersign::app::config::SECTIONS.iter().flat_map(|s| s.vars).any(|var| var.secret && var.name == bare)
    };
    let held: Vec<&(String, String)> = vars.iter().filter(|(name, _)| secret(name)).collect();
    assert!(held.len() >= 10, "{}", held.len());
    for (name, value) in held {
        assert!(!shown.contains(value.as_str()) && !shown.contains("canary"), "{name} is printed: {shown}");
    }
}

/// The same for mistakes: a wrong secret is named, never shown.
#[test]
fn no_mistake_shows_the_secret_it_is_about() {
    for (name, value) in [
        ("WIDGET_SECRET", "!!canary-not-base64!!"),
        ("FORWARDED_PROOF_SECRET", "canary short"),
        ("HTTPS_PROXY", "canary proxy"),
        ("WIDGET_SECRET", "Y2FuYXJ5"),
    ] {
        let text = crate::kit::mistakes(&settings(&BEHIND_PROXY, &[(name, value)]));
        assert!(text.contains(name) && !text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
    }
}

#[tokio::test]
async fn metrics_count_what_was_issued_and_refused_and_name_nobody() {
    let house = House::behind_proxy(&[]);
    house.ask(visit("/token", "alice")).await;
    house.ask(page("/token")).await;
    house.ask(visit("/token", "alice").header("x_forwarded_user", "m")).await;
    let text = house.app.state.metrics.render();
    assert!(text.contains(r#"countersign_tokens_issued_total{widget="medchat",source="forwarded"} 1"#), "{text}");
    assert!(text.contains(r#"code="login_required",reason="no_session"} 1"#), "{text}");
    assert!(text.contains(r#"code="bad_request",reason="header_alias"} 1"#), "{text}");
    assert!(text.trim_end().ends_with("# EOF"));
}

#[tokio::test]
async fn health_depends_on_nothing_a_request_says() {
    let house = House::behind_proxy(&[]);
    let get = |path: &str| house.app.admin.handle(Request::get(path).body(Body::empty()).unwrap());
    assert_eq!(get("/live").await.status(), StatusCode::OK);
    assert_eq!(get("/ready").await.status(), StatusCode::SERVICE_UNAVAILABLE, "not before it listens");
    house.app.admin.set_ready(true);
    assert_eq!(get("/ready").await.status(), StatusCode::OK);
    for path in ["/live", "/ready", "/metrics", "/admin"] {
        let public = house.ask(Request::get(path).header("user-agent", "kube-probe/1.30")).await;
        assert_eq!(public.status, StatusCode::NOT_FOUND, "{path} is not for visitors (RT-2)");
    }
}

#[test]
fn every_widget_and_source_has_a_counter_of_its_own() {
    let metrics = countersign::observe::metrics::Metrics::default();
    for widget in 0..1000 {
        metrics.issued(&format!("widget-{widget}"), "forwarded");
    }
    metrics.issued("widget-999", "bearer");
    metrics.refused("widget-0", "login_required", "no_session");
    let (issued, refused) = metrics.totals();
    assert_eq!((issued.len(), issued["widget-999"], issued["widget-0"]), (1000, 2, 1));
    assert_eq!((refused.len(), refused["widget-0"]), (1, 1));
    let text = metrics.render();
    assert!(text.contains(r#"countersign_tokens_issued_total{widget="widget-999",source="bearer"} 1"#));
}
