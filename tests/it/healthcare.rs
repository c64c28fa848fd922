//! The healthcare agent's tokens through the whole service. The first half replays, fault by fault, what went wrong in the
//! sample that hosts were given to copy; the second holds the service to its own promises on top.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use countersign::demo::directline::fault::Fault;
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use http::header::CONTENT_TYPE;
use http::request::Builder;
use http::{HeaderValue, Method, Request};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::kit::{Answer, BEHIND_PROXY, House, mistakes, page, payload, read, settings, visit};
use crate::logs::Log;
use crate::stage::{APP_SECRET, NOON, SECRET, Stage, TOKEN_LIFE};

const TOKEN: &str = "/token";
const REFRESH: &str = "/refresh";
const SAMPLE: &str = "/chatBot";
const JSON: &str = "application/json";
/// Base64url of 64 bytes.
const PSEUDONYM_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw";
const LIMIT: (&str, &str) = ("RATE_LIMIT_VISITOR", "100000/s");

/// The settings of a host whose Direct Line is at `base`.
fn vars(base: &str, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = [
        ("WIDGET_SECRET", ""),
        ("WIDGET_PRESET", "healthcare-agent"),
        ("WIDGET_APP_SECRET", APP_SECRET),
        ("WIDGET_WEBCHAT_SECRET", SECRET),
        ("WIDGET_DIRECTLINE_ENDPOINT", base),
        ("TOKEN_ALIASES", "/chatBot=healthcare-agent"),
        ("PSEUDONYM_KEY", PSEUDONYM_KEY),
        LIMIT,
    ];
    let all: Vec<(&str, &str)> = own.iter().chain(changes).copied().collect();
    settings(&BEHIND_PROXY, &all)
}

/// A service in front of a double, both by one clock.
struct Clinic {
    stage: Stage,
    house: House,
}

impl Clinic {
    async fn open(changes: &[(&str, &str)]) -> Self {
        let stage = Stage::set().await;
        let house = Self::house(&stage, changes);
        Self { stage, house }
    }

    fn house(stage: &Stage, changes: &[(&str, &str)]) -> House {
        House::by(&vars(&stage.base(), changes), &stage.clock, stage.hands.clone())
    }

    async fn ask(&self, builder: Builder) -> Answer {
        self.house.ask(builder).await
    }

    async fn token(&self, subject: &str) -> Answer {
        self.ask(visit(TOKEN, subject).method(Method::POST)).await
    }

    async fn renew(&self, builder: Builder, content: &Value) -> Answer {
        let builder = builder.method(Method::POST).header(CONTENT_TYPE, JSON);
        self.house.send(builder.body(Body::from(content.to_string())).unwrap()).await
    }

    /// How many conversations the vendor was asked for.
    fn conversations(&self) -> usize {
        self.stage.double.counts().generate
    }

