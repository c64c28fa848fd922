//! Every preset against what its vendor's document says: header, claims or digest, and the answer that the page reads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::cli;
use countersign::issuance::vendor_revocation::VendorRevocation;
use countersign::jose::algorithm::Algorithm;
use countersign::jose::signer::generate_pem;
use countersign::session::identity::Subject;
use countersign::widget::presets::{self, Evidence, Format, Profile};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::kit::{BEHIND_PROXY, House, START, jose, mistakes, payload, settings, visit};
use crate::publisher::{Page, Publisher};

const SECRET: &str = "a-shared-secret-of-forty-characters-0123";
const API_KEY: &str = "sk_an-api-key-0123456789";
/// Presets with suites of their own.
const ELSEWHERE: [&str; 3] = ["healthcare-agent", "copilot-studio", "custom"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn golden(name: &str) -> Value {
    let text = fs::read_to_string(root().join(format!("it/data/presets/{name}.json")));
    serde_json::from_str(&text.unwrap_or_else(|_| panic!("{name} has no golden file"))).unwrap()
}

fn golden_presets() -> impl Iterator<Item = (&'static Profile, Value)> {
    let all = presets::ALL.iter().copied().filter(|profile| !ELSEWHERE.contains(&profile.name));
    all.map(|profile| (profile, golden(profile.name)))
}

/// The shortest configuration of a preset.
fn configured(profile: &Profile, golden: &Value, vendor: Option<&Publisher>) -> Vec<(String, String)> {
    let mut all = settings(&BEHIND_PROXY, &[("WIDGET_PRESET", profile.name), ("WIDGET_SECRET", "")]);
    let mut set = |name: &str, value: String| {
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value));
    };
    match (golden["key"].as_str(), vendor) {
        (Some(algorithm), _) => {
            set("WIDGET_PRIVATE_KEY", generate_pem(Algorithm::named(algorithm).unwrap()).unwrap());
        }
        (None, Some(vendor)) => {
            set("WIDGET_API_KEY", API_KEY.to_owned());
            set("WIDGET_API_URL", vendor.url(""));
        }
        (None, None) => set("WIDGET_SECRET", SECRET.to_owned()),
    }
    for (name, value) in golden["env"].as_object().unwrap() {
        set(name, value.as_str().unwrap().to_owned());
    }
    all
}

/// Whether two values are alike, `*` standing for any text.
fn alike(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), Value::String(text)) if any == "*" => !text.is_empty(),
        (Value::Object(e), Value::Object(f)) => {
            e.len() == f.len() && e.iter().all(|(n, v)| f.get(n).is_some_and(|f| alike(v, f)))
        }
        _ => expected == found,
    }
}

fn assert_alike(name: &str, expected: &Value, found: &Map<String, Value>) {
    let found = Value::Object(found.clone());
    assert!(alike(expected, &found), "{name}: expected {expected:#}, found {found:#}");
}

