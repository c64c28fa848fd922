//! An access token counts when its issuer vouches for it, for us, now; and nobody else is told about it.

use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock};
use countersign::config::env::{Env, Mistakes};
use countersign::net::outbound::Outbound;
use countersign::session::{Authenticator, Outage, Session};
use countersign::sources::bearer::settings::Settings;
use countersign::sources::bearer::{self, Bearer};
use data_encoding::BASE64;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{House, PROOF, START, made, visit};
use crate::logs::Log;
use crate::publisher::{Page, Publisher};
use crate::tokens::{TestKey, header_of, key_set};

const NOW: u64 = START.0;
const CLIENT_SECRET: &str = "kX4vQm8Zt2Lr6Wp0:Jd3Hn7Bs5Yc1Gf9A+/=";

/// An authorization server, and a source that believes it.
struct Desk {
    server: Publisher,
    key: TestKey,
    source: Bearer,
    hands: ManualClock,
}

const SIGNED: &[(&str, &str)] = &[("BEARER_ISSUER", "{base}/realm"), ("BEARER_AUDIENCE", "https://chat.example.org")];
const OPAQUE: &[(&str, &str)] = &[
    ("BEARER_INTROSPECTION_URL", "{base}/introspect"),
    ("BEARER_INTROSPECTION_CLIENT_ID", "chat:client"),
    ("BEARER_INTROSPECTION_CLIENT_SECRET", CLIENT_SECRET),
    ("BEARER_AUDIENCE", "https://chat.example.org"),
];

impl Desk {
    async fn of(vars: &[&[(&str, &str)]]) -> Self {
        let server = Publisher::start().await;
        let key = TestKey::new("ES256", "a");
        let issuer = server.url("/realm");
        let document = json!({ "issuer": issuer, "jwks_uri": server.url("/keys") });
        server.put("/realm/.well-known/openid-configuration", Page::ok(document.to_string()));
        server.put("/keys", Page::ok(key_set(&[&key])));
        let vars: Vec<(String, String)> = vars
            .concat()
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.replace("{base}", &server.url(""))))
            .collect();
        let (clock, hands) = Clock::manual(START);
        let source = read(&vars, &clock).unwrap();
        Self { server, key, source, hands }
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.server.url("/realm"), "aud": "https://chat.example.org", "sub": "jane", "exp": NOW + 300,
            "iat": NOW, "client_id": "web-app", "scope": "openid chat", "name": "Jane Doe", "auth_time": NOW - 60 })
    }

    fn token(&self, change: impl Fn(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = (header_of(&self.key), self.claims());
        header["typ"] = json!("at+jwt");
        change(&mut header, &mut claims);
        self.key.token(&header, &claims)
    }

    /// What the introspection endpoint says from now on.
    fn answers(&self, answer: &Value) {
        self.server.put("/introspect", Page::ok(answer.to_string()));
    }

    fn vouches(&self, change: impl Fn(&mut Value)) {
        let mut answer = self.claims();
        answer["active"] = json!(true);
        change(&mut answer);
        self.answers(&answer);
    }

    async fn ask(&self, token: &str) -> Result<Option<Session>, Outage> {
        self.source.authenticate(&request(&format!("Bearer {token}"))).await.map(Result::ok)
    }

    /// What the operator is told of an answer.
    async fn said(&self, token: &str) -> String {
        match self.source.authenticate(&request(&format!("Bearer {token}"))).await {
            Ok(Ok(_)) => String::new(),
            Ok(Err(nobody)) => format!("reason={} {nobody}", nobody.reason()),
            Err(outage) => outage.to_string(),
        }
    }

    async fn believes(&self, token: &str) -> bool {
        self.ask(token).await.unwrap().is_some()
    }

    async fn believes_with(&self, change: impl Fn(&mut Value, &mut Value)) -> bool {
        self.believes(&self.token(change)).await
    }
}

fn read(vars: &[(String, String)], clock: &Clock) -> Result<Bearer, Mistakes> {
    let mut env = Env::new(vars.iter().cloned());
    let settings = Settings::read(&mut env, &Outbound::default());
    let names = bearer::KIND.vars.iter().map(|var| var.name.to_owned()).collect();
    env.finish(&names, &["BEARER_"])?;
    Ok(made(clock, |with| Bearer::new(settings.unwrap(), with)))
}

fn request(authorization: &str) -> Parts {
    let mut request = Request::new(()).into_parts().0;
    request.headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    request
}

