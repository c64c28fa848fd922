//! Keys: every algorithm signs what an independent verifier accepts, and public halves are published under their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign::app::config::Settings;
use countersign::app::{ReadSettings, reload};
use countersign::config::env::Env;
use countersign::issuance::verifier::expectation;
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jws::examine::{Expectation, verify};
use countersign::jose::jws::rejected::Rejected;
use countersign::jose::signer::generate_pem;
use data_encoding::BASE64URL_NOPAD;
use http::{Request, StatusCode};
use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use serde_json::Value;

use crate::kit::{BEHIND_PROXY, House, START, jose, mistakes, settings, visit};

const TEXT_SECRET: &str = "a-text-secret-that-is-long-enough-for-the-strongest-of-the-three-0123456789";

fn userinfo(algorithm: &str, key: &str) -> Vec<(String, String)> {
    let symmetric = algorithm.starts_with("HS");
    let (secret, pem) = if symmetric { (TEXT_SECRET, "") } else { ("", key) };
    settings(
        &BEHIND_PROXY,
        &[
            ("WIDGET_PRESET", "userinfo"),
            ("WIDGET_AUDIENCE", "chat"),
            ("WIDGET_ALGORITHM", algorithm),
            ("WIDGET_SECRET", secret),
            ("WIDGET_PRIVATE_KEY", pem),
        ],
    )
}

fn pem(algorithm: &str) -> String {
    generate_pem(Algorithm::named(algorithm).unwrap()).unwrap_or_default()
}

async fn key_set(house: &House) -> Value {
    house.ask(Request::get("/.well-known/jwks.json")).await.json()
}

/// The signer goes through one crypto interface and the verifier through another crate: both must agree, for each.
#[tokio::test]
async fn every_algorithm_signs_what_its_verifier_accepts() {
    for algorithm in Algorithm::signing() {
        let house = House::of(&userinfo(algorithm.name(), &pem(algorithm.name())));
        let token = house.ask(visit("/token", "alice")).await.token();
        let parts = house.app.state.snapshot();
        let widget = parts.widgets.get(None).unwrap();
        let claims = verify(&token, &expectation(widget, START).unwrap(), START).unwrap();
        assert_eq!(claims["sub"], "alice", "{algorithm}");
        assert_eq!(jose(&token)["alg"], algorithm.name());
    }
}

#[tokio::test]
async fn a_token_that_was_touched_or_meant_for_others_does_not_hold() {
    let house = House::of(&userinfo("ES256", &pem("ES256")));
    let token = house.ask(visit("/token", "alice")).await.token();
    let parts = house.app.state.snapshot();
    let expected = expectation(parts.widgets.get(None).unwrap(), START).unwrap();
    let check = |token: &str, at: u64| verify(token, &expected, countersign::base::clock::UnixTime(at)).err();
    assert_eq!(check(&token, START.0), None);
    let pieces: Vec<&str> = token.split('.').collect();
    let forged = BASE64URL_NOPAD.encode(
        r#"{"sub":"mallory","exp":99999999999,"iss":"https://www.example.org/chat-identity","aud":"chat"}"#.as_ref(),
    );
    assert_eq!(check(&format!("{}.{forged}.{}", pieces[0], pieces[2]), START.0), Some(Rejected::Signature));
    let none = BASE64URL_NOPAD.encode(r#"{"alg":"none"}"#.as_ref());
    assert!(check(&format!("{none}.{}.", pieces[1]), START.0).is_some());
    let hs = BASE64URL_NOPAD.encode(r#"{"alg":"HS256"}"#.as_ref());
    assert_eq!(check(&format!("{hs}.{}.{}", pieces[1], pieces[2]), START.0), Some(Rejected::Algorithm));
    assert_eq!(check(&token, START.0 + 300 + 31), Some(Rejected::Expired));
    assert_eq!(check(&token, START.0 - 3600), Some(Rejected::Early));
    let wrong_aud = Expectation { audience: &["other".to_owned()], ..expected.clone() };
    assert_eq!(verify(&token, &wrong_aud, START).err(), Some(Rejected::Audience));
    let wrong_iss = Expectation { issuer: Some("https://other"), ..expected.clone() };
    assert_eq!(verify(&token, &wrong_iss, START).err(), Some(Rejected::Issuer));
    for garbage in ["", "a", "a.b", "a.b.c", "....", "é.é.é"] {
        assert_eq!(check(garbage, START.0), Some(Rejected::Malformed), "{garbage}");
    }
}

/// K-5.
#[tokio::test]
async fn a_public_key_is_published_under_its_thumbprint_and_tokens_name_it() {
    for name in ["RS256", "ES256", "ES384", "EdDSA"] {
        let house = House::of(&userinfo(name, &pem(name)));
        let set: JwkSet = serde_json::from_value(key_set(&house).await).unwrap();
        let key = &set.keys[0];
        let thumbprint = key.thumbprint(ThumbprintHash::SHA256).unwrap();
        assert_eq!(
            key.common.key_id.as_deref(),
            Some(thumbprint.as_str()),
            "{name}: RFC 7638, by another implementation"
        );
        let token = house.ask(visit("/token", "alice")).await.token();
        assert_eq!(jose(&token)["kid"], thumbprint, "{name}");
    }
}

/// K-5.
#[tokio::test]
async fn a_shared_secret_is_never_published_and_names_no_key() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(Request::get("/.well-known/jwks.json")).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"keys":[]}"#));
    assert!(jose(&house.ask(visit("/token", "alice")).await.token()).get("kid").is_none());
}