    async fn admin(&self, path: &str) -> (u16, String) {
        let request = Request::get(path).header("host", "127.0.0.1").body(Body::empty()).unwrap();
        let (head, body) = self.house.app.admin.handle(request).await.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (head.status.as_u16(), String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The claims of a token whose signature another library has found to hold under the agent's secret.
fn verified(token: &str) -> Map<String, Value> {
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_secret(APP_SECRET.as_bytes());
    jsonwebtoken::decode(token, &key, &rules).unwrap().claims
}

fn claims(answer: &Answer) -> Map<String, Value> {
    verified(&answer.token())
}

/// Nothing in an answer can be used as a token, or as half of one.
fn assert_no_token(answer: &Answer, what: &str) {
    assert!(!answer.status.is_success(), "{what}: {}", answer.text);
    assert!(!answer.text.contains("eyJ") && !answer.text.contains("onnectorToken"), "{what}: {}", answer.text);
}

// --- fault by fault ------------------------------------------------------------------------------------------------------

/// The sample's login check is a stub that says yes to everybody.
/// R1.
#[tokio::test]
async fn nobody_without_a_session_gets_a_token_or_a_conversation() {
    let clinic = Clinic::open(&[]).await;
    for path in [TOKEN, SAMPLE, "/token/healthcare-agent"] {
        let answer = clinic.ask(page(path).method(Method::POST)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "login_required"), "{path}");
        assert_no_token(&answer, path);
    }
    assert_eq!(clinic.conversations(), 0);
}

/// The sample signs whatever `userId` the query or a cookie brings.
#[tokio::test]
async fn the_query_cannot_choose_the_user_id() {
    let clinic = Clinic::open(&[]).await;
    let own = claims(&clinic.token("alice").await)["userId"].clone();
    let attempts = [
        visit("/token?userId=victim&userName=Victim", "alice"),
        visit("/token?userid=victim&sub=victim&subject=victim&id=victim", "alice"),
        visit("/token?user.id=victim&user[id]=victim", "alice"),
        visit(TOKEN, "alice").header("cookie", "userid=victim; userId=victim"),
        visit(TOKEN, "alice").header("x-user-id", "victim"),
    ];
    for attempt in attempts {
        let answer = clinic.ask(attempt.method(Method::POST)).await;
        let claims = claims(&answer);
        assert_eq!(claims["userId"], own);
        assert_eq!(claims["userName"], "Jane Doe");
        assert!(!answer.text.contains("ictim"));
    }
    let bare =
        clinic.ask(visit("/chatBot?locale=en-us&userId=victim&userName=Victim", "alice").method(Method::POST)).await;
    assert_eq!(verified(&bare.text)["userId"], own);
}

/// The agent's sample page takes its id and name from a form.
#[tokio::test]
async fn a_body_that_names_somebody_is_not_read() {
    let clinic = Clinic::open(&[]).await;
    let own = claims(&clinic.token("alice").await)["userId"].clone();
    let content = json!({ "userId": "victim", "userName": "Victim", "agent": true });
    let answer = clinic.renew(visit(TOKEN, "alice"), &content).await;
    assert_eq!(claims(&answer)["userId"], own);
    assert!(claims(&answer).get("isAgent").is_none());
    let form = visit(TOKEN, "alice").method(Method::POST).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let refused = clinic.house.send(form.body(Body::from("userId=victim&agent=true")).unwrap()).await;
    assert_eq!(refused.status, 415);
    assert_no_token(&refused, "a form");
}

/// Nested and repeated query keys become objects and arrays in the sample's claims.
#[tokio::test]
async fn nested_query_keys_never_become_claims() {
    let open = [("WIDGET_PAGE_LOCALE", "true"), ("WIDGET_PAGE_LOCATION", "true")];
    let clinic = Clinic::open(&open).await;
    let plain = claims(&clinic.token("alice").await);
    for query in [
        "userName[first]=a&userName[last]=b&userId=1&userId=2&optionalAttributes[role]=admin",
        "locale[a]=en&locale[]=de&locale=en&locale=de",
        "lat[]=1&lat=1&lat=2&long=3&location[lat]=1&location[long]=2",
        "__proto__[isAgent]=true&constructor[prototype][isAgent]=true",
    ] {
        let answer = clinic.ask(visit(&format!("/token?{query}"), "alice")).await;
        let mut found = claims(&answer);
        assert!(found["connectorToken"].is_string());
        for name in ["connectorToken", "iat", "exp"] {
            found[name] = plain[name].clone();
        }
        assert_eq!(found, plain, "{query}");
    }
}

/// The sample concatenates query values without encoding.
#[tokio::test]
async fn a_parameter_hidden_in_a_value_is_only_a_strange_value() {
    let clinic = Clinic::open(&[("WIDGET_PAGE_LOCALE", "true")]).await;
    for locale in ["en%26userId%3Dvictim", "en%22%2C%22isAgent%22%3Atrue", "en%0d%0aX: y", "%00", "e n", "en-\u{fc}"] {
        let query = locale.replace(' ', "+").replace('\u{fc}', "%C3%BC");
        let claims = claims(&clinic.ask(visit(&format!("/token?locale={query}"), "alice")).await);
        assert!(claims.get("locale").is_none(), "{locale}");
        assert!(claims.get("isAgent").is_none(), "{locale}");
    }
}

/// The sample's ids are 32 random bits.
#[tokio::test]
async fn user_ids_never_collide_say_nothing_and_outlive_restarts() {
    let clinic = Clinic::open(&[]).await;
    let mut ids = BTreeSet::new();
    for n in 0..200 {
        let id = claims(&clinic.token(&format!("patient-{n}")).await)["userId"].as_str().unwrap().to_owned();
        assert!(id.starts_with("dl_") && id.len() >= 40, "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{id}");
        assert!(!id.contains("patient"));
        ids.insert(id);
    }
    assert_eq!(ids.len(), 200);
    let restarted = Clinic::house(&clinic.stage, &[]).ask(visit(TOKEN, "patient-7")).await;
    assert!(ids.contains(claims(&restarted)["userId"].as_str().unwrap()));
    let key = BASE64URL_NOPAD.encode((0..64).map(|n: u8| n ^ 0xa5).collect::<Vec<u8>>().as_ref());
    let other = Clinic::house(&clinic.stage, &[("PSEUDONYM_KEY", &key)]).ask(visit(TOKEN, "patient-7")).await;
    assert!(!ids.contains(claims(&other)["userId"].as_str().unwrap()), "only the holder of the key can derive an id");
}

/// The sample keeps its id in a cookie for a year, through every logout and for everybody on that browser.
#[tokio::test]
async fn no_cookie_remembers_anybody() {
    let clinic = Clinic::open(&[]).await;
    let first = clinic.token("alice").await;
    let second = clinic.token("bob").await;
    let nobody = clinic.ask(page(SAMPLE).method(Method::POST)).await;
    for answer in [&first, &second, &nobody] {
        assert_eq!(answer.header("set-cookie"), "");
    }
    assert_ne!(claims(&first)["userId"], claims(&second)["userId"]);
}

/// The sample sends no body, so its conversations are bound to nobody.
#[tokio::test]
async fn the_conversation_is_bound_to_the_very_id_that_the_token_names() {
    let clinic = Clinic::open(&[]).await;
    let answer = clinic.token("alice").await;
    let id = claims(&answer)["userId"].clone();
    let heard: Value = serde_json::from_slice(&clinic.stage.double.heard().body).unwrap();
    assert_eq!(heard, json!({ "user": { "id": id } }));
    let json = answer.json();
    assert_eq!(json["userId"], id);
    assert_eq!(payload(json["connectorToken"].as_str().unwrap())["user"], id);
    assert_eq!(claims(&answer)["connectorToken"], json["connectorToken"]);
}

/// The sample does not look at the status, and signs a token without a conversation.
#[tokio::test]
async fn a_403_is_never_a_token_without_a_connector_token() {
    for fault in [
        Fault::Status(403),
        Fault::BadSecret,
        Fault::RegionNotAllowed,
        Fault::Throttled,
        Fault::Status(500),
        Fault::NoToken,
        Fault::EmptyToken,
        Fault::HtmlPage,
        Fault::OtherUser,
    ] {
        let clinic = Clinic::open(&[]).await;
        clinic.stage.double.set_fault(Some(fault));
        for path in [TOKEN, SAMPLE] {
            assert_no_token(&clinic.ask(visit(path, "alice").method(Method::POST)).await, &format!("{fault:?}"));
        }
    }
}

/// The sample's process ends on a HTML 502 and on a refused connection.
#[tokio::test]
async fn no_failure_of_the_vendor_ends_the_service() {
    let clinic = Clinic::open(&[]).await;
    for fault in [Fault::HtmlBadGateway, Fault::CutOff, Fault::TruncatedJson, Fault::Redirect, Fault::HugeBody] {
        clinic.stage.double.set_fault(Some(fault));
        assert_eq!(clinic.token("alice").await.status, 502, "{fault:?}");
        clinic.stage.double.set_fault(None);
        clinic.stage.hands.advance(Duration::from_secs(31));
        assert_eq!(clinic.token("alice").await.status, 200, "{fault:?}: it recovers by itself");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let alone = House::of(&vars(&nowhere, &[]));
    for _ in 0..3 {
        let answer = alone.ask(visit(TOKEN, "alice")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "upstream_unavailable"));
    }
    assert_eq!(alone.ask(page(TOKEN)).await.status, 401, "it still answers");
}

/// The sample waits for ever.
#[tokio::test]
async fn a_hanging_vendor_gives_504_and_no_token() {
    let clinic = Clinic::open(&[("WIDGET_CONNECTOR_DEADLINE", "400ms")]).await;
    for fault in [Fault::Hang, Fault::SlowBody] {
        clinic.stage.double.set_fault(Some(fault));
        let answer = tokio::time::timeout(Duration::from_secs(10), clinic.token("alice")).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "upstream_unavailable"), "{fault:?}");
        assert_no_token(&answer, "a vendor that hangs");
    }
}