/// The members that are the vendor's, without those that every answer of ours has.
fn own_members(answer: &Value, field: &str) -> Map<String, Value> {
    let ours = [field, "expires_at", "expires_in", "refresh_in", "widget"];
    let members = answer.as_object().unwrap().iter().filter(|(name, _)| !ours.contains(&name.as_str()));
    members.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn path_of(golden: &Value) -> String {
    golden["query"].as_str().map_or_else(|| "/token".to_owned(), |query| format!("/token?{query}"))
}

#[tokio::test]
async fn every_token_preset_makes_what_its_vendor_documents() {
    for (profile, golden) in golden_presets().filter(|(profile, _)| profile.format == Format::Token) {
        let house = House::of(&configured(profile, &golden, None));
        let answer = house.ask(visit(&path_of(&golden), "4711")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", profile.name, answer.text);
        let token = answer.json()[profile.token_field].as_str().unwrap().to_owned();
        assert_alike(profile.name, &golden["header"], &jose(&token));
        assert_alike(profile.name, &golden["claims"], &payload(&token));
        let beside = golden.get("beside").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        assert_alike(profile.name, &beside, &own_members(&answer.json(), profile.token_field));
    }
}

#[expect(clippy::disallowed_types, reason = "an independent reckoning of the digest")]
fn hmac(key: &[u8], text: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    HEXLOWER.encode(aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref())
}

#[tokio::test]
async fn every_digest_preset_signs_what_its_vendor_documents() {
    for (profile, golden) in golden_presets().filter(|(profile, _)| matches!(profile.format, Format::Digest(_))) {
        let vars = configured(profile, &golden, None);
        let house = House::of(&vars);
        let answer = house.ask(visit(&path_of(&golden), "4711")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", profile.name, answer.text);
        let answer = answer.json();
        let hmac_of = golden["hmac"].as_object();
        let field = hmac_of.map_or_else(|| golden["field"].as_str().unwrap(), |h| h["field"].as_str().unwrap());
        assert_alike(profile.name, &golden["beside"], &own_members(&answer, field));
        if golden["exact"] == true {
            assert_eq!(
                answer.as_object().unwrap().len(),
                golden["beside"].as_object().unwrap().len() + 1,
                "{}",
                profile.name
            );
        }
        if let Some(expected) = hmac_of {
            let secret = vars.iter().find(|(name, _)| name == "WIDGET_SECRET").unwrap().1.clone();
            let key = if golden["hex_key"] == true {
                HEXLOWER_PERMISSIVE.decode(secret.as_ref()).unwrap()
            } else {
                secret.into_bytes()
            };
            let prefix = golden["prefix"].as_str().unwrap_or_default();
            let digest = format!("{prefix}{}", hmac(&key, expected["text"].as_str().unwrap()));
            assert_eq!(answer[field], digest, "{}", profile.name);
        }
    }
}

fn check_request(name: &str, expected: &Value, asked: &crate::publisher::Asked) {
    assert_eq!(asked.line, format!("{} HTTP/1.1", expected["line"].as_str().unwrap()), "{name}");
    for (header, value) in expected["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap().replace("%s", API_KEY);
        assert_eq!(asked.headers.get(header), Some(&value), "{name}: {header}");
    }
    let body = if asked.body.is_empty() { Value::Null } else { serde_json::from_str(&asked.body).unwrap() };
    assert_eq!(body, expected["body"], "{name}");
}

#[tokio::test]
async fn every_exchange_preset_asks_what_its_vendor_documents() {
    for (profile, golden) in golden_presets().filter(|(profile, _)| matches!(profile.format, Format::Exchange(_))) {
        let vendor = Publisher::start().await;
        for (call, body) in [("first", "{}".to_owned()), ("request", golden["answer"].to_string())] {
            if let Some(line) = golden[call]["line"].as_str() {
                vendor.put(line.split(' ').nth(1).unwrap(), Page::ok(body));
            }
        }
        let house = House::of(&configured(profile, &golden, Some(&vendor)));
        let answer = house.ask(visit("/token", "4711")).await;
        if golden["refused"] == true {
            assert_eq!((answer.status, vendor.count()), (StatusCode::FORBIDDEN, 0), "{}", profile.name);
            continue;
        }
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", profile.name, answer.text);
        let asked = vendor.asked();
        let calls = ["first", "request"].into_iter().filter(|call| golden.get(*call).is_some());
        calls.enumerate().for_each(|(i, call)| check_request(profile.name, &golden[call], &asked[i]));
        if golden["whole"] == true {
            assert_eq!(answer.text, golden["answer"].to_string(), "{}", profile.name);
            continue;
        }
        let field = golden["field"].as_str().unwrap_or(profile.token_field);
        let token = golden["token"].as_str().unwrap_or("vendor-token");
        assert_eq!(answer.json()[field], token, "{}", profile.name);
        assert_alike(profile.name, &golden["beside"], &own_members(&answer.json(), field));
        if let Some(revoke) = golden.get("revoke") {
            vendor.put(revoke["line"].as_str().unwrap().split(' ').nth(1).unwrap(), Page::status(200));
            let (snapshot, subject) = (house.app.state.snapshot(), Subject::new("4711").unwrap());
            let calls = VendorRevocation::of(snapshot.widgets.iter(), &subject, &["forwarded"], START);
            assert_eq!(calls[0].send().await, Ok(()));
            check_request(profile.name, revoke, vendor.asked().last().unwrap());
        }
    }
}

#[tokio::test]
async fn nothing_of_the_vendors_text_is_shown() {
    let vendor = Publisher::start().await;
    let golden = golden("hubspot");
    let path = "/visitor-identification/v3/tokens/create";
    let house = House::of(&configured(presets::named("hubspot").unwrap(), &golden, Some(&vendor)));
    for (page, status, code) in [
        (Page::ok("secret-text of the vendor").answering(401), 502, "upstream_rejected"),
        (Page::ok("secret-text of the vendor").answering(500), 502, "upstream_unavailable"),
        (Page::ok("secret-text of the vendor"), 502, "upstream_unavailable"),
        (Page::ok("secret-text of the vendor").answering(429), 503, "upstream_unavailable"),
    ] {
        vendor.put(path, page);
        let answer = house.ask(visit("/token", "4711")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
        assert!(!answer.text.contains("secret-text") && !answer.text.contains(API_KEY));
    }
}

#[tokio::test]
async fn a_page_is_heard_only_when_what_it_says_has_the_declared_shape() {
    for (name, bad) in [
        ("pusher", "socket_id=1234"),
        ("pusher", "socket_id=1.2&socket_id=3.4"),
        ("pusher", "socket_id=1.2:x"),
        ("freshchat", "uuid=.."),
    ] {
        let golden = golden(name);
        let house = House::of(&configured(presets::named(name).unwrap(), &golden, None));
        let answer = house.ask(visit(&format!("/token?{bad}"), "4711")).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "identity_incomplete"), "{bad}");
    }
}

#[tokio::test]
async fn no_page_chooses_the_channel_it_is_let_into() {
    let golden = golden("pusher-channel");
    let house = House::of(&configured(presets::named("pusher-channel").unwrap(), &golden, None));
    let of = async |query: &str| {
        house.ask(visit(&format!("/token?socket_id=1.2{query}"), "4711")).await.json()["auth"].clone()
    };
    assert_eq!(of("").await, of("&channel_name=private-user-4712").await);
}

#[tokio::test]
async fn an_id_that_would_lead_elsewhere_is_encoded_or_refused() {
    let vendor = Publisher::start().await;
    let golden = golden("cometchat");
    vendor.put("/v3/users", Page::ok("{}"));
    let house = House::of(&configured(presets::named("cometchat").unwrap(), &golden, Some(&vendor)));
    for id in ["..", "."] {
        let answer = house.ask(visit("/token", id)).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "identity_incomplete"), "{id}");
    }
    assert_eq!(vendor.count(), 0);
    let id = "../admin?x=1#@evil.example/%2e%2e";
    house.ask(visit("/token", id)).await;
    let encoded = "/v3/users/..%2Fadmin%3Fx%3D1%23%40evil.example%2F%252e%252e/auth_tokens";
    assert_eq!(vendor.asked()[1].line, format!("POST {encoded} HTTP/1.1"));
}

