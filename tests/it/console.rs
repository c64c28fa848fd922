//! The console on the admin listener.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};

use crate::deeds::run;
use crate::kit::{BEHIND_PROXY, House, PROOF, SECRET, page, settings, visit};

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
    assert!(words.contains("no identity header medchat login_required no_session 1 3 minutes ago"), "{words}");
    assert!(words.contains("not listed medchat origin_refused not_listed 1 3 minutes ago"), "{words}");
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
    assert!(words.contains(&format!("file {path}, written 12 days ago")), "{words}");
}

#[tokio::test]
async fn the_preview_says_where_each_claim_comes_from() {
    let house = House::behind_proxy(&[]);
    let words = words(&preview(&house, r#"{"sub":"4711","name":"Jane"}"#).await.text);
    assert!(words.contains("external_id the visitor") && words.contains("exp the clock"), "{words}");
}

async fn why(house: &House, id: &str) -> String {
    words(&look(house, &format!("/?request={id}")).await.text)
}

#[tokio::test]
async fn a_request_id_leads_to_why_there_was_no_token() {
    let house = House::behind_proxy(&[]);
    let stranger = page("/token").header("x-forwarded-user", "alice17");
    let id = house.ask(stranger).await.header("x-request-id").to_owned();
    house.hands.advance(std::time::Duration::from_mins(2));
    let told = why(&house, &id).await;
    for known in [
        "nobody is logged in: identity headers without x-countersign-proof",
        "401 login_required proof_missing",
        "2026-01-01T00:00:00Z , 2 minutes ago",
        "no source",
    ] {
        assert!(told.contains(known), "{known} is missing in {told}");
    }
    assert!(!told.contains("alice17"), "nobody's identity: {told}");
}

#[tokio::test]
async fn every_route_and_every_rule_answers_why() {
    let house =
        House::behind_proxy(&[("WIDGET_REQUIRED_GROUPS", "staff"), ("ALLOWED_ORIGINS", "https://app.example.org")]);
    let foreign =
        http::Request::get("/token").header("sec-fetch-site", "cross-site").header("origin", "https://evil.test");
    for (request, known) in [
        (visit("/token", "alice"), "does not meet the widget's rules"),
        (foreign, "origin is not listed in ALLOWED_ORIGINS"),
        (page("/tokne"), "no such route"),
        (page("/token").method("DELETE"), "another method than the route takes"),
        (visit("/token", "alice").header("x-forwarded-user", "bob"), "x-forwarded-user is there twice"),
    ] {
        let id = house.ask(request).await.header("x-request-id").to_owned();
        let told = why(&house, &id).await;
        assert!(told.contains(known), "{known} is missing in {told}");
    }
}

#[tokio::test]
async fn an_id_that_is_not_remembered_says_how_far_the_memory_goes() {
    let house = House::behind_proxy(&[]);
    assert!(why(&house, "abc").await.contains("Nothing has been refused since the start"));
    for _ in 0..2001 {
        house.ask(page("/token").header("x-request-id", "first")).await;
        if house.app.state.refusals.extent().0 == 1 {
            house.hands.advance(std::time::Duration::from_hours(1));
        }
    }
    let told = why(&house, "abc").await;
    assert!(told.contains("the latest 2000 refusals and goes back less than a minute"), "{told}");
    let granted = house.ask(visit("/token", "alice")).await;
    let told = why(&house, granted.header("x-request-id")).await;
    assert!(told.contains("Nothing refused goes by"), "a token was given: {told}");
    let markup = look(&house, "/?request=%3Cscript%3E").await.text;
    assert!(markup.contains("&lt;script&gt;") && !markup.contains("<script>"));
}

#[tokio::test]
async fn reasons_are_told_in_words() {
    let house = House::behind_proxy(&[]);
    house.ask(page("/token").header("x-forwarded-user", "a").header("x-countersign-proof", "wrong")).await;
    house.app.state.metrics.beat(house.app.state.clock.now());
    let words = words(&look(&house, "/").await.text);
    assert!(words.contains("proof mismatch medchat login_required proof_wrong 1"), "{words}");
}

#[tokio::test]
async fn the_console_tells_how_long_sources_take() {
    let house = House::behind_proxy(&[]);
    assert!(words(&look(&house, "/").await.text).contains("forwarded working 0 – –"));
    house.ask(visit("/token", "alice")).await;
    let words = words(&look(&house, "/").await.text);
    assert!(words.contains("forwarded working 1 0 µs 100 µs"), "{words}");
}

#[tokio::test]
async fn each_key_has_its_age_and_its_next_step() {
    let soon = (crate::kit::START.0 + 3 * 86_400).to_string();
    let next = "YW5vdGhlci1tZWRjaGF0LXNlY3JldC1vZi0zMi1ieXQ";
    let house = House::behind_proxy(&[("WIDGET_SECRET_NEXT", next), ("WIDGET_SECRET_NEXT_AT", &soon)]);
    let keys = |text: &str| words(text).split("Next step").nth(1).unwrap().to_owned();
    let shown = keys(&look(&house, "/").await.text);
    assert!(shown.contains("WIDGET_SECRET_NEXT follows"), "{shown}");
    assert!(shown.contains("takes over in 3 days, at 2026-01-04T00:00:00Z"), "{shown}");
    house.hands.advance(std::time::Duration::from_hours(73));
    let shown = keys(&look(&house, "/").await.text);
    assert!(shown.contains("has taken over: make it WIDGET_SECRET"), "{shown}");
    assert!(!shown.contains(next));
}

#[tokio::test]
async fn a_key_before_is_kept_until_its_last_token_has_ended() {
    let algorithm = countersign::jose::algorithm::Algorithm::named("ES256").unwrap();
    let pem = |name: &str| {
        let file = tempfile::Builder::new().prefix(name).tempfile().unwrap();
        std::fs::write(file.path(), countersign::jose::signer::generate_pem(algorithm).unwrap()).unwrap();
        let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(crate::kit::START.0);
        std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(written).unwrap();
        file
    };
    let (active, previous) = (pem("active"), pem("previous"));
    let house = House::behind_proxy(&[
        ("WIDGET_PRESET", "userinfo"),
        ("WIDGET_SECRET", ""),
        ("WIDGET_AUDIENCE", "chat"),
        ("WIDGET_ALGORITHM", "ES256"),
        ("WIDGET_LIFETIME", "10m"),
        ("WIDGET_PRIVATE_KEY_FILE", active.path().to_str().unwrap()),
        ("WIDGET_PRIVATE_KEY_PREVIOUS_FILE", previous.path().to_str().unwrap()),
    ]);
    let shown = words(&look(&house, "/").await.text);
    assert!(shown.contains("its last token ends in 10 minutes: keep it until then"), "{shown}");
    house.hands.advance(std::time::Duration::from_mins(10));
    let shown = words(&look(&house, "/").await.text);
    assert!(shown.contains("its last token has ended: remove WIDGET_PRIVATE_KEY_PREVIOUS"), "{shown}");
}

#[tokio::test]
async fn each_widgets_guide_is_the_one_that_presets_show_prints() {
    let vars = settings(&BEHIND_PROXY, &[("WIDGET_PRESET", "crisp"), ("WIDGET_SECRET", SECRET)]);
    let (printed, ended) = run(&["presets", "show", "crisp"], vars.clone()).await;
    ended.unwrap();
    let page = look(&House::of(&vars), "/").await.text;
    let shown = page.split("aria-label=\"Guide for crisp\">").nth(1).unwrap().split("</pre>").next().unwrap();
    let text = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    let shown = text.iter().fold(shown.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
    assert_eq!(shown.trim_end(), printed.trim_end());
    assert!(
        printed.contains("connect(createTokenSource({ widget: 'crisp', field: 'signature' }), adapter);"),
        "{printed}"
    );
    assert!(printed.contains("import adapter from '/chat-identity/adapters/crisp.js';"), "{printed}");
}