/// The sample sends the word undefined.
#[test]
fn an_unset_secret_stops_the_start_and_is_named() {
    let base = "http://127.0.0.1:9";
    for name in ["WIDGET_APP_SECRET", "WIDGET_WEBCHAT_SECRET", "PSEUDONYM_KEY"] {
        let said = mistakes(&vars(base, &[(name, "")]));
        assert!(said.contains(name), "{said}");
        for value in [APP_SECRET, SECRET, PSEUDONYM_KEY] {
            assert!(!said.contains(value), "a secret is in the message");
        }
    }
    for (name, value) in [("WIDGET_APP_SECRET", "undefined"), ("WIDGET_WEBCHAT_SECRET", "undefined")] {
        let said = mistakes(&vars(base, &[(name, value)]));
        assert!(said.contains(name) && !said.contains("undefined"), "{said}");
    }
}

/// Every probe of the sample's health route mints a conversation, and the route says 200 when the vendor says 403.
/// R17.
#[tokio::test]
async fn health_never_mints_a_conversation() {
    let clinic = Clinic::open(&[]).await;
    clinic.house.app.admin.set_ready(true);
    for path in ["/live", "/ready", "/metrics", "/"] {
        clinic.admin(path).await;
    }
    clinic.ask(page("/session")).await;
    clinic.ask(visit("/session", "alice")).await;
    clinic.ask(visit(TOKEN, "alice").method(Method::OPTIONS)).await;
    assert_eq!(clinic.conversations(), 0);
    assert_eq!(clinic.admin("/live").await.0, 200);
    assert_eq!(clinic.admin("/ready").await.0, 200);
}

