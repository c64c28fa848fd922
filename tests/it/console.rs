//! The console on the admin listener.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};

use crate::kit::{House, PROOF, SECRET, page, visit};

const HOST: &str = "127.0.0.1:9090";

struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

async fn send(house: &House, request: Request<Body>) -> Seen {
    let (head, body) = house.app.admin.handle(request).await.into_parts();
    let bytes = to_bytes(body, 1024 * 1024).await.unwrap();
    Seen { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

async fn look(house: &House, path: &str) -> Seen {
    send(house, Request::get(path).header("host", HOST).body(Body::empty()).unwrap()).await
}

async fn type_in(house: &House, identity: &str, site: &str, origin: &str) -> Seen {
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("identity", identity).finish();
    let request = Request::post("/preview")
        .header("host", HOST)
        .header("origin", origin)
        .header("sec-fetch-site", site)
        .header("content-type", "application/x-www-form-urlencoded");
    send(house, request.body(Body::from(form)).unwrap()).await
}

async fn preview(house: &House, identity: &str) -> Seen {
    type_in(house, identity, "same-origin", "http://127.0.0.1:9090").await
}

/// The page without its tags, as somebody reads it.
fn words(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<').skip(1) {
        text.push_str(part.split_once('>').map_or("", |(_, after)| after));
        text.push(' ');
    }
    let text = text.replace("&quot;", "\"").replace("&#x27;", "'").replace("&#x2f;", "/");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_console_shows_what_is_configured() {
    let house =
        House::behind_proxy(&[("ALLOWED_ORIGINS", "https://app.example.org"), ("WIDGET_REQUIRED_GROUPS", "staff")]);
    let seen = look(&house, "/").await;
    assert_eq!(seen.status, StatusCode::OK);
    let words = words(&seen.text);
    for known in [
        "MedChat, JSON Web Token passthrough",
        "HS256",
        "https://app.example.org",
        "in one of the groups staff",
        "forwarded working",
        "WIDGET_PRESET medchat environment",
        "fetch('/chat-identity/token')",
        "window.medchatapp.unVerifyUser();",
    ] {
        assert!(words.contains(known), "{known} is missing in {words}");
    }
}

#[tokio::test]
async fn the_console_shows_no_secret() {
    let house = House::behind_proxy(&[]);
    let seen = look(&house, "/").await;
    for secret in [SECRET, PROOF] {
        assert!(!seen.text.contains(secret));
    }
    assert!(words(&seen.text).contains("WIDGET_SECRET fingerprint "));
}

#[tokio::test]
async fn the_console_shows_nobodys_identity() {
    let house = House::behind_proxy(&[]);
    let token = house.ask(visit("/token", "alice17")).await.token();
    house.app.state.metrics.beat(house.app.state.clock.now());
    let seen = look(&house, "/").await;
    for private in ["alice17", "Jane Doe", "jane@example.org", &token] {
        // The form's sample names a Jane Doe of its own.
        let shown = seen.text.split("<textarea").next().unwrap();
        assert!(!shown.contains(private), "{private}");
    }
}

#[tokio::test]
async fn the_console_counts_by_widget_and_reason() {
    let house = House::behind_proxy(&[]);
    house.ask(visit("/token", "alice")).await;
    house.ask(visit("/token", "alice")).await;
    house.ask(page("/token")).await;
    house.ask(http::Request::get("/token").header("sec-fetch-site", "cross-site")).await;
    house.app.state.metrics.beat(house.app.state.clock.now());
    house.hands.advance(std::time::Duration::from_mins(3));
    let words = words(&look(&house, "/").await.text);
    assert!(words.contains("Issued 2") && words.contains("Refused 2"), "{words}");
    assert!(words.contains("2 issued, 2 refused"), "the last quarter of an hour: {words}");
    assert!(words.contains("medchat login_required no_session 1 3 minutes ago"), "{words}");
    assert!(words.contains("medchat origin_refused not_listed 1 3 minutes ago"), "{words}");
}

#[tokio::test]
async fn the_memory_of_the_console_is_bounded() {
    let house = House::behind_proxy(&[]);
    for _ in 0..1000 {
        house.app.state.metrics.beat(house.app.state.clock.now());
    }
    assert_eq!(house.app.state.metrics.pulse().beats().len(), 180);
}

#[tokio::test]
async fn the_claims_preview_is_what_a_visitor_would_get() {
    let house = House::behind_proxy(&[]);
    let seen = preview(&house, r#"{ "sub": "alice17", "name": "Zoë <b>Okafor</b>", "email": "z@example.org" }"#).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(!seen.text.contains("<b>Okafor"), "what is typed is text, never markup");
    let words = words(&seen.text);
    assert!(words.contains("\"external_id\": \"alice17\""), "{words}");
    assert!(words.contains("\"name\": \"Zoë &lt;b&gt;Okafor"), "{words}");
    assert!(house.records.text(&house.app).is_empty(), "a preview is no decision about a visitor");
}

#[tokio::test]
async fn the_claims_preview_says_why_there_would_be_no_token() {
    let house = House::behind_proxy(&[("WIDGET_REQUIRED_GROUPS", "staff")]);
    let seen = preview(&house, r#"{ "sub": "alice17", "groups": ["patients"] }"#).await;
    assert!(words(&seen.text).contains("No token: the visitor does not meet the widget's rules: group"));
    let house = House::behind_proxy(&[]);
    let seen = preview(&house, r#"{ "sub": "alice@example.org", "name": "Alice" }"#).await;
    assert!(words(&seen.text).contains("No token: claim `external_id` must be letters and digits only"));
}

#[tokio::test]
async fn what_is_no_identity_is_explained() {
    let house = House::behind_proxy(&[]);
    for (typed, why) in [
        ("jane", "expected"),
        ("{}", "missing field `sub`"),
        (r#"{ "sub": "4711", "nmae": "Jane" }"#, "unknown field `nmae`"),
        (r#"{ "sub": " " }"#, "`sub` cannot be used: empty"),
        (r#"{ "sub": "4711", "name": "a\u0007b" }"#, "`name` cannot be used: control character"),
    ] {
        let seen = preview(&house, typed).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        assert!(words(&seen.text).contains(why), "{typed}: {}", words(&seen.text));
    }
}

#[tokio::test]
async fn another_site_cannot_use_the_form() {
    let house = House::behind_proxy(&[]);
    let identity = r#"{ "sub": "4711", "name": "Planted" }"#;
    for (site, origin) in [
        ("cross-site", "https://evil.example"),
        ("same-site", "http://127.0.0.1:8080"),
        ("none", "http://127.0.0.1:9090"),
        ("same-origin", "null"),
    ] {
        let seen = type_in(&house, identity, site, origin).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{site} {origin}");
        assert!(!seen.text.contains("Planted"));
    }
    let silent =
        Request::post("/preview").header("host", HOST).header("content-type", "application/x-www-form-urlencoded");
    let seen = send(&house, silent.body(Body::from("identity=%7B%7D")).unwrap()).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "a browser that says nothing about the page");
}

#[tokio::test]
async fn a_name_pointed_at_this_machine_finds_no_console() {
    let house = House::behind_proxy(&[]);
    let ask = |host: &'static str, path: &'static str| {
        let request = Request::get(path).header("host", host).body(Body::empty()).unwrap();
        send(&house, request)
    };
    for host in ["127.0.0.1:9090", "[::1]:9090", "10.0.3.7", "localhost", "LOCALHOST:9090"] {
        assert_eq!(ask(host, "/").await.status, StatusCode::OK, "{host}");
    }
    for host in ["evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example:9090", ""] {
        for path in ["/", "/metrics", "/preview", "/assets/console.js"] {
            assert_eq!(ask(host, path).await.status, StatusCode::MISDIRECTED_REQUEST, "{host} {path}");
        }
        assert_eq!(ask(host, "/live").await.status, StatusCode::OK, "a probe may use any name");
        assert_eq!(ask(host, "/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let named = House::behind_proxy(&[("ADMIN_HOSTS", "countersign-admin.internal")]);
    let request =
        Request::get("/metrics").header("host", "countersign-admin.internal:9090").body(Body::empty()).unwrap();
    assert_eq!(send(&named, request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_console_runs_nothing_but_its_own_file() {
    let house = House::behind_proxy(&[]);
    let seen = look(&house, "/").await;
    let policy = seen.headers["content-security-policy"].to_str().unwrap();
    for rule in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert!(!seen.text.contains(" style=") && !seen.text.contains(" onclick"));
    assert!(!seen.text.contains("src=\"http"), "nothing is loaded from elsewhere");
    assert_eq!(seen.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn the_console_tells_how_old_a_key_file_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SECRET).unwrap();
    let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(crate::kit::START.0 - 12 * 86_400);
    std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(written).unwrap();
    let path = file.path().to_str().unwrap();
    let house = House::behind_proxy(&[("WIDGET_SECRET", ""), ("WIDGET_SECRET_FILE", path)]);
    let words = words(&look(&house, "/").await.text);
    assert!(words.contains("written 12 days ago"), "{words}");
    assert!(words.contains("file, written 12 days ago"), "{words}");
}