#[tokio::test]
async fn no_published_key_has_a_private_member() {
    for name in ["RS256", "ES256", "EdDSA"] {
        let house = House::of(&userinfo(name, &pem(name)));
        let key = key_set(&house).await["keys"][0].clone();
        for member in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(key.get(member).is_none(), "{name}: {member}");
        }
        assert_eq!(key["use"], "sig");
        assert_eq!(key["alg"], name);
    }
}

/// K-2.
#[tokio::test]
async fn the_next_and_the_previous_key_are_published_and_do_not_sign() {
    let (now, next, previous) = (pem("ES256"), pem("ES256"), pem("ES256"));
    let mut vars = userinfo("ES256", &now);
    vars.push(("WIDGET_PRIVATE_KEY_NEXT".to_owned(), next.clone()));
    vars.push(("WIDGET_PRIVATE_KEY_PREVIOUS".to_owned(), previous));
    let house = House::of(&vars);
    let set = key_set(&house).await;
    assert_eq!(set["keys"].as_array().unwrap().len(), 3);
    let kid = jose(&house.ask(visit("/token", "alice")).await.token())["kid"].clone();
    assert_eq!(kid, set["keys"][0]["kid"], "the active key signs");
    let after = House::of(&userinfo("ES256", &next));
    let kid_after = jose(&after.ask(visit("/token", "alice")).await.token())["kid"].clone();
    assert!(
        set["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid_after),
        "verifiers knew it before it signed"
    );
}

/// K-2: each published key has the id that its own tokens name, before and after it signs.
#[tokio::test]
async fn a_key_keeps_its_own_id_through_a_rotation() {
    let (first, second) = (pem("ES256"), pem("ES256"));
    let with = |key: &str, more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        userinfo("ES256", key).into_iter().chain(more).collect::<Vec<_>>()
    };
    let before =
        with(&first, &[("WIDGET_KEY_ID", "one"), ("WIDGET_PRIVATE_KEY_NEXT", &second), ("WIDGET_KEY_ID_NEXT", "two")]);
    let after = with(
        &second,
        &[("WIDGET_KEY_ID", "two"), ("WIDGET_PRIVATE_KEY_PREVIOUS", &first), ("WIDGET_KEY_ID_PREVIOUS", "one")],
    );
    let mut published = Vec::new();
    for (vars, kid) in [(before, "one"), (after, "two")] {
        let house = House::of(&vars);
        assert_eq!(jose(&house.ask(visit("/token", "alice")).await.token())["kid"], kid);
        let set = key_set(&house).await;
        let mut keys: Vec<String> = set["keys"].as_array().unwrap().iter().map(Value::to_string).collect();
        keys.sort();
        published.push(keys);
    }
    assert_eq!(published[0], published[1], "verifiers see the same keys under the same ids");
    let same =
        with(&first, &[("WIDGET_KEY_ID", "one"), ("WIDGET_PRIVATE_KEY_NEXT", &second), ("WIDGET_KEY_ID_NEXT", "one")]);
    assert!(mistakes(&same).contains("WIDGET_KEY_ID: is the id of two published keys"), "{}", mistakes(&same));
}

/// K-4, CA-4.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_switch_of_keys_nobody_gets_a_token_of_the_old_one() {
    let (old, new) = (pem("ES256"), pem("ES256"));
    let unlimited = ("RATE_LIMIT_VISITOR".to_owned(), "off".to_owned());
    let house = Arc::new(House::of(&[userinfo("ES256", &old), vec![unlimited]].concat()));
    let key_of = |token: &str| jose(token)["kid"].as_str().unwrap().to_owned();
    let before = key_of(&house.ask(visit("/token", "alice")).await.token());
    let settings = userinfo("ES256", &new);
    let reread: ReadSettings = Box::new(move || Settings::read(Env::new(settings.clone())));
    let switched = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..16)
        .map(|_| {
            let (house, switched, before) = (house.clone(), switched.clone(), before.clone());
            tokio::spawn(async move {
                let mut fresh = 0;
                while fresh < 20 {
                    let afterwards = switched.load(Ordering::SeqCst);
                    let token = house.ask(visit("/token", "alice")).await.token();
                    assert!(!afterwards || key_of(&token) != before, "asked for after the switch");
                    fresh += usize::from(afterwards);
                }
            })
        })
        .collect();
    assert!(reload(&house.app.state, &reread).await.is_some());
    switched.store(true, Ordering::SeqCst);
    for visitor in crowd {
        visitor.await.unwrap();
    }
}