#[tokio::test]
async fn a_scope_cannot_be_widened_by_an_id() {
    let vendor = Publisher::start().await;
    let golden = golden("courier");
    let house = House::of(&configured(presets::named("courier").unwrap(), &golden, Some(&vendor)));
    let answer = house.ask(visit("/token", "1 user_id:2")).await;
    assert_eq!((answer.status, vendor.count()), (StatusCode::FORBIDDEN, 0), "{}", answer.text);
}

#[tokio::test]
async fn no_token_lives_longer_than_its_vendor_takes() {
    for name in ["zendesk-classic", "infobip", "amazon-connect", "kustomer"] {
        let profile = presets::named(name).unwrap();
        let mut vars = configured(profile, &golden(name), None);
        vars.push(("CLOCK_SKEW".to_owned(), "120s".to_owned()));
        vars.push(("WIDGET_LIFETIME".to_owned(), format!("{}s", profile.lifetime_max.as_secs())));
        let answer = House::of(&vars).ask(visit("/token", "4711")).await;
        let claims = payload(answer.json()[profile.token_field].as_str().unwrap());
        let (iat, most) = (claims["iat"].as_u64().unwrap(), profile.span_max.unwrap().as_secs());
        assert!(claims.get("exp").is_none_or(|exp| exp.as_u64().unwrap() - iat <= most), "{name}: {claims:?}");
        assert!(answer.json()["expires_in"].as_u64().unwrap() > 0);
    }
}

#[test]
fn what_a_preset_needs_and_does_not_have_is_named() {
    for (name, words) in
        [("zendesk-messaging", "WIDGET_KEY_ID"), ("talkjs", "must set `app_id`"), ("kore", "must set `client_id`")]
    {
        let mut golden = golden(name);
        golden["env"] = serde_json::json!({});
        let told = mistakes(&configured(presets::named(name).unwrap(), &golden, None));
        assert!(told.contains(words), "{name}: {told}");
    }
    let told = mistakes(&settings(&BEHIND_PROXY, &[("WIDGET_PRESET", "hubspot"), ("WIDGET_SECRET", "")]));
    assert!(told.contains("WIDGET_API_KEY"), "{told}");
}