fn remove(object: &mut Value, name: &str) {
    object.as_object_mut().unwrap().remove(name);
}

/// Cognito: `client_id` and `token_use`, and no `aud`.
#[tokio::test]
async fn a_token_without_an_audience_is_judged_by_its_client_where_that_is_declared() {
    let desk = Desk::of(&[&SIGNED[..1], &[("BEARER_AUDIENCE", "none"), ("BEARER_CLIENTS", "web-app,other")]]).await;
    let token = |client: Value, token_use: &str| {
        desk.token(|_, claims| {
            remove(claims, "aud");
            claims["client_id"] = client.clone();
            claims["token_use"] = json!(token_use);
        })
    };
    assert!(desk.believes(&token(json!("web-app"), "access")).await);
    for client in [json!("stranger"), json!(null), json!(["web-app"])] {
        assert!(!desk.believes(&token(client.clone(), "access")).await, "{client}");
    }
    assert!(!desk.believes(&token(json!("web-app"), "id")).await, "an ID token is no access token");
    assert!(!desk.believes(&desk.token(|_, _| {})).await, "what is for somebody is for them");
}

#[tokio::test]
async fn a_signed_access_token_is_believed() {
    let desk = Desk::of(&[SIGNED]).await;
    let session = desk.ask(&desk.token(|_, _| {})).await.unwrap().unwrap();
    assert_eq!(session.identity.subject.as_str(), "jane");
    assert_eq!(session.identity.name.as_deref(), Some("Jane Doe"));
    assert_eq!(session.source, "bearer");
    assert_eq!(session.expires_at.unwrap().0, NOW + 300);
    assert_eq!(session.authenticated_at.unwrap().0, NOW - 60);
    for typ in ["JWT", "application/at+jwt", "AT+JWT"] {
        assert!(desk.believes_with(|header, _| header["typ"] = json!(typ)).await, "{typ}");
    }
    assert!(desk.source.authenticate(&request(&format!("bearer   {}", desk.token(|_, _| {})))).await.unwrap().is_ok());
}

/// H-10.
#[tokio::test]
async fn a_page_with_an_access_token_gets_its_proof_and_with_a_bad_one_none() {
    let desk = Desk::of(&[SIGNED]).await;
    let issuer = desk.server.url("/realm");
    let vars = [
        ("SESSION_SOURCES", "forwarded,bearer"),
        ("BEARER_ISSUER", issuer.as_str()),
        ("BEARER_AUDIENCE", "https://chat.example.org"),
    ];
    let house = House::behind_proxy(&vars);
    let token = desk.token(|_, claims| {
        claims["sub"] = json!("tokenjane");
        claims["email"] = json!("jane@example.org");
    });
    let with = |field: String| visit("/token", "plainjane").header("authorization", field);
    assert_eq!(house.ask(with(format!("Bearer {token}"))).await.claims()["external_id"], "tokenjane");
    assert_eq!(house.ask(with("Basic abc".to_owned())).await.claims()["external_id"], "plainjane");
    for bad in [
        "Bearer",
        "Bearer x",
        &format!("Bearer {token}x"),
        &format!("bearer {}", desk.token(|_, c| c["exp"] = json!(1))),
    ] {
        let answer = house.ask(with(bad.to_owned())).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, "login_required".to_owned()), "{bad}");
    }
    desk.server.fail();
    house.hands.advance(Duration::from_mins(1));
    let stranger = TestKey::new("ES256", "new");
    let unknown = format!("Bearer {}", stranger.token(&header_of(&stranger), &desk.claims()));
    let answer = house.ask(with(unknown)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "an outage is not a logout");
}