#[test]
fn a_key_of_another_kind_than_its_algorithm_does_not_start() {
    for (algorithm, other) in [
        ("RS256", "ES256"),
        ("ES256", "ES384"),
        ("ES384", "ES256"),
        ("EdDSA", "ES256"),
        ("ES256", "RS256"),
        ("ES256", "EdDSA"),
    ] {
        let text = mistakes(&userinfo(algorithm, &pem(other)));
        assert!(text.contains("WIDGET_PRIVATE_KEY: is not a key for"), "{algorithm} with {other}: {text}");
    }
    let text = mistakes(&userinfo("ES256", "not a key at all, but a long enough text"));
    assert!(text.contains("WIDGET_PRIVATE_KEY: is not a PEM private key"), "{text}");
}

#[test]
fn a_key_that_is_something_else_is_said_to_be_that() {
    let key = pem("ES256");
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let as_a = |label: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    let half = key.lines().take(2).collect::<Vec<_>>().join("\n");
    for (text, word) in [
        (as_a("PUBLIC KEY"), "is a public key"),
        (as_a("CERTIFICATE"), "is a certificate"),
        (as_a("ENCRYPTED PRIVATE KEY"), "passphrase"),
        (as_a("OPENSSH PRIVATE KEY"), "OpenSSH"),
        (format!("{key}{}", pem("ES256")), "several private keys"),
        ("{\"kty\":\"EC\"}".to_owned(), "JWK"),
        (half, "breaks off"),
        (body.clone(), "is not a PEM private key"),
        (pem("ES384"), "it is an EC key on P-384"),
        (pem("EdDSA"), "it is an Ed25519 key"),
        (pem("RS256"), "it is an RSA key"),
    ] {
        let mut vars = userinfo("ES256", &text);
        for (name, _) in &mut vars {
            *name = name.replace("WIDGET_", "WIDGET_CLINIC_");
        }
        vars.push(("WIDGETS".to_owned(), "clinic".to_owned()));
        let said = mistakes(&vars);
        assert!(said.contains("WIDGET_CLINIC_PRIVATE_KEY: ") && said.contains(word), "{word}: {said}");
        assert!(!said.contains(&body), "and not shown");
    }
}

#[test]
fn a_private_key_is_taken_as_manifests_and_variables_of_one_line_leave_it() {
    let key = pem("ES256");
    let plain = crate::kit::read(&userinfo("ES256", &key)).unwrap().widgets[0].keyring().unwrap().fingerprint.clone();
    let indented = key.lines().map(|line| format!("    {line}\t")).collect::<Vec<_>>().join("\r\n");
    for text in [
        key.trim_end().replace('\n', "\\n"),
        key.replace('\n', " "),
        key.replace('\n', "\r\n"),
        format!("\u{FEFF}\n\n{key}\n\n"),
        indented,
    ] {
        let config = crate::kit::read(&userinfo("ES256", &text)).unwrap();
        assert_eq!(config.widgets[0].keyring().unwrap().fingerprint, plain, "{text:?}");
    }
}

#[test]
fn a_key_given_for_the_wrong_family_is_pointed_out() {
    let mut vars = userinfo("HS256", "");
    vars.push(("WIDGET_PRIVATE_KEY".to_owned(), pem("ES256")));
    assert!(mistakes(&vars).contains("signs with a shared secret"));
    let mut vars = userinfo("ES256", &pem("ES256"));
    vars.push(("WIDGET_SECRET".to_owned(), TEXT_SECRET.to_owned()));
    assert!(mistakes(&vars).contains("signs with WIDGET_PRIVATE_KEY"));
    let mut vars = userinfo("ES256", &pem("ES256"));
    vars.retain(|(name, _)| name != "WIDGET_PRIVATE_KEY");
    assert!(mistakes(&vars).contains("countersign keygen --algorithm ES256"));
}