fn custom(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let base = [("WIDGET_PRESET", "custom"), ("WIDGET_SECRET", SECRET), ("WIDGET_SUBJECT_CLAIM", "user")];
    let vars = settings(&BEHIND_PROXY, &base);
    let vars: Vec<(&str, &str)> = vars.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    settings(&vars, changes)
}

#[tokio::test]
async fn custom_makes_digests_from_the_environment() {
    let digest = r#"{"parts": ["user", "nonce"], "separator": ".", "field": "proof", "exact": true}"#;
    let claims = r#"{"nonce": {"$claim": "{{ untrusted.nonce }}", "required": true}}"#;
    let house =
        House::of(&custom(&[("WIDGET_DIGEST", digest), ("WIDGET_CLAIMS", claims), ("WIDGET_PAGE_VALUES", "nonce")]));
    let answer = house.ask(visit("/token?nonce=abc", "4711")).await.json();
    assert_eq!(answer["proof"], hmac(SECRET.as_bytes(), "4711.abc"));
    assert_eq!(answer.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn custom_exchanges_from_the_environment() {
    let vendor = Publisher::start().await;
    vendor.put("/t", Page::ok(r#"{"a": {"b": "given"}, "room": "r\"1"}"#));
    let exchange = r#"{"headers": {"X-Key": "{secret}"}, "call": {"url": "https://api.example.com/t", "form": {"user": "{{ subject }}", "plan": "a&b"}}, "answer": {"token": "/a/b", "fields": {"room": "/room"}}}"#;
    let url = vendor.url("");
    let vars = custom(&[
        ("WIDGET_SECRET", ""),
        ("WIDGET_EXCHANGE", exchange),
        ("WIDGET_API_KEY", API_KEY),
        ("WIDGET_API_URL", &url),
    ]);
    let answer = House::of(&vars).ask(visit("/token", "47 11")).await.json();
    assert_eq!(
        (&answer["token"], &answer["room"], &answer["user"]),
        (&"given".into(), &"r\"1".into(), &"47 11".into())
    );
    assert_eq!(vendor.asked()[0].body, "user=47+11&plan=a%26b");
}

#[test]
fn an_exchange_that_lets_a_visitor_choose_the_server_is_refused() {
    for url in ["https://{{ subject }}.example.com/t", "http://api.example.com/t", "https://{{ attributes.host }}/t"] {
        let exchange =
            serde_json::json!({"headers": {"X-Key": "{secret}"}, "call": {"url": url}, "answer": {"token": "/t"}});
        let told = mistakes(&custom(&[
            ("WIDGET_SECRET", ""),
            ("WIDGET_EXCHANGE", &exchange.to_string()),
            ("WIDGET_API_KEY", API_KEY),
        ]));
        assert!(told.contains("https address in whose host"), "{url}: {told}");
    }
    let two = serde_json::json!({"headers": {"X-Key": "{secret}"}, "first": {"url": "https://a.example/t"}, "call": {"url": "https://b.example/t"}, "answer": {"token": "/t"}});
    let told =
        mistakes(&custom(&[("WIDGET_SECRET", ""), ("WIDGET_EXCHANGE", &two.to_string()), ("WIDGET_API_KEY", API_KEY)]));
    assert!(told.contains("more than one server"), "{told}");
}

#[test]
fn a_digest_of_what_is_no_member_is_refused() {
    let told =
        mistakes(&custom(&[("WIDGET_DIGEST", r#"{"parts": ["emial"], "field": "h"}"#), ("WIDGET_CLAIMS", "{}")]));
    assert!(told.contains("`emial`"), "{told}");
}

#[test]
fn constants_that_nobody_set_are_named_where_they_are_used() {
    let told = mistakes(&custom(&[("WIDGET_CLAIMS", r#"{"app": "{{ config.app }}"}"#), ("WIDGET_AUDIENCE", "none")]));
    assert!(told.contains("WIDGET_CONSTANTS does not set `app`"), "{told}");
}

#[test]
fn what_a_preset_fixes_no_template_changes() {
    let mut vars = configured(presets::named("zendesk-messaging").unwrap(), &golden("zendesk-messaging"), None);
    vars.push(("WIDGET_CLAIMS".to_owned(), r#"{"scope": "admin"}"#.to_owned()));
    assert!(mistakes(&vars).contains("cannot be set"));
}

#[test]
fn every_preset_says_where_its_facts_are_from() {
    let mut seen = BTreeSet::new();
    for profile in presets::ALL {
        assert!(seen.insert(profile.name), "{} is listed twice", profile.name);
        assert!(profile.document.starts_with("https://") && profile.read_on.len() == 10, "{}", profile.name);
        assert!(!profile.page_login.is_empty() && !profile.page_logout.is_empty(), "{}", profile.name);
        let gap_is_named = profile.confidence == presets::Confidence::Documented || !profile.notes.is_empty();
        assert!(gap_is_named, "{} does not name its gap", profile.name);
    }
}

/// The text of a Rust test and of the file it stands in: `module::name`.
fn test_of(path: &str) -> Option<(String, String)> {
    let (module, name) = path.rsplit_once("::").unwrap();
    let file = fs::read_to_string(root().join(format!("it/{}.rs", module.replace("::", "/")))).ok()?;
    let begin = file.match_indices(&format!("fn {name}()")).find_map(|(at, _)| {
        let before: Vec<&str> = file[..at].lines().rev().take(2).collect();
        before.iter().any(|line| ["#[test]", "#[tokio::test]"].contains(&line.trim())).then_some(at)
    })?;
    let length = file[begin..].find("\n}\n")?;
    Some((file[begin..begin + length].to_owned(), file))
}

/// The text of a check of `tests/e2e/vendors`.
fn check_of(sentence: &str) -> Option<String> {
    let all = fs::read_to_string(root().join("e2e/vendors/vendors.mjs")).unwrap();
    let begin = all.find(&format!("await check(\"{sentence}\","))?;
    let length = all[begin..].find("\n});\n")?;
    Some(all[begin..begin + length].to_owned())
}

/// `presets --json` names it as `proof`. That the checks of `tests/e2e/vendors` ran and held, that step looks after.
#[test]
fn every_preset_names_a_test_that_is_there_and_is_about_it() {
    for profile in presets::ALL {
        let (name, test) = (profile.name, profile.evidence.test());
        let covers = match profile.evidence {
            Evidence::VendorCode(_) | Evidence::Command(_) => {
                let check = check_of(test).unwrap_or_else(|| panic!("{name}: no check `{test}`"));
                check.contains(&format!("ask('{name}'"))
            }
            Evidence::Vector(_) | Evidence::Document(_) => {
                let (body, file) = test_of(test).unwrap_or_else(|| panic!("{name}: no test `{test}`"));
                if body.contains("golden_presets()") {
                    let kind = format!("Format::{:?}", profile.format);
                    let kind = kind.split('(').next().unwrap();
                    body.contains(kind) && golden_presets().any(|(golden, _)| golden.name == name)
                } else if ELSEWHERE.contains(&name) {
                    file.contains(&format!("\"{name}\"")) || body.contains(&name.replace('-', "_"))
                } else {
                    body.contains(&format!("named(\"{name}\")"))
                }
            }
        };
        assert!(covers, "{name} is not what `{test}` is about");
    }
}

async fn printed(args: &[&str]) -> (cli::Exit, String) {
    let cli = cli::parse(["countersign"].iter().chain(args).map(Into::into)).unwrap();
    let mut out = Vec::new();
    let exit = cli::run(cli, Vec::new(), &mut out).await.unwrap();
    (exit, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn presets_are_listed_by_mechanism_searched_and_printed_as_json() {
    let (_, all) = printed(&["presets"]).await;
    for heading in ["Signed token:", "Keyed digest:", "Exchange with the vendor's server:"] {
        assert!(all.contains(heading), "{all}");
    }
    let (_, found) = printed(&["presets", "--search", "zendesk"]).await;
    assert!(found.contains("zendesk-classic") && !found.contains("intercom"), "{found}");
    let (_, json) = printed(&["presets", "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), presets::ALL.len());
    assert!(json[0]["evidence"].is_string() && json[0]["proof"].is_string() && json[0]["mechanism"].is_string());
}

#[tokio::test]
async fn a_preset_is_shown_as_a_way_in_five_steps() {
    for profile in presets::ALL {
        let (exit, shown) = printed(&["presets", "show", profile.name]).await;
        assert_eq!(exit, cli::Exit::Well);
        for step in
            ["\n1. At the vendor", "\n2. In the environment", "\n3. Try it", "\n4. In the page", "\n5. At logout"]
        {
            assert!(shown.contains(step), "{}: {shown}", profile.name);
        }
        assert!(!shown.contains("{token_url}"));
    }
    let (exit, told) = printed(&["presets", "show", "zendesk-clasic"]).await;
    assert_eq!(exit, cli::Exit::Wrong);
    assert!(told.contains("did you mean zendesk-classic?"), "{told}");
}
