//! What a chat widget's authentication is up against, row by row: what an attacker has, and what it is worth at the widget's server.

use std::time::Duration;

use countersign::jose::algorithm::Algorithm;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::StatusCode;
use serde_json::{Value, json};

use crate::introspection::{house, introspect, token, vars};
use crate::kit::{House, PROOF, SECRET, START, jose, mistakes, payload, read, settings};
use crate::verifier::signed;

/// The answer to every token that does not count.
fn inactive() -> Value {
    json!({ "active": false })
}

fn part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_ref())
}

/// A widget whose key is published, and one of its tokens.
async fn with_public_key() -> (House, String) {
    let pem = countersign::jose::signer::generate_pem(Algorithm::ES256).unwrap();
    let changes = [
        ("WIDGET_SECRET", ""),
        ("WIDGET_SECRET_ENCODING", ""),
        ("WIDGET_ALGORITHM", "ES256"),
        ("WIDGET_PRIVATE_KEY", &*pem),
    ];
    let house = house(&changes);
    let token = token(&house, "alice").await;
    (house, token)
}

/// What is known to have been accepted somewhere: of a good token's three parts, its claims, and its key as it is published.
fn forgeries(good: &str, claims: &Value, published: &Value) -> Vec<(&'static str, String)> {
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let mut others = claims.clone();
    others["sub"] = "mallory".into();
    let others = part(&others);
    let header = |more: Value| {
        let mut header = Value::Object(jose(good));
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        part(&header)
    };
    let under = |header: &str| format!("{header}.{others}.{signature}");
    let public = published.to_string();
    let confused = |secret: &[u8]| signed(secret, r#"{"alg":"HS256"}"#, &claims.to_string());
    let cycled = |at: usize| format!("{}{}", &signature[at..], &signature[..at]);
    vec![
        ("other claims under the same signature", under(head)),
        ("no algorithm", format!("{}.{others}.", part(&json!({ "alg": "none" })))),
        ("no algorithm, in capitals, with a signature", under(&part(&json!({ "alg": "nOnE" })))),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("five parts, as encrypted ones have", format!("{good}.{body}.{signature}")),
        ("a signature of zeros", format!("{head}.{others}.{}", BASE64URL_NOPAD.encode(&[0; 64]))),
        ("a shorter signature", good[..good.len() - 4].to_owned()),
        ("a signature whose halves have changed places", format!("{head}.{body}.{}", cycled(signature.len() / 2))),
        ("the public key as a shared secret", confused(public.as_bytes())),
        ("the public key's coordinate as a shared secret", confused(published["x"].as_str().unwrap_or("x").as_bytes())),
        ("an empty shared secret", confused(b"")),
        ("the attacker's key in the header", under(&header(json!({ "jwk": published })))),
        ("the address of the attacker's keys", under(&header(json!({ "jku": "https://attacker.example/keys" })))),
        ("the attacker's certificate", under(&header(json!({ "x5u": "https://attacker.example/c", "x5c": ["AA"] })))),
        ("a path as the key's id", under(&header(json!({ "kid": "../../../../dev/null" })))),
        ("a query as the key's id", under(&header(json!({ "kid": "' UNION SELECT 'k" })))),
        ("a key's id that is no text", under(&header(json!({ "kid": ["a"] })))),
        ("a critical extension", under(&header(json!({ "crit": ["exp"] })))),
        ("a payload that is not encoded", under(&header(json!({ "b64": false, "crit": ["b64"] })))),
        ("a compressed payload", under(&header(json!({ "zip": "DEF" })))),
        ("white space around", format!("{head} .{body}.{signature}")),
        ("padding", format!("{head}.{body}.{signature}==")),
        ("the other alphabet", format!("{head}.{body}.{}", BASE64.encode(&[0xfb; 64]))),
        ("JSON serialization", json!({ "protected": head, "payload": body, "signature": signature }).to_string()),
        ("nothing", ".".to_owned()),
    ]
}

/// The row "a forged token".
#[tokio::test]
async fn threat_a_forged_token_grants_nothing() {
    let shared = house(&[]);
    let of_shared = token(&shared, "alice").await;
    let (public, of_public) = with_public_key().await;
    let keys = public.ask(http::Request::get("/.well-known/jwks.json")).await.json();
    for (house, good, key) in [(&shared, &of_shared, &Value::Null), (&public, &of_public, &keys["keys"][0])] {
        assert_eq!(introspect(house, good).await["active"], true);
        for (attack, forged) in forgeries(good, &Value::Object(payload(good)), key) {
            assert_eq!(introspect(house, &forged).await, inactive(), "{attack}");
        }
    }
    for (one, other) in [(&shared, &of_public), (&public, &of_shared)] {
        assert_eq!(introspect(one, other).await, inactive(), "a token of another issuer's key");
    }
}

/// The row "a forged token", by somebody who holds the secret and whose claims can be read two ways.
#[tokio::test]
async fn threat_claims_that_can_be_read_two_ways_grant_nothing() {
    let house = house(&[]);
    let secret = BASE64URL_NOPAD.decode(SECRET.as_ref()).unwrap();
    let good = Value::Object(payload(&token(&house, "alice").await));
    let text = good.to_string();
    let mut cases = vec![
        ("a subject twice", text.replacen('{', r#"{"sub":"mallory","#, 1)),
        ("an escaped name twice", text.replacen('{', r#"{"\u0073ub":"mallory","#, 1)),
        ("something after it", format!("{text} {{}}")),
        ("a byte order mark", format!("\u{feff}{text}")),
        ("an array", format!("[{text}]")),
    ];
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", json!(null)),
        ("exp", json!([4_000_000_000_u64])),
        ("exp", json!(4_000_000_000_000_u64)),
        ("iat", json!("now")),
        ("aud", json!(["chat", 1])),
        ("aud", json!({ "chat": true })),
        ("aud", json!("CHAT")),
        ("iss", json!(["clinic"])),
        ("iss", json!("clinic ")),
        ("jti", json!(7)),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        cases.push((name, claims.to_string()));
    }
    for (attack, claims) in cases {
        let token = signed(&secret, r#"{"alg":"HS256"}"#, &claims);
        assert_eq!(introspect(&house, &token).await, inactive(), "{attack}: {claims}");
    }
}

/// The row "a stolen token", after its end.
#[tokio::test]
async fn threat_a_stolen_token_is_worth_nothing_after_its_expiry() {
    let house = house(&[]);
    let stolen = token(&house, "alice").await;
    let life = payload(&stolen)["exp"].as_u64().unwrap() - START.0;
    house.hands.advance(Duration::from_secs(life - 1));
    assert_eq!(introspect(&house, &stolen).await["active"], true);
    house.hands.advance(Duration::from_secs(32));
    assert_eq!(introspect(&house, &stolen).await, inactive());
}

/// The row "a stolen token", after the visitor has used it.
#[tokio::test]
async fn threat_a_stolen_token_is_worth_nothing_after_its_first_use() {
    let house = house(&[("INTROSPECTION_ONE_TIME", "true")]);
    let stolen = token(&house, "alice").await;
    assert_eq!(introspect(&house, &stolen).await["active"], true, "the visitor's own use");
    for _ in 0..3 {
        assert_eq!(introspect(&house, &stolen).await, inactive());
    }
}

/// A page of this origin asks for the token of a visitor who is logged in here; `site` is what a browser says of it.
fn page_of(origin: &str, site: Option<&str>) -> http::request::Builder {
    let request =
        http::Request::post("/token").header("x-countersign-proof", PROOF).header("x-forwarded-user", "alice");
    let request = request.header("origin", origin);
    if let Some(site) = site { request.header("sec-fetch-site", site) } else { request }
}

/// The row "a token intercepted over plain HTTP": no page over plain http is given one, an address over plain http is warned of,
/// a login over it does not start, and what was intercepted all the same is good for one use.
#[tokio::test]
async fn threat_a_token_is_not_handed_out_over_plain_http_and_an_intercepted_one_counts_once() {
    let house = house(&[("INTROSPECTION_ONE_TIME", "true")]);
    for site in [None, Some("cross-site")] {
        let request = page_of("http://www.example.org", site);
        let answer = house.ask(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "origin_refused"), "{site:?}");
    }
    let plain = [("PUBLIC_URL", "http://www.example.org/chat-identity")];
    let warnings = read(&vars(&plain)).unwrap().reading.warnings;
    assert!(warnings.iter().any(|warning| warning.to_string().contains("PUBLIC_URL: is plain http")), "{warnings:?}");
    let login = [plain[0], ("LOGIN", "accounts"), ("ACCOUNTS", "x"), ("SESSION_SOURCES", "forwarded,login")];
    assert!(mistakes(&vars(&login)).contains("LOGIN: needs an https PUBLIC_URL"));
    let intercepted = token(&house, "alice").await;
    assert_eq!(introspect(&house, &intercepted).await["active"], true);
    assert_eq!(introspect(&house, &intercepted).await, inactive());
}

/// The row "another system embeds the widget": its pages get no token, and a token of another widget or customer counts for nothing.
#[tokio::test]
async fn threat_another_system_that_embeds_the_widget_gets_no_token() {
    let house = house(&[]);
    let cross = Some("cross-site");
    for request in [
        page_of("https://copy.example.net", cross),
        page_of("https://other.example.org", Some("same-site")),
        page_of("null", cross),
        page_of("null", cross).header("sec-fetch-dest", "iframe").header("sec-fetch-mode", "navigate"),
    ] {
        let answer = house.ask(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "origin_refused"),
            "{}",
            answer.text
        );
        assert!(!answer.headers.contains_key("access-control-allow-origin") && !answer.text.contains("eyJ"));
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
    let copy = House::of(&settings(
        &vars(&[]).iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
        &[("WIDGET_AUDIENCE", "another-chat")],
    ));
    assert_eq!(introspect(&house, &token(&copy, "alice").await).await, inactive(), "for another chat");
}