/// The sample's tokens have no end.
#[tokio::test]
async fn a_token_says_when_it_began_and_ends() {
    let clinic = Clinic::open(&[]).await;
    let usual = claims(&clinic.token("alice").await);
    let (iat, exp) = (usual["iat"].as_u64().unwrap(), usual["exp"].as_u64().unwrap());
    assert_eq!((NOON.0 - iat, exp - NOON.0), (5, 200 * 60));
    let short = Clinic::house(&clinic.stage, &[("WIDGET_LIFETIME", "10m")]).ask(visit(TOKEN, "alice")).await;
    assert_eq!(claims(&short)["exp"], NOON.0 + 600);
    let expiring = [("FORWARDED_EXPIRES_HEADER", "x-session-expires")];
    let until = (NOON.0 + 90).to_string();
    let capped = Clinic::house(&clinic.stage, &expiring);
    let capped = capped.ask(visit(TOKEN, "alice").header("x-session-expires", until)).await;
    assert_eq!(claims(&capped)["exp"], NOON.0 + 90, "a token never outlives the session");
    assert_eq!(capped.json()["expires_in"], 90);
}

/// The sample answers `text/html` that anybody may store.
#[tokio::test]
async fn every_answer_is_typed_and_never_stored_sniffed_or_framed() {
    let clinic = Clinic::open(&[]).await;
    let answers = [
        (clinic.token("alice").await, "application/json; charset=utf-8"),
        (clinic.ask(visit(SAMPLE, "alice").method(Method::POST)).await, "application/jwt"),
        (clinic.ask(page(SAMPLE).method(Method::POST)).await, "application/problem+json"),
        (clinic.renew(visit(REFRESH, "alice"), &json!({})).await, "application/problem+json"),
    ];
    for (answer, media) in answers {
        assert_eq!(answer.header("content-type"), media);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

/// A page of another site gets a token from the sample, with one line of script.
#[tokio::test]
async fn a_cross_site_post_mints_nothing() {
    let clinic = Clinic::open(&[]).await;
    for path in [TOKEN, SAMPLE, REFRESH] {
        let fetched = visit(path, "alice").method(Method::POST).header(CONTENT_TYPE, JSON);
        let mut request = fetched.header("origin", "https://evil.example").body(Body::from("{}")).unwrap();
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        let answer = clinic.house.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "origin_refused"), "{path}");
        let old = Request::post(path)
            .header("x-countersign-proof", crate::kit::PROOF)
            .header("x-forwarded-user", "alice")
            .header(CONTENT_TYPE, JSON)
            .header("origin", "https://evil.example");
        let answer = clinic.house.send(old.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.status, 403, "{path}, from a browser without Fetch Metadata");
    }
    assert_eq!(clinic.conversations(), 0);
}

/// The sample served 20 of 20.
/// R13.
#[tokio::test]
async fn who_asks_too_often_is_told_before_the_vendor_is_asked() {
    let clinic = Clinic::open(&[("RATE_LIMIT_VISITOR", "3/m")]).await;
    let mut served = 0;
    for _ in 0..20 {
        let answer = clinic.token("alice").await;
        served += usize::from(answer.status == 200);
        if answer.status != 200 {
            assert_eq!(answer.status, 429);
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
    }
    assert_eq!((served, clinic.conversations()), (3, 3));
    assert_eq!(clinic.token("bob").await.status, 200, "nobody else is held up");
}

/// The sample signs name and location as if somebody had verified them.
#[tokio::test]
async fn what_the_page_says_is_left_out_unless_the_operator_lets_it_in() {
    let said = "/token?userName=Doctor&locale=de-DE&lat=52.5&long=13.4";
    let closed = Clinic::open(&[]).await;
    let strict = claims(&closed.ask(visit(said, "alice")).await);
    assert_eq!(strict["userName"], "Jane Doe");
    assert!(strict.get("locale").is_none() && strict.get("location").is_none());
    let open = [("WIDGET_PAGE_LOCALE", "true"), ("WIDGET_PAGE_LOCATION", "true")];
    let open = Clinic::house(&closed.stage, &open);
    let told = claims(&open.ask(visit(said, "alice")).await);
    assert_eq!((&told["userName"], &told["locale"]), (&json!("Jane Doe"), &json!("de-DE")));
    assert_eq!(told["location"], json!({ "lat": "52.5", "long": "13.4" }));
    for (query, locale, location) in [
        ("locale=zh-Hant-TW", true, false),
        ("locale=english%20please", false, false),
        ("locale=en-this-tag-is-far-longer-than-any-language", false, false),
        ("lat=90&long=180", false, true),
        ("lat=90.1&long=0", false, false),
        ("lat=nan&long=0", false, false),
        ("lat=1&long=inf", false, false),
        ("lat=1", false, false),
        ("lat=1%22&long=2", false, false),
    ] {
        let claims = claims(&open.ask(visit(&format!("/token?{query}"), "alice")).await);
        let found = (claims.get("locale").is_some(), claims.get("location").is_some());
        assert_eq!(found, (locale, location), "{query}");
    }
}

/// One failed request of the sample's flips a flag that all its callers share.
#[tokio::test]
async fn one_failed_request_flips_nothing_shared_by_all() {
    let clinic = Clinic::open(&[]).await;
    clinic.house.app.admin.set_ready(true);
    clinic.stage.double.fail_next(1, Fault::Status(500));
    assert_eq!(clinic.token("alice").await.status, 502);
    assert_eq!(clinic.admin("/ready").await.0, 200);
    for subject in ["alice", "bob", "carol"] {
        assert_eq!(clinic.token(subject).await.status, 200);
    }
    let metrics = clinic.admin("/metrics").await.1;
    assert!(metrics.contains("upstream_unavailable"), "it is counted, which is what an alert is made of");
}

fn atob(part: &str) -> Vec<u8> {
    BASE64_NOPAD.decode(part.as_ref()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The sample's page reads base64url with `atob`, which throws or garbles for many a name.
    #[test]
    fn every_payload_survives_atob(name in "\\PC{1,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let clinic = Clinic::open(&[]).await;
            let mut request = visit(SAMPLE, "alice").method(Method::POST).body(Body::empty()).unwrap();
            let value = HeaderValue::from_bytes(name.trim().as_bytes()).unwrap();
            request.headers_mut().insert("x-forwarded-preferred-username", value);
            clinic.house.send(request).await
        });
        prop_assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        // What `atob` makes: one character for each byte, from an alphabet without `-` and `_`.
        let decoded = String::from_utf8(atob(answer.text.split('.').nth(1).unwrap())).unwrap();
        prop_assert!(decoded.is_ascii());
        let seen: Value = serde_json::from_str(&decoded).unwrap();
        prop_assert_eq!(seen, Value::Object(verified(&answer.text)));
    }
}