/// B-5: nothing ambient vouches for a native client or a server, so there is no page to ask about.
#[tokio::test]
async fn a_client_that_is_no_browser_is_served_for_its_access_token_and_for_nothing_else() {
    let desk = Desk::of(&[SIGNED]).await;
    let issuer = desk.server.url("/realm");
    let vars = [
        ("SESSION_SOURCES", "bearer,forwarded"),
        ("BEARER_ISSUER", issuer.as_str()),
        ("BEARER_AUDIENCE", "https://chat.example.org"),
    ];
    let house = House::behind_proxy(&vars);
    let token = format!("Bearer {}", desk.token(|_, claims| claims["email"] = json!("jane@example.org")));
    let identity = |request: http::request::Builder| {
        let request = request.header("x-countersign-proof", PROOF).header("x-forwarded-user", "plainjane");
        request.header("x-forwarded-email", "p@example.org")
    };
    for (method, path) in [(Method::GET, "/token"), (Method::POST, "/token/medchat"), (Method::GET, "/session")] {
        let bare = || Request::builder().method(method.clone()).uri(path);
        let native = || bare().header("authorization", &token);
        assert_eq!(house.ask(native()).await.status, StatusCode::OK, "{path}");
        let refused = [
            bare(),
            identity(bare()),
            identity(bare()).header("authorization", "Basic YTpi"),
            identity(bare()).header("authorization", "Bearer"),
            native().header("cookie", "a=b"),
            native().header("origin", "https://evil.example"),
            native().header("origin", "null"),
            native().header("referer", "https://evil.example/"),
            native().header("sec-fetch-site", "cross-site"),
            native().header("sec-fetch-site", "none"),
            native().header("sec-fetch-mode", "cors"),
            native().header("sec-fetch-dest", "empty"),
            native().header("sec-fetch-user", "?1"),
        ];
        for request in refused {
            let said = format!("{:?}", request.headers_ref().map(|headers| headers.keys().collect::<Vec<_>>()));
            assert_eq!(house.ask(request).await.code(), "origin_refused", "{method} {path} {said}");
        }
    }
    let bad = Request::get("/token").header("authorization", "Bearer a.b.c");
    assert_eq!(house.ask(bad).await.code(), "login_required");
    let agreeing = House::behind_proxy(&[&vars[..], &[("SESSION_CROSS_CHECK", "true")]].concat());
    let native = identity(Request::get("/token")).header("authorization", &token);
    assert_ne!(agreeing.ask(native).await.status, StatusCode::OK);
    let without = House::behind_proxy(&[]);
    let native = identity(Request::get("/token")).header("authorization", &token);
    assert_eq!(without.ask(native).await.code(), "origin_refused", "access tokens are no source");
}

#[tokio::test]
async fn without_a_bearer_token_there_is_nobody_and_nobody_is_asked() {
    let desk = Desk::of(&[SIGNED, OPAQUE]).await;
    let empty = Request::new(()).into_parts().0;
    for other in [empty, request("Basic dXNlcjpwYXNzd29yZA=="), request("Negotiate abc"), request("Bearerabc")] {
        assert!(desk.source.authenticate(&other).await.unwrap().is_err());
        assert!(!desk.source.decides(&other), "another scheme is another source's");
    }
    for bad in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\"", "Bearer é"] {
        let Ok(value) = HeaderValue::from_bytes(bad.as_bytes()) else { continue };
        let mut request = request("x");
        request.headers.insert(AUTHORIZATION, value);
        assert!(desk.source.authenticate(&request).await.unwrap().is_err(), "{bad}");
        assert!(desk.source.decides(&request), "{bad}");
    }
    let mut twice = request("Bearer abc");
    twice.headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
    assert!(desk.source.authenticate(&twice).await.unwrap().is_err());
    let long = "a".repeat(16 * 1024 + 1);
    assert_eq!(desk.ask(&long).await, Ok(None));
    assert_eq!(desk.server.count(), 0);
    assert_eq!(desk.source.guarded().headers, [AUTHORIZATION]);
}

/// A-1, A-2.
#[tokio::test]
async fn every_required_claim_of_an_access_token_is_required() {
    let desk = Desk::of(&[SIGNED]).await;
    for name in ["iss", "aud", "exp", "sub"] {
        assert!(!desk.believes_with(|_, claims| remove(claims, name)).await, "{name}");
        assert!(!desk.believes_with(|_, claims| claims[name] = Value::Null).await, "{name}");
        assert!(!desk.believes_with(|_, claims| claims[name] = json!("")).await, "{name}");
    }
    assert!(!desk.believes_with(|header, _| remove(header, "alg")).await);
    for (aud, believed) in [
        (json!(["account", "https://chat.example.org"]), true),
        (json!("account"), false),
        (json!(["https://chat.example.org", 7]), false),
        (json!("https://chat.example.org/"), false),
    ] {
        assert_eq!(desk.believes_with(|_, claims| claims["aud"] = aud.clone()).await, believed, "{aud}");
    }
}