#[test]
fn an_algorithm_the_vendor_does_not_verify_is_a_mistake() {
    let text = mistakes(&settings(&BEHIND_PROXY, &[("WIDGET_ALGORITHM", "ES256")]));
    assert!(text.contains("WIDGET_ALGORITHM: takes one of HS256"), "{text}");
    let text = mistakes(&settings(&BEHIND_PROXY, &[("WIDGET_ALGORITHM", "none")]));
    assert!(text.contains("WIDGET_ALGORITHM"), "{text}");
}

/// Dynamics 365 takes no key set: one PEM, or a list of keys in PEM.
#[tokio::test]
async fn a_vendor_finds_public_keys_in_pem_at_an_address_of_their_own() {
    let pem = |algorithm| generate_pem(Algorithm::named(algorithm).unwrap()).unwrap();
    let (now, next) = (pem("RS256"), pem("RS256"));
    let house = House::behind_proxy(&[
        ("WIDGET_PRESET", "dynamics-365"),
        ("WIDGET_SECRET", ""),
        ("WIDGET_CONSTANTS", "issuer=www.example.org"),
        ("WIDGET_PRIVATE_KEY", &now),
        ("WIDGET_PRIVATE_KEY_NEXT", &next),
    ]);
    let one = house.ask(Request::get("/chat-identity/public-keys/dynamics-365.pem")).await;
    assert_eq!(one.header("content-type"), "text/plain; charset=us-ascii");
    assert!(one.text.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", one.text);
    let list = house.ask(Request::get("/chat-identity/public-keys/dynamics-365")).await;
    assert_eq!(list.header("content-type"), "application/json");
    let (listed, token) = (list.json(), house.ask(visit("/token", "alice")).await.token());
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["kid"], jose(&token)["kid"]);
    let pem = data_encoding::BASE64.decode(listed[0]["publicKey"].as_str().unwrap().as_ref()).unwrap();
    assert_eq!(String::from_utf8(pem).unwrap(), one.text);
    assert!(listed[1]["expiry"].as_u64().unwrap() > START.0);
    let shared = House::behind_proxy(&[]).ask(Request::get("/chat-identity/public-keys/medchat")).await;
    assert_eq!(shared.status, StatusCode::NOT_FOUND, "a shared secret has no public half");
}

#[tokio::test]
async fn other_pages_may_read_the_public_keys_and_caches_may_keep_them() {
    let answer = House::behind_proxy(&[]).ask(Request::get("/.well-known/jwks.json")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("cache-control").contains("max-age="));
    let post = House::behind_proxy(&[]).ask(Request::post("/.well-known/jwks.json")).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// `WIDGET_SECRET_NEXT`: a vendor that knows one secret is switched at one moment.
#[tokio::test]
async fn a_shared_secret_changes_at_its_moment_without_a_reload_and_the_audit_says_which_signed() {
    const NEXT: &str = "another-text-secret-that-is-long-enough-for-all-three-of-them-9876543210-xyz";
    let mut vars = userinfo("HS256", "");
    let at = START.0 + 60;
    vars.extend([("WIDGET_SECRET_NEXT".into(), NEXT.into()), ("WIDGET_SECRET_NEXT_AT".into(), at.to_string())]);
    let house = House::of(&vars);
    let signed_with = |token: &str, secret: &str| {
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = jsonwebtoken::DecodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
    };
    let before = house.ask(visit("/token", "alice")).await.token();
    assert!(signed_with(&before, TEXT_SECRET) && !signed_with(&before, NEXT));
    house.hands.advance(std::time::Duration::from_secs(59));
    assert!(signed_with(&house.ask(visit("/token", "alice")).await.token(), TEXT_SECRET), "not a second too soon");
    house.hands.advance(std::time::Duration::from_secs(1));
    let after = house.ask(visit("/token", "alice")).await.token();
    assert!(signed_with(&after, NEXT) && !signed_with(&after, TEXT_SECRET));
    let records = house.records.text(&house.app);
    let kids: Vec<String> = records
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kid"].as_str().unwrap().to_owned())
        .collect();
    assert!(kids[0] == kids[1] && kids[1] != kids[2], "{kids:?}");
}

#[test]
fn a_next_secret_says_when_it_takes_over() {
    let with = |changes: &[(&str, &str)]| {
        let mut vars = userinfo("HS256", "");
        vars.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        mistakes(&vars)
    };
    let next = ("WIDGET_SECRET_NEXT", TEXT_SECRET);
    assert!(with(&[next]).contains("WIDGET_SECRET_NEXT_AT: is required with WIDGET_SECRET_NEXT"));
    assert!(with(&[next, ("WIDGET_SECRET_NEXT_AT", "soon")]).contains("WIDGET_SECRET_NEXT_AT: is no time"));
    assert!(with(&[("WIDGET_SECRET_NEXT_AT", "4000000000")]).contains("is set without WIDGET_SECRET_NEXT"));
}