/// Names that the sample's page cannot read arrive whole.
#[tokio::test]
async fn names_of_every_script_arrive_whole_through_atob() {
    let clinic = Clinic::open(&[]).await;
    for name in ["Zoë Okafor", "王小明", "Ærøskøbing ~?>", "محمد", "👩‍⚕️ Dr. No", "O'Neil \"Bob\" \\"]
    {
        let mut request = visit(SAMPLE, "alice").method(Method::POST).body(Body::empty()).unwrap();
        let value = HeaderValue::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert("x-forwarded-preferred-username", value);
        let answer = clinic.house.send(request).await;
        let decoded = atob(answer.text.split('.').nth(1).unwrap());
        assert!(decoded.iter().all(|b| (0x20..0x7f).contains(b) && !b"~?>".contains(b)));
        let seen: Value = serde_json::from_slice(&decoded).unwrap();
        assert_eq!(seen["userName"], name);
    }
}

/// The sample's page alerts a raw status, and knows no end.
#[tokio::test]
async fn the_page_learns_what_is_wrong_and_when_to_come_back() {
    let clinic = Clinic::open(&[]).await;
    let json = clinic.token("alice").await.json();
    assert_eq!(json["expires_in"], TOKEN_LIFE.as_secs());
    assert_eq!(json["connector_expires_in"], TOKEN_LIFE.as_secs());
    assert!(json["refresh_in"].as_u64().unwrap() < TOKEN_LIFE.as_secs());
    for name in ["token", "userId", "connectorToken", "domain", "conversationId", "renewal"] {
        assert!(json[name].is_string(), "{name}");
    }
    assert_eq!(json["domain"], format!("{}/v3/directline", clinic.stage.base()));
    clinic.stage.double.set_fault(Some(Fault::ThrottledFor(7)));
    let wait = clinic.token("alice").await;
    assert_eq!((wait.code().as_str(), wait.header("retry-after")), ("upstream_unavailable", "7"));
}

/// The sample's page loads `latest` of a script from elsewhere, without a checksum.
#[test]
fn the_page_code_that_is_printed_loads_nothing_from_elsewhere() {
    let profile = countersign::widget::presets::healthcare_agent::PROFILE;
    for code in [profile.page_login, profile.page_logout] {
        assert!(!code.contains("//") && !code.contains("latest") && !code.contains("<script"), "{code}");
    }
}

/// The sample's image is a full system, its packages unpinned, its user root.
#[test]
fn the_image_is_locked_small_and_not_roots() {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/Dockerfile")).unwrap();
    assert!(file.contains("--locked") && file.contains("distroless"));
    let user = file.lines().rfind(|line| line.starts_with("USER ")).unwrap();
    assert!(!user.contains("root") && user != "USER 0", "{user}");
}

