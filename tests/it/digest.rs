//! Keyed digests: the vendors' own vectors, and no digest that stands for two people.

use countersign::jose::digest::{Ambiguous, DigestFormat, DigestSigner};
use countersign::widget::presets::{self, Format, Profile};
use secrecy::SecretSlice;
use serde_json::{Map, Value, json};

fn signer(key: &str, format: &Value) -> DigestSigner {
    let format: DigestFormat = serde_json::from_value(format.clone()).unwrap();
    DigestSigner::new(&SecretSlice::from(key.as_bytes().to_vec()), format).unwrap()
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn digest(key: &str, format: &Value, value: &Value) -> String {
    signer(key, format).sign(&members(value)).unwrap().reveal().to_owned()
}

/// A preset's own digest, with the time left out of it where nobody gives one, as in the vendor's older page.
fn format_of(profile: Option<&'static Profile>) -> Value {
    let Some(Format::Digest(text)) = profile.map(|profile| profile.format) else { panic!("no digest") };
    serde_json::from_str(&text.replace("\"hashCreationTime\"", "\"hashCreationTime?\"")).unwrap()
}

const SPRINKLR: &str = "acf32e61-14a6-291b-3a1b-cc8854134ea1";

#[test]
fn the_published_sprinklr_digest_is_made() {
    let sprinklr = format_of(presets::named("sprinklr"));
    let mut person = json!({
        "id": "12345", "firstName": "John", "lastName": "Doe", "phoneNo": "9876543210",
        "profileImageUrl": "https://example.com/profilePic.jpg", "email": "John.Doe@example.com"
    });
    let published = "f30c3b0835ecd378a134c74bce8cea866df8c5b6e12a8c219c9bb288f7270e22";
    assert_eq!(digest(SPRINKLR, &sprinklr, &person), published);
    person["hashCreationTime"] = json!(1_754_565_280_133_u64);
    let timed = "901ed112165a232fe89a54be1aecb4d7f93134eee50f4a837e3c3cde033dfa37";
    assert_eq!(digest(SPRINKLR, &sprinklr, &person), timed);
}

#[test]
fn an_empty_part_keeps_its_separators() {
    let sprinklr = format_of(presets::named("sprinklr"));
    let person = json!({
        "id": "12345", "firstName": "John", "lastName": "Doe", "phoneNo": "9876543210", "email": "John.Doe@example.com"
    });
    let expected = "5feee9ae63e3e641b2b21a1c70e11ed0ede01f0d5ae834d7cbd64ea469c4ec30";
    assert_eq!(digest(SPRINKLR, &sprinklr, &person), expected);
}

#[test]
fn the_published_pusher_signatures_are_made() {
    const SECRET: &str = "7ad3773142a6692b25b8";
    let channel = json!({
        "parts": ["socket_id", "channel_name", "channel_data?*"], "separator": ":", "field": "auth",
        "prefix": ["key", "':'"], "answer": ["channel_data"]
    });
    let private = json!({ "key": "278d425bdf160c739803", "socket_id": "1234.1234", "channel_name": "private-foobar" });
    assert_eq!(
        digest(SECRET, &channel, &private),
        "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    );
    let mut presence = private;
    presence["channel_name"] = json!("presence-foobar");
    presence["channel_data"] = json!(r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#);
    assert_eq!(
        digest(SECRET, &channel, &presence),
        "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
    );
    let beside = signer(SECRET, &channel).format().beside(&members(&presence));
    assert_eq!(beside.keys().collect::<Vec<_>>(), ["channel_data"], "and the page gets the very text that was signed");
}

#[test]
fn the_pusher_user_signatures_are_made() {
    let user = json!({ "parts": ["socket_id", "''", "'user'", "''", "user_data*"], "separator": ":", "field": "auth" });
    let of =
        |secret, socket: &str, data: &str| digest(secret, &user, &json!({ "socket_id": socket, "user_data": data }));
    assert_eq!(
        of("7ad3773142a6692b25b8", "1234.1234", r#"{"id":"12345"}"#),
        "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    );
    assert_eq!(
        of("tofu", "123.456", r#"{"id":"45678"}"#),
        "f4b1fdeea7c93e32648c7230e32b172057c5623cace6cfce791c6e7035e0babd"
    );
    assert_eq!(
        of("1", "123.456", r#"{"id":"45678"}"#),
        "79bddf29fe8e2153dd5d8d569b3f45e5aeb26ae2eb4758879d844791b466cfa2"
    );
}

#[test]
fn the_ably_token_request_is_signed_as_its_library_signs_it() {
    let format = json!({
        "parts": ["keyName", "ttl", "capability", "clientId", "timestamp", "nonce"],
        "separator": "\n", "terminated": true, "output": "base64", "field": "mac"
    });
    let request = json!({
        "keyName": "appid.keyid", "ttl": 3_600_000, "capability": r#"{"*":["*"]}"#, "clientId": "jlahey",
        "timestamp": 1_700_000_000_000_u64, "nonce": "0123456789012345"
    });
    assert_eq!(digest("keysecret", &format, &request), "SKQgzwxn5cEABTlMMpfdYJA6nsOZziUEz6tae68jfWI=");
}

#[test]
fn no_digest_stands_for_two_people() {
    let format = json!({ "parts": ["id", "email"], "separator": ":", "field": "authkey" });
    let signer = signer("a-secret-of-some-length", &format);
    for person in [json!({ "id": "1:2", "email": "a@b.c" }), json!({ "id": "1", "email": "2:a@b.c" })] {
        let refused = signer.sign(&members(&person)).unwrap_err();
        assert!(matches!(&refused, Ambiguous(name) if !name.is_empty()), "{person}");
        assert!(!refused.to_string().contains("a@b.c"), "and the value is not told");
    }
}

#[test]
fn a_single_part_may_hold_anything() {
    let format = json!({ "parts": ["email"], "field": "hash" });
    assert_eq!(digest("key", &format, &json!({ "email": "a:b_c@d" })).len(), 64);
}

#[test]
fn a_digest_without_a_key_is_refused() {
    let format: DigestFormat = serde_json::from_value(json!({ "parts": ["id"], "field": "hash" })).unwrap();
    assert!(DigestSigner::new(&SecretSlice::from(Vec::new()), format).is_err());
}

#[test]
fn a_part_that_is_none_is_named() {
    for part in ["", "?", "'open", "a???"] {
        let read: Result<DigestFormat, _> = serde_json::from_value(json!({ "parts": [part], "field": "hash" }));
        assert!(read.is_err(), "{part}");
    }
}