/// A-3, A-9.
#[tokio::test]
async fn a_token_that_somebody_else_signed_is_not_believed() {
    let desk = Desk::of(&[SIGNED]).await;
    let stranger = TestKey::other("ES256", "a");
    assert!(!desk.believes(&stranger.token(&header_of(&stranger), &desk.claims())).await);
    let unsigned = desk.token(|header, _| header["alg"] = json!("none"));
    assert!(!desk.believes(&unsigned).await);
    assert!(!desk.believes(&format!("{}.", unsigned.rsplit_once('.').unwrap().0)).await);
    let shared = TestKey::shared(desk.key.pem().as_bytes());
    assert!(!desk.believes(&shared.token(&json!({ "alg": "HS256", "kid": "a" }), &desk.claims())).await);
    let house = House::behind_proxy(&[]);
    let own = house.ask(visit("/token", "jane")).await.token();
    assert!(!desk.believes(&own).await, "nor one of our own");
}

#[tokio::test]
async fn an_access_token_is_not_another_kind_of_token() {
    let desk = Desk::of(&[SIGNED]).await;
    for (name, value) in [
        ("token_use", json!("id")),
        ("token_use", json!("refresh_token")),
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
        ("typ", json!("ID")),
        ("token_type", json!("DPoP")),
        ("token_type", json!("N_A")),
    ] {
        assert!(!desk.believes_with(|_, claims| claims[name] = value.clone()).await, "{name} {value}");
    }
    for (name, value) in [("token_use", "access"), ("typ", "Bearer"), ("token_type", "bearer")] {
        assert!(desk.believes_with(|_, claims| claims[name] = json!(value)).await, "{name} {value}");
    }
    for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt"] {
        assert!(!desk.believes_with(|header, _| header["typ"] = json!(typ)).await, "{typ}");
    }
}

/// RFC 9449 section 7.1, RFC 8705 section 3.
#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    let desk = Desk::of(&[SIGNED]).await;
    for bound in
        [json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }), json!({ "x5t#S256": "x" }), json!({})]
    {
        assert!(!desk.believes_with(|_, claims| claims["cnf"] = bound.clone()).await, "{bound}");
    }
}