/// Any caller of the sample who adds `agent=true` is an agent.
#[tokio::test]
async fn a_caller_adding_agent_true_is_no_agent() {
    let asked = "/token?agent=true&isAgent=true&role=agent";
    let clinic = Clinic::open(&[]).await;
    assert!(claims(&clinic.ask(visit(asked, "alice")).await).get("isAgent").is_none());
    let staffed = Clinic::house(&clinic.stage, &[("WIDGET_AGENT_GROUP", "chat-agents")]);
    let patient = visit(asked, "alice").header("x-forwarded-groups", "patients,chat-agents-alumni");
    assert!(claims(&staffed.ask(patient).await).get("isAgent").is_none(), "absent, not false");
    let agent = visit(TOKEN, "bob").header("x-forwarded-groups", "staff,chat-agents");
    assert_eq!(claims(&staffed.ask(agent).await)["isAgent"], true);
}

// --- and further ---------------------------------------------------------------------------------------------------------

/// R5: what a page and its proxies see of every fault. None of it is in the vendor's words.
#[tokio::test]
async fn every_fault_has_its_status_code_and_wait() {
    let throttled = Fault::ThrottledUntil(NOON.plus(Duration::from_secs(9)));
    for (fault, status, code, wait) in [
        (Fault::BadSecret, 502, "upstream_rejected", ""),
        (Fault::Status(403), 502, "upstream_rejected", ""),
        (Fault::RegionNotAllowed, 502, "upstream_rejected", ""),
        (Fault::Status(400), 502, "upstream_rejected", ""),
        (Fault::Status(404), 502, "upstream_rejected", ""),
        (Fault::Throttled, 503, "upstream_unavailable", "2"),
        (Fault::ThrottledFor(7), 503, "upstream_unavailable", "7"),
        (Fault::ThrottledFor(1_000_000), 503, "upstream_unavailable", "3600"),
        (throttled, 503, "upstream_unavailable", "9"),
        (Fault::Status(500), 502, "upstream_unavailable", "2"),
        (Fault::Status(503), 502, "upstream_unavailable", "2"),
        (Fault::Status(204), 502, "upstream_unavailable", "2"),
        (Fault::HtmlBadGateway, 502, "upstream_unavailable", "2"),
        (Fault::CutOff, 502, "upstream_unavailable", "2"),
        (Fault::HtmlPage, 502, "upstream_unavailable", "2"),
        (Fault::TruncatedJson, 502, "upstream_unavailable", "2"),
        (Fault::NoToken, 502, "upstream_unavailable", "2"),
        (Fault::EmptyToken, 502, "upstream_unavailable", "2"),
        (Fault::OtherUser, 502, "upstream_unavailable", "2"),
        (Fault::Redirect, 502, "upstream_unavailable", "2"),
        (Fault::HugeBody, 502, "upstream_unavailable", "2"),
        (Fault::LateRefusal(Duration::from_millis(20)), 502, "upstream_rejected", ""),
    ] {
        let clinic = Clinic::open(&[]).await;
        clinic.stage.double.set_fault(Some(fault));
        let answer = clinic.token("alice").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{fault:?}");
        assert_eq!(answer.header("retry-after"), wait, "{fault:?}");
        assert_no_token(&answer, &format!("{fault:?}"));
        assert!(!answer.text.contains("double") && !answer.text.contains("Bad Gateway"), "{fault:?}: {}", answer.text);
        assert_eq!(clinic.stage.double.counts().elsewhere, 0);
    }
}

/// R7: a short answer still makes a token, with what is known of it.
#[tokio::test]
async fn a_conversation_that_does_not_say_how_long_it_lives_is_taken_to_be_short() {
    let clinic = Clinic::open(&[]).await;
    clinic.stage.double.set_fault(Some(Fault::OnlyToken));
    let json = clinic.token("alice").await.json();
    assert_eq!(json["connector_expires_in"], 30 * 60);
    assert!(json.get("conversationId").is_none() && json.get("renewal").is_none());
}

/// R11.
#[tokio::test]
async fn a_lifetime_of_none_warns_and_writes_no_end() {
    let clinic = Clinic::open(&[]).await;
    let vars = vars(&clinic.stage.base(), &[("WIDGET_LIFETIME", "none")]);
    let warnings = read(&vars).unwrap().reading.warnings;
    assert!(warnings.iter().any(|w| w.variable == "WIDGET_LIFETIME" && w.problem.contains("no exp")), "{warnings:?}");
    let answer = Clinic::house(&clinic.stage, &[("WIDGET_LIFETIME", "none")]).ask(visit(TOKEN, "alice")).await;
    let claims = claims(&answer);
    assert!(claims.get("exp").is_none() && claims["iat"].is_u64());
    assert_eq!(answer.json()["expires_in"], TOKEN_LIFE.as_secs(), "the page is still told when to come back");
}

