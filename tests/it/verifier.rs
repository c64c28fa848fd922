//! The verifier of the widget server's side: what it requires, what it refuses, and which keys it takes while one changes.

#![expect(clippy::disallowed_types, reason = "tests sign as anybody who holds the secret does")]

use aws_lc_rs::hmac;
use countersign::base::clock::UnixTime;
use countersign::issuance::verifier::expectation;
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jwks::key::{Key, KeySet};
use countersign::jose::jws::compact::TOKEN_MAX;
use countersign::jose::jws::examine::{Expectation, verify};
use countersign::jose::jws::rejected::Rejected;
use countersign::jose::jws::times::SKEW_MAX;
use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretSlice;
use serde_json::{Value, json};

use crate::kit::{BEHIND_PROXY, House, START, settings, visit};

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
const HOUR: u64 = 3600;

/// A token of this header and these claims, as they stand here, under the secret.
pub fn signed(secret: &[u8], header: &str, claims: &str) -> String {
    let input = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_ref()), BASE64URL_NOPAD.encode(claims.as_ref()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

fn shared(secret: &[u8]) -> KeySet {
    KeySet::of(vec![Key::shared(&SecretSlice::from(secret.to_vec()), Algorithm::HS256)])
}

fn claims() -> Value {
    json!({ "iss": "clinic", "aud": "chat", "sub": "alice", "iat": START.0, "exp": START.0 + HOUR, "jti": "one" })
}

/// What the verifier says to these claims under this header.
fn said(header: &Value, claims: &Value) -> Result<(), Rejected> {
    said_to(&signed(SECRET, &header.to_string(), &claims.to_string()), START)
}

fn said_to(token: &str, now: UnixTime) -> Result<(), Rejected> {
    let (keys, audience) = (shared(SECRET), ["chat".to_owned()]);
    let expected = Expectation {
        issuer: Some("clinic"),
        audience: &audience,
        required: vec!["exp", "iat", "jti"],
        ..Expectation::of(Algorithm::HS256, vec![&keys])
    };
    verify(token, &expected, now).map(drop)
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn every_claim_of_the_format_is_required() {
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    assert_eq!(said(&header, &claims()), Ok(()));
    let missing = [
        ("iss", Rejected::Issuer),
        ("aud", Rejected::Audience),
        ("exp", Rejected::Time),
        ("iat", Rejected::Time),
        ("jti", Rejected::Requirement),
    ];
    for (name, fault) in missing {
        assert_eq!(said(&header, &without(name)), Err(fault), "{name}");
    }
}

#[test]
fn another_kind_of_token_does_not_pass_for_this_one() {
    for header in [
        json!({ "alg": "HS256", "typ": "logout+jwt" }),
        json!({ "alg": "HS256", "typ": "at+jwt" }),
        json!({ "alg": "HS256", "cty": "JWT" }),
    ] {
        assert_eq!(said(&header, &claims()), Err(Rejected::Type), "{header}");
    }
    for header in [json!({ "alg": "HS256" }), json!({ "alg": "HS256", "typ": "application/jwt" })] {
        assert_eq!(said(&header, &claims()), Ok(()), "{header}");
    }
    let keys = shared(SECRET);
    let expected = Expectation { typ: Some("chat+jwt"), ..Expectation::of(Algorithm::HS256, vec![&keys]) };
    let verified = |header: &str| verify(&signed(SECRET, header, &claims().to_string()), &expected, START).err();
    assert_eq!(verified(r#"{"alg":"HS256","typ":"Chat+JWT"}"#), None);
    assert_eq!(verified(r#"{"alg":"HS256","typ":"JWT"}"#), Some(Rejected::Type));
    assert_eq!(verified(r#"{"alg":"HS256"}"#), Some(Rejected::Type));
}

#[test]
fn a_name_that_stands_twice_anywhere_is_refused() {
    let good = claims().to_string();
    let twice = good.replacen('{', r#"{"sub":"mallory","#, 1);
    let inside = good.replacen('{', r#"{"user":{"id":"a","id":"b"},"#, 1);
    for claims in [twice, inside] {
        assert_eq!(said_to(&signed(SECRET, r#"{"alg":"HS256"}"#, &claims), START), Err(Rejected::Duplicate));
    }
    let header = r#"{"alg":"HS256","alg":"none"}"#;
    assert_eq!(said_to(&signed(SECRET, header, &good), START), Err(Rejected::Duplicate));
}

#[test]
fn a_token_of_more_than_sixteen_kilobytes_is_not_looked_at() {
    let mut long = claims();
    long["note"] = "a".repeat(TOKEN_MAX).into();
    assert_eq!(said(&json!({ "alg": "HS256" }), &long), Err(Rejected::TooLarge));
}

#[test]
fn clocks_may_be_apart_by_a_minute_and_no_more() {
    let (keys, token) = (shared(SECRET), signed(SECRET, r#"{"alg":"HS256"}"#, &claims().to_string()));
    let expected =
        Expectation { skew: std::time::Duration::from_hours(1), ..Expectation::of(Algorithm::HS256, vec![&keys]) };
    let end = START.0 + HOUR + SKEW_MAX.as_secs();
    assert!(verify(&token, &expected, UnixTime(end - 1)).is_ok());
    assert_eq!(verify(&token, &expected, UnixTime(end)).err(), Some(Rejected::Expired));
}

#[test]
fn while_a_secret_changes_both_are_tried_and_no_third() {
    let (one, two) = (shared(SECRET), shared(b"another secret of thirty-two bytes and more"));
    let expected = Expectation::of(Algorithm::HS256, vec![&one, &two]);
    let verified =
        |secret: &[u8]| verify(&signed(secret, r#"{"alg":"HS256"}"#, &claims().to_string()), &expected, START);
    assert!(verified(SECRET).is_ok() && verified(b"another secret of thirty-two bytes and more").is_ok());
    assert_eq!(verified(b"a third secret of thirty-two bytes and more").err(), Some(Rejected::Signature));
}

#[tokio::test]
async fn a_token_outlives_the_change_of_the_secret_that_signed_it_and_no_longer() {
    let moment = (START.0 + 60).to_string();
    let next = BASE64URL_NOPAD.encode(b"some-medchat-secret-of-the-future");
    let house =
        House::of(&settings(&BEHIND_PROXY, &[("WIDGET_SECRET_NEXT", &next), ("WIDGET_SECRET_NEXT_AT", &moment)]));
    let before = house.ask(visit("/token", "alice")).await.token();
    house.hands.advance(std::time::Duration::from_secs(61));
    let after = house.ask(visit("/token", "alice")).await.token();
    let snapshot = house.app.state.snapshot();
    let widget = snapshot.widgets.get(None).unwrap();
    let fault = |token: &str, at: u64| verify(token, &expectation(widget, UnixTime(at)).unwrap(), UnixTime(at)).err();
    assert_eq!((fault(&before, START.0 + 70), fault(&after, START.0 + 70)), (None, None));
    assert_eq!(fault(&after, START.0 + 58), None, "a replica whose clock is ahead");
    let over = START.0 + 60 + widget.lifetime.as_secs() + 31;
    assert_eq!(fault(&before, over), Some(Rejected::Signature), "the old secret is out of use");
}