#[tokio::test]
async fn clients_scopes_and_requirements_count_where_they_are_configured() {
    let rules: &[(&str, &str)] =
        &[("BEARER_CLIENTS", "web-app,portal"), ("BEARER_SCOPE", "chat"), ("BEARER_REQUIRE", "/acr=2|3")];
    let desk = Desk::of(&[SIGNED, rules]).await;
    let believes = async |change: fn(&mut Value)| {
        desk.believes_with(|_, claims| {
            claims["acr"] = json!("2");
            change(claims);
        })
        .await
    };
    assert!(believes(|_| {}).await);
    assert!(believes(|claims| claims["client_id"] = json!("portal")).await);
    assert!(!believes(|claims| claims["client_id"] = json!("other")).await);
    assert!(!believes(|claims| claims["azp"] = json!("other")).await);
    assert!(!believes(|claims| remove(claims, "client_id")).await);
    assert!(!believes(|claims| claims["acr"] = json!("1")).await);
    assert!(!believes(|claims| claims["scope"] = json!("openid chats")).await);
    assert!(!believes(|claims| remove(claims, "scope")).await);
    let as_entra: fn(&mut Value) = |claims| {
        remove(claims, "scope");
        claims["scp"] = json!("mail chat");
    };
    let as_okta: fn(&mut Value) = |claims| {
        remove(claims, "scope");
        claims["scp"] = json!(["mail", "chat"]);
    };
    assert!(believes(as_entra).await && believes(as_okta).await);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_an_outage() {
    let desk = Desk::of(&[SIGNED]).await;
    desk.server.fail();
    let outage = desk.ask(&desk.token(|_, _| {})).await.unwrap_err();
    assert_eq!((outage.source_name, outage.reason), ("bearer", "error_status"));
    assert_eq!(desk.source.warm().await.unwrap_err().reason, "error_status");
}

#[tokio::test]
async fn an_opaque_token_is_nobody_where_there_is_nobody_to_ask() {
    let desk = Desk::of(&[SIGNED]).await;
    assert_eq!(desk.ask("2YotnFZFEjr1zCsicMWpAA").await, Ok(None));
    assert_eq!(desk.server.count(), 0);
}

#[tokio::test]
async fn an_opaque_token_is_worth_what_its_server_says() {
    let desk = Desk::of(&[OPAQUE]).await;
    desk.vouches(|_| {});
    let session = desk.ask("2YotnFZFEjr1zCsicMWpAA").await.unwrap().unwrap();
    assert_eq!(session.identity.subject.as_str(), "jane");
    assert_eq!(session.expires_at.unwrap().0, NOW + 300);
    let asked = &desk.server.asked()[0];
    assert!(asked.line.starts_with("POST /introspect "));
    assert_eq!(asked.body, "token=2YotnFZFEjr1zCsicMWpAA&token_type_hint=access_token");
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    let credentials = asked.headers["authorization"].strip_prefix("Basic ").unwrap();
    let credentials = String::from_utf8(BASE64.decode(credentials.as_ref()).unwrap()).unwrap();
    assert_eq!(credentials, "chat%3Aclient:kX4vQm8Zt2Lr6Wp0%3AJd3Hn7Bs5Yc1Gf9A%2B%2F%3D", "RFC 6749 section 2.3.1");
    desk.answers(&json!({ "active": false }));
    assert_eq!(desk.ask("2YotnFZFEjr1zCsicMWpAA").await, Ok(None));
    desk.answers(&json!({ "active": false, "sub": "jane", "aud": "https://chat.example.org" }));
    assert_eq!(desk.ask("2YotnFZFEjr1zCsicMWpAA").await, Ok(None));
}

#[tokio::test]
async fn an_active_token_must_still_be_for_us_and_for_somebody() {
    let issuer: &[(&str, &str)] = &[("BEARER_ISSUER", "{base}/realm")];
    let desk = Desk::of(&[OPAQUE, issuer]).await;
    let believes = async |change: &dyn Fn(&mut Value)| {
        desk.vouches(change);
        desk.believes("2YotnFZFEjr1zCsicMWpAA").await
    };
    assert!(believes(&|_| {}).await);
    for name in ["iss", "exp", "iat", "scope"] {
        assert!(believes(&|answer| remove(answer, name)).await, "{name} may be left out");
    }
    for name in ["aud", "sub"] {
        assert!(!believes(&|answer| remove(answer, name)).await, "{name} may not");
    }
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(7)),
        ("aud", json!("them")),
        ("aud", json!(["https://chat.example.org", 7])),
        ("exp", json!(NOW - 30)),
        ("exp", json!("tomorrow")),
        ("nbf", json!(NOW + 31)),
        ("iat", json!(NOW + 31)),
        ("sub", json!("")),
        ("sub", json!(["jane"])),
        ("token_type", json!("refresh_token")),
        ("token_use", json!("refresh_token")),
        ("cnf", json!({ "jkt": "x" })),
    ] {
        assert!(!believes(&|answer| answer[name] = value.clone()).await, "{name} {value}");
    }
    let session = {
        desk.vouches(|answer| remove(answer, "exp"));
        desk.ask("2YotnFZFEjr1zCsicMWpAA").await.unwrap().unwrap()
    };
    assert_eq!(session.expires_at, None, "a token without an end is asked about every time");
}