/// The service's documents and samples have given the secret several names.
#[tokio::test]
async fn every_name_that_the_secret_has_had_still_works() {
    let stage = Stage::set().await;
    for name in ["APP_SECRET", "AUTH_JWT_SECRET", "END_USER_AUTH_JWT_SECRET"] {
        let house = Clinic::house(&stage, &[("WIDGET_APP_SECRET", ""), (name, APP_SECRET)]);
        assert!(claims(&house.ask(visit(TOKEN, "alice")).await)["userId"].is_string(), "{name}");
    }
    let historic = [
        ("WIDGET_WEBCHAT_SECRET", ""),
        ("WEBCHAT_SECRET", SECRET),
        ("WIDGET_DIRECTLINE_ENDPOINT", ""),
        ("DIRECTLINE_ENDPOINT_URI", &stage.base()),
    ];
    let house = Clinic::house(&stage, &historic);
    assert_eq!(house.ask(visit(TOKEN, "alice")).await.status, 200);
}

/// R11: an attribute leaves only when it is listed, and none comes from the page.
#[tokio::test]
async fn only_listed_attributes_leave() {
    let attributes = ("FORWARDED_ATTRIBUTES", "plan=x-plan,ward=x-ward");
    let sent = |path: &str| visit(path, "alice").header("x-plan", "gold").header("x-ward", "oncology");
    let clinic = Clinic::open(&[attributes]).await;
    assert!(claims(&clinic.ask(sent(TOKEN)).await).get("optionalAttributes").is_none());
    let listing = Clinic::house(&clinic.stage, &[attributes, ("WIDGET_OPTIONAL_ATTRIBUTES", "plan,clinic_id")]);
    let forged = "/token?plan=platinum&optionalAttributes=x&clinic_id=7";
    let claims = claims(&listing.ask(sent(forged)).await);
    assert_eq!(claims["optionalAttributes"], json!({ "plan": "gold" }));
    assert!(!format!("{claims:?}").contains("oncology"));
}

/// R10: the page's host stands in the token too, for pages that build the address themselves.
#[tokio::test]
async fn the_token_names_the_host_where_the_conversation_is() {
    let clinic = Clinic::open(&[]).await;
    assert_eq!(claims(&clinic.token("alice").await)["directLineURI"], clinic.stage.address.to_string());
}

// --- renewal -------------------------------------------------------------------------------------------------------------

fn held(answer: &Answer) -> Value {
    let json = answer.json();
    json!({ "connectorToken": json["connectorToken"], "renewal": json["renewal"] })
}

/// R8.
#[tokio::test]
async fn a_visitor_renews_the_own_conversation_for_as_long_as_it_lasts() {
    let clinic = Clinic::open(&[]).await;
    let first = clinic.token("alice").await;
    let mut holds = held(&first);
    for path in [REFRESH, "/refresh/healthcare-agent", "/chat-identity/refresh"] {
        clinic.stage.hands.advance(Duration::from_mins(45));
        let answer = clinic.renew(visit(path, "alice"), &holds).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let json = answer.json();
        assert_eq!(json["conversationId"], first.json()["conversationId"]);
        assert_ne!(json["connectorToken"], holds["connectorToken"]);
        assert_eq!(json["expires_in"], TOKEN_LIFE.as_secs());
        assert!(json.get("token").is_none(), "the proof was spent in opening the conversation");
        holds = held(&answer);
    }
    assert_eq!(clinic.conversations(), 1);
}

/// R8.
#[tokio::test]
async fn a_renewal_is_refused_to_others_after_the_end_and_after_logout() {
    let clinic = Clinic::open(&[]).await;
    let holds = held(&clinic.token("alice").await);
    let cases = [
        (clinic.renew(visit(REFRESH, "bob"), &holds).await, 403, "conversation_foreign"),
        (clinic.renew(page(REFRESH), &holds).await, 401, "login_required"),
    ];
    for (answer, status, code) in cases {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
        assert_no_token(&answer, code);
    }
    assert_eq!(clinic.stage.double.counts().refresh, 0, "the vendor is asked only for the owner");
    assert_eq!(clinic.renew(visit(REFRESH, "alice"), &holds).await.status, 200);
    clinic.stage.hands.advance(TOKEN_LIFE);
    let ended = clinic.renew(visit(REFRESH, "alice"), &holds).await;
    assert_eq!((ended.status.as_u16(), ended.code().as_str()), (410, "conversation_expired"));
}

/// R8: one route, one method, one form.
#[tokio::test]
async fn a_renewal_is_asked_for_in_one_way_only() {
    let clinic = Clinic::open(&[]).await;
    let holds = held(&clinic.token("alice").await);
    let sent = |builder: Builder, text: String| clinic.house.send(builder.body(Body::from(text)).unwrap());
    let post = || visit(REFRESH, "alice").method(Method::POST);
    let got = clinic.ask(visit(REFRESH, "alice")).await;
    assert_eq!((got.status.as_u16(), got.header("allow")), (405, "POST, OPTIONS"));
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(sent(post().header(CONTENT_TYPE, media), holds.to_string()).await.status, 415, "{media}");
    }
    for text in ["", "null", "[]", "{}", "{", r#"{"connectorToken":"x"}"#, r#"{"connectorToken":1,"renewal":2}"#] {
        let answer = sent(post().header(CONTENT_TYPE, JSON), text.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "bad_request"), "{text}");
    }
    let long = json!({ "connectorToken": "x".repeat(20_000), "renewal": "y" }).to_string();
    assert_eq!(sent(post().header(CONTENT_TYPE, JSON), long).await.status, 413);
    assert_eq!(clinic.stage.double.counts().refresh, 0);
}

/// R5, R8.
#[tokio::test]
async fn faults_at_renewal_have_the_same_statuses() {
    for (fault, status, code) in [
        (Fault::RegionNotAllowed, 502, "upstream_rejected"),
        (Fault::ThrottledFor(3), 503, "upstream_unavailable"),
        (Fault::HtmlBadGateway, 502, "upstream_unavailable"),
        (Fault::NoToken, 502, "upstream_unavailable"),
        (Fault::Hang, 504, "upstream_unavailable"),
        (Fault::OtherConversation, 403, "conversation_foreign"),
        (Fault::Status(403), 410, "conversation_expired"),
    ] {
        let clinic = Clinic::open(&[("WIDGET_CONNECTOR_DEADLINE", "400ms")]).await;
        let holds = held(&clinic.token("alice").await);
        clinic.stage.double.set_fault(Some(fault));
        let answer = clinic.renew(visit(REFRESH, "alice"), &holds).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{fault:?}");
        assert_no_token(&answer, &format!("{fault:?}"));
    }
}

/// R16: in no log and no audit record, at the most talkative level.
#[tokio::test]
async fn nothing_that_could_be_used_again_is_written_down() {
    let (log, _guard) = Log::capture();
    let clinic = Clinic::open(&[]).await;
    let answer = clinic.token("canary-alice").await;
    let renewed = clinic.renew(visit(REFRESH, "canary-alice"), &held(&answer)).await;
    clinic.stage.double.set_fault(Some(Fault::BadSecret));
    clinic.token("canary-alice").await;
    let written = format!("{}{}", log.text(), clinic.house.records.text(&clinic.house.app));
    assert!(written.contains("upstream_rejected") && written.contains("renewed"), "{written}");
    let (first, second) = (answer.json(), renewed.json());
    let held = [&first["token"], &first["connectorToken"], &first["renewal"], &second["connectorToken"]];
    let tails = held.map(|text| text.as_str().unwrap().rsplit('.').next().unwrap().to_owned());
    for tail in &tails {
        assert!(!written.contains(tail.as_str()));
    }
    for canary in ["canary-alice", "Jane Doe", APP_SECRET, SECRET] {
        assert!(!written.contains(canary), "{canary} is written down");
    }
}

/// R6: what the vendor does to one widget is not felt by another.
#[tokio::test]
async fn another_widget_is_served_while_the_vendor_hangs() {
    let stage = Stage::set().await;
    let both = [
        ("WIDGETS", "support,clinic"),
        ("WIDGET_PRESET", ""),
        ("WIDGET_APP_SECRET", ""),
        ("WIDGET_WEBCHAT_SECRET", ""),
        ("WIDGET_DIRECTLINE_ENDPOINT", ""),
        ("WIDGET_SUPPORT_PRESET", "medchat"),
        ("WIDGET_SUPPORT_SECRET", crate::kit::SECRET),
        ("WIDGET_CLINIC_PRESET", "healthcare-agent"),
        ("WIDGET_CLINIC_APP_SECRET", APP_SECRET),
        ("WIDGET_CLINIC_WEBCHAT_SECRET", SECRET),
        ("WIDGET_CLINIC_DIRECTLINE_ENDPOINT", &stage.base()),
        ("WIDGET_CLINIC_CONNECTOR_DEADLINE", "20s"),
        ("WIDGET_CLINIC_CONNECTOR_CONCURRENCY", "4"),
        ("TOKEN_ALIASES", "/chatBot=clinic"),
    ];
    let house = Clinic::house(&stage, &both);
    stage.double.set_fault(Some(Fault::Hang));
    let hanging = futures_util::future::join_all((0..50).map(|_| house.ask(visit("/token/clinic", "alice"))));
    let served = async {
        while stage.double.counts().most_at_once < 4 {
            tokio::task::yield_now().await;
        }
        for _ in 0..50 {
            assert_eq!(house.ask(visit("/token/support", "alice")).await.status, 200);
        }
    };
    tokio::select! {
        () = served => {}
        _ = hanging => panic!("the others had to wait until the vendor's visitors were given up"),
    }
}