/// C-3.
#[tokio::test]
async fn an_introspection_endpoint_in_trouble_is_an_outage() {
    let desk = Desk::of(&[OPAQUE]).await;
    for (page, reason) in [
        (Page::status(401), "credentials_refused"),
        (Page::status(403), "credentials_refused"),
        (Page::status(400), "error_status"),
        (Page::status(404), "error_status"),
        (Page::status(302).with("location", "/login"), "error_status"),
        (Page::status(204), "error_status"),
        (Page::ok(""), "senseless_answer"),
        (Page::ok("<html>"), "senseless_answer"),
        (Page::ok("[]"), "senseless_answer"),
        (Page::ok("{}"), "senseless_answer"),
        (Page::ok(r#"{"active":"true"}"#), "senseless_answer"),
        (Page::ok(r#"{"active":1}"#), "senseless_answer"),
        (Page::ok(r#"{"active":null}"#), "senseless_answer"),
        (Page::ok(r#"{"active":false,"active":true}"#), "senseless_answer"),
        (Page::ok(vec![b' '; 100_000]), "too_large"),
    ] {
        desk.server.put("/introspect", page);
        let outage = desk.ask("2YotnFZFEjr1zCsicMWpAA").await.unwrap_err();
        assert_eq!((outage.source_name, outage.reason), ("bearer", reason));
    }
    desk.server.put("/introspect", Page::status(429).with("retry-after", "7"));
    assert_eq!(desk.ask("x").await.unwrap_err().retry_after, Some(Duration::from_secs(7)));
    assert!(desk.server.asked().iter().all(|asked| asked.line.starts_with("POST /introspect ")));
}

#[tokio::test]
async fn nothing_but_a_token_is_sent_to_the_introspection_endpoint() {
    let desk = Desk::of(&[OPAQUE]).await;
    desk.vouches(|_| {});
    for bad in ["a b", "a&token=b", "a%20b", "a\"b", "a;b", "a\\b", "<a>", "a{b}", "a?b", "a#b", "a@b", "a:b"] {
        assert_eq!(desk.ask(bad).await, Ok(None), "{bad}");
    }
    assert_eq!(desk.server.count(), 0);
    assert!(desk.believes("aA0-._~+/==").await);
    assert_eq!(desk.server.asked()[0].body, "token=aA0-._%7E%2B%2F%3D%3D&token_type_hint=access_token");
}

#[tokio::test]
async fn signed_tokens_are_checked_here_and_only_the_others_are_asked_about() {
    let desk = Desk::of(&[SIGNED, OPAQUE]).await;
    desk.answers(&json!({ "active": true }));
    assert!(desk.believes(&desk.token(|_, _| {})).await);
    assert!(!desk.believes(&desk.token(|_, claims| claims["aud"] = json!("them"))).await);
    assert!(desk.server.asked().iter().all(|asked| asked.line.starts_with("GET ")), "and a bad one is not asked about");
    let token = desk.token(|_, _| {});
    let unsigned = &token[..=token.rfind('.').unwrap()];
    desk.vouches(|_| {});
    assert!(!desk.believes(unsigned).await, "nor what is left of one");
    assert!(desk.server.asked().iter().all(|asked| asked.line.starts_with("GET ")));
    for opaque in ["2YotnFZFEjr1zCsicMWpAA", "two.parts", "a..b", "+.+.+"] {
        assert!(desk.believes(opaque).await, "{opaque}");
    }
    let alone = Desk::of(&[OPAQUE]).await;
    alone.vouches(|_| {});
    assert!(alone.believes(&alone.token(|_, _| {})).await, "where no issuer is configured, all are asked about");
    assert!(alone.server.asked()[0].line.starts_with("POST /introspect "));
}

#[tokio::test]
async fn answers_are_not_remembered_unless_asked_for() {
    let desk = Desk::of(&[OPAQUE]).await;
    desk.vouches(|_| {});
    for times in 1..4 {
        assert!(desk.believes("2YotnFZFEjr1zCsicMWpAA").await);
        assert_eq!(desk.server.count(), times);
    }
}

/// CA-1, CA-2, CA-3.
#[tokio::test]
async fn a_remembered_answer_is_short_lived_and_checked_again() {
    let cached: &[(&str, &str)] = &[("BEARER_INTROSPECTION_CACHE", "30s")];
    let desk = Desk::of(&[OPAQUE, cached]).await;
    desk.vouches(|answer| answer["exp"] = json!(NOW + 10));
    for _ in 0..5 {
        assert!(desk.believes("one").await);
    }
    assert_eq!(desk.server.count(), 1);
    assert!(desk.believes("two").await);
    assert_eq!(desk.server.count(), 2, "another token is another question");
    desk.hands.advance(Duration::from_secs(29));
    assert!(desk.believes("one").await, "within the skew of its end");
    assert_eq!(desk.server.count(), 2);
    desk.answers(&json!({ "active": false }));
    desk.hands.advance(Duration::from_secs(1));
    assert!(!desk.believes("one").await);
    assert_eq!(desk.server.count(), 3);
    desk.vouches(|_| {});
    assert!(!desk.believes("one").await, "a bad answer is remembered too");
    desk.hands.advance(Duration::from_secs(2));
    assert!(desk.believes("one").await, "but hardly");
    let expiring = Desk::of(&[OPAQUE, cached]).await;
    expiring.vouches(|answer| answer["exp"] = json!(NOW - 20));
    assert!(expiring.believes("one").await);
    expiring.hands.advance(Duration::from_secs(10));
    assert!(!expiring.believes("one").await, "a remembered answer is checked against the time it is now");
    expiring.server.fail();
    assert!(expiring.ask("three").await.is_err());
    expiring.vouches(|_| {});
    assert!(expiring.believes("three").await, "an outage is not remembered");
}

/// A-10, LOG-1.
#[tokio::test]
async fn neither_tokens_nor_credentials_are_logged() {
    let (log, _guard) = Log::capture();
    let desk = Desk::of(&[SIGNED, OPAQUE]).await;
    desk.vouches(|answer| answer["email"] = json!("canary@example.org"));
    assert!(desk.believes("canary-opaque-token").await);
    desk.answers(&json!({ "active": false }));
    let mut said = desk.said("canary-opaque-token").await;
    desk.server.put("/introspect", Page::status(401));
    assert!(desk.ask("canary-opaque-token").await.is_err());
    let token = desk.token(|_, claims| claims["aud"] = json!("canary-audience"));
    said += &desk.said(&token).await;
    let text = log.text() + &said;
    let basic = BASE64.encode("chat%3Aclient:kX4vQm8Zt2Lr6Wp0%3AJd3Hn7Bs5Yc1Gf9A%2B%2F%3D".as_ref());
    for secret in ["canary", "jane", token.split('.').nth(1).unwrap(), CLIENT_SECRET, &basic] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("reason=inactive ") && text.contains("reason=audience "));
    assert!(!format!("{:?}", desk.source).contains("Jd3Hn7Bs5Yc1Gf9A"));
}

#[test]
fn settings_that_cannot_be_right_are_named_at_start() {
    let said = |vars: &[(&str, &str)]| {
        let vars: Vec<(String, String)> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(&vars, &Clock::manual(START).0).map_or_else(|mistakes| mistakes.to_string(), |_| String::new())
    };
    let issuer = ("BEARER_ISSUER", "https://login.example.org");
    let audience = ("BEARER_AUDIENCE", "https://chat.example.org");
    let url = ("BEARER_INTROSPECTION_URL", "https://login.example.org/introspect");
    let id = ("BEARER_INTROSPECTION_CLIENT_ID", "chat");
    let secret = ("BEARER_INTROSPECTION_CLIENT_SECRET", CLIENT_SECRET);
    for fine in [
        &[issuer, audience][..],
        &[issuer, audience, ("BEARER_JWKS_URL", "https://login.example.org/keys")],
        &[url, id, secret, audience],
        &[url, id, secret, ("BEARER_CLIENTS", "web-app")],
        &[issuer, audience, url, id, secret],
    ] {
        assert_eq!(said(fine), "", "{fine:?}");
    }
    for (vars, problem) in [
        (&[][..], "BEARER_ISSUER: or BEARER_INTROSPECTION_URL is needed"),
        (&[issuer], "BEARER_AUDIENCE: is needed"),
        (&[issuer, ("BEARER_AUDIENCE", "none")], "BEARER_CLIENTS: is needed with BEARER_AUDIENCE=none"),
        (&[issuer, ("BEARER_CLIENTS", "web-app")], "BEARER_AUDIENCE: is needed"),
        (&[("BEARER_ISSUER", "login"), audience], "BEARER_ISSUER: is not an address"),
        (&[("BEARER_ISSUER", "http://login.example.org"), audience], "BEARER_ISSUER: the address must be https"),
        (&[issuer, audience, ("BEARER_JWKS_URL", "http://login.example.org/")], "BEARER_JWKS_URL: the address must be"),
        (&[issuer, audience, ("BEARER_ALGORITHMS", "HS256")], "BEARER_ALGORITHMS: HS256 is not for access tokens"),
        (&[issuer, audience, ("BEARER_ALGORITHMS", "none")], "BEARER_ALGORITHMS: cannot be read"),
        (&[issuer, audience, ("BEARER_CLOCK_SKEW", "5m")], "BEARER_CLOCK_SKEW: must be between"),
        (&[url, audience], "BEARER_INTROSPECTION_CLIENT_SECRET: is needed"),
        (&[url, id, secret], "BEARER_AUDIENCE: or BEARER_CLIENTS is needed"),
        (&[url, id, secret, audience, ("BEARER_INTROSPECTION_CACHE", "31s")], "BEARER_INTROSPECTION_CACHE: must be"),
        (
            &[("BEARER_INTROSPECTION_URL", "http://login.example.org/i"), id, secret, audience],
            "_URL: the address must be",
        ),
        (&[("BEARER_INTROSPECTION_URL", "https://169.254.169.254/"), id, secret, audience], "never called"),
    ] {
        let found = said(vars);
        assert!(found.contains(problem), "{vars:?}: {found}");
        assert!(!found.contains(CLIENT_SECRET));
    }
}
