//! A signed token is believed when every single step holds, and rejected as a whole when one does not.

use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock};
use countersign::base::json::{self, NotJson};
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jwks::Keys;
use countersign::jose::jwks::key::{Key, KeySet};
use countersign::jose::jws::Verifier;
use countersign::jose::jws::compact::{Header, Padding, TOKEN_MAX, bearer, sole_field, split};
use countersign::jose::jws::rejected::{Failure, Rejected};
use countersign::jose::jws::rules::{Audience, Requirement, Rules, Verified};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use secrecy::SecretSlice;
use serde_json::{Value, json};

use crate::kit::START;
use crate::tokens::{TestKey, header_of};

const ISSUER: &str = "https://login.example.org";
const NOW: u64 = START.0;

/// A verifier of one key's tokens, and the key.
struct Desk {
    key: TestKey,
    verifier: Verifier,
    hands: ManualClock,
}

impl Desk {
    fn of(alg: &'static str, change: impl Fn(&mut Rules)) -> Self {
        let key = TestKey::new(alg, "a");
        let set = KeySet::of(vec![Key::from_jwk(&key.jwk()).unwrap()]);
        let ours = Audience::Includes(vec!["us".to_owned(), "also-us".to_owned()]);
        let mut rules = Rules::new(vec![Algorithm::named(alg).unwrap()], ISSUER, ours);
        change(&mut rules);
        let (clock, hands) = Clock::manual(START);
        Self { key, verifier: Verifier::new(rules, Keys::pinned(set), clock), hands }
    }

    fn plain() -> Self {
        Self::of("ES256", |_| {})
    }

    async fn verify(&self, token: &str) -> Result<Verified, Rejected> {
        self.verifier.verify(token.as_bytes()).await.map_err(|failure| match failure {
            Failure::Rejected(rejected) => rejected,
            Failure::Unavailable(unavailable) => panic!("{unavailable}"),
        })
    }

    /// What becomes of a good token with this claim set, or removed where the value is null.
    async fn with(&self, name: &str, value: Value) -> Result<Verified, Rejected> {
        let mut claims = claims();
        set(&mut claims, name, value);
        self.verify(&self.key.token(&header_of(&self.key), &claims)).await
    }

    /// The same for a member of the protected header.
    async fn with_header(&self, name: &str, value: Value) -> Result<Verified, Rejected> {
        let mut header = header_of(&self.key);
        set(&mut header, name, value);
        self.verify(&self.key.token(&header, &claims())).await
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if value.is_null() {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "us", "sub": "jane", "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300 })
}

#[tokio::test]
async fn a_good_token_is_believed_with_everything_it_says() {
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] {
        let desk = Desk::of(alg, |_| {});
        let verified = desk.verify(&desk.key.token(&header_of(&desk.key), &claims())).await.unwrap();
        assert_eq!(verified.claims, claims(), "{alg}");
        assert_eq!((verified.issuer.as_str(), verified.expires_at.0), (ISSUER, NOW + 300));
        assert_eq!(verified.issued_at.unwrap().0, NOW - 10);
    }
}

/// The signer of another crate agrees about what is signed.
#[tokio::test]
async fn what_another_library_accepts_is_what_we_accept() {
    let desk = Desk::of("PS384", |_| {});
    let token = desk.key.token(&header_of(&desk.key), &claims());
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(desk.key.jwk()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let oracle = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, jsonwebtoken::Algorithm::PS384);
    assert!(oracle.unwrap());
    assert!(desk.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_token_is_three_parts_of_base64url_and_not_too_long() {
    let desk = Desk::plain();
    let good = desk.key.token(&header_of(&desk.key), &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        message.to_owned(),
        format!("{message}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{good}."),
        format!("{good}.{signature}.{signature}"),
        format!("{good}="),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\n"),
        good.replace('.', ","),
        format!("{header}.{}.{signature}", payload.replace(|c: char| c.is_ascii_uppercase(), "+")),
        format!("{header}.{payload}é.{signature}"),
        format!("Bearer {good}"),
        "{}.{}.{}".to_owned(),
    ] {
        assert_eq!(desk.verify(&bad).await.unwrap_err(), Rejected::Malformed, "{bad}");
    }
    let filler = "x".repeat(TOKEN_MAX);
    assert_eq!(desk.with("filler", json!(filler)).await.unwrap_err(), Rejected::TooLarge);
    assert_eq!(split(&vec![b'A'; TOKEN_MAX + 1], Padding::Never).unwrap_err(), Rejected::TooLarge);
    assert_eq!(split(&vec![b'A'; TOKEN_MAX], Padding::Never).unwrap_err(), Rejected::Malformed);
    assert!(desk.with("filler", json!("x".repeat(TOKEN_MAX / 2))).await.is_ok());
}

/// Two texts that decode to the same bytes are two tokens: only the canonical one is accepted.
#[tokio::test]
async fn a_signature_has_one_spelling() {
    let desk = Desk::plain();
    let good = desk.key.token(&header_of(&desk.key), &claims());
    let last = good.chars().last().unwrap();
    let mut accepted = 0;
    for c in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']) {
        let variant = format!("{}{c}", &good[..good.len() - 1]);
        accepted += usize::from(desk.verify(&variant).await.is_ok());
        assert_eq!(desk.verify(&variant).await.is_ok(), c == last);
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn every_changed_character_breaks_the_token() {
    let desk = Desk::plain();
    let good = desk.key.token(&header_of(&desk.key), &claims());
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(desk.verify(std::str::from_utf8(&bytes).unwrap()).await.is_err(), "character {at}");
        assert!(desk.verify(&good[..at]).await.is_err(), "cut at {at}");
    }
}

#[tokio::test]
async fn padding_is_accepted_only_where_the_producer_pads() {
    let (never, padded) = (Desk::plain(), Desk::of("ES256", |rules| rules.padding = Padding::Accepted));
    for extra in 0..3 {
        let mut said = claims();
        said["filler"] = json!("x".repeat(extra));
        let token = |desk: &Desk| desk.key.padded_token_of(&header_of(&desk.key).to_string(), &said.to_string());
        assert!(token(&never).contains('='));
        assert_eq!(never.verify(&token(&never)).await.unwrap_err(), Rejected::Malformed);
        assert!(padded.verify(&token(&padded)).await.is_ok(), "the padding was signed along");
        let stripped = token(&padded).replace('=', "");
        let signed = stripped.rsplit_once('.').unwrap().0.len() != token(&padded).rsplit_once('.').unwrap().0.len();
        assert_eq!(padded.verify(&stripped).await.is_err(), signed, "so without it the signature does not hold");
    }
    let unpadded = padded.key.token(&header_of(&padded.key), &claims());
    assert!(padded.verify(&unpadded).await.is_ok());
    for bad in ["AAAA=.AAAA.AAAA", "AA=A.AAAA.AAAA", "A===.AAAA.AAAA", "====.AAAA.AAAA", "AAA==.AAAA.AAAA", "=.=.="] {
        assert_eq!(split(bad.as_bytes(), Padding::Accepted).unwrap_err(), Rejected::Malformed, "{bad}");
    }
}

/// A-3.
#[tokio::test]
async fn the_algorithm_is_one_of_the_producers_to_the_letter() {
    let desk = Desk::plain();
    for alg in ["none", "None", "nOnE", "NONE", "", "es256", "ES256 ", "ES384", "RS256", "HS256", "ES256K", "dir"] {
        assert_eq!(desk.with_header("alg", json!(alg)).await.unwrap_err(), Rejected::Algorithm, "{alg}");
    }
    assert_eq!(desk.with_header("alg", Value::Null).await.unwrap_err(), Rejected::Algorithm);
    assert_eq!(desk.with_header("alg", json!(["ES256"])).await.unwrap_err(), Rejected::Header);
}

/// A-3.
#[tokio::test]
async fn a_public_key_is_never_a_secret() {
    for (alg, rules) in [("RS256", vec!["RS256"]), ("ES256", vec!["ES256", "HS256"]), ("RS256", vec!["RS256", "HS256"])]
    {
        let algorithms: Vec<Algorithm> = rules.iter().map(|name| Algorithm::named(name).unwrap()).collect();
        let desk = Desk::of(alg, |rules| rules.algorithms.clone_from(&algorithms));
        let der = desk.key.pem().lines().filter(|line| !line.starts_with('-')).collect::<String>();
        let der = BASE64.decode(der.as_ref()).unwrap();
        let jwk = desk.key.jwk();
        let secrets =
            [desk.key.pem().into_bytes(), desk.key.pem().trim().as_bytes().to_vec(), der, jwk.to_string().into()];
        for secret in secrets {
            let forged = TestKey::shared(&secret).token(&json!({ "alg": "HS256", "kid": "a" }), &claims());
            assert!(desk.verify(&forged).await.is_err());
        }
    }
}

/// A-3.
#[tokio::test]
async fn a_key_of_another_kind_or_curve_does_not_verify() {
    let every = ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"];
    for alg in every {
        let algorithms: Vec<Algorithm> = every.iter().map(|name| Algorithm::named(name).unwrap()).collect();
        let desk = Desk::of(alg, |rules| rules.algorithms.clone_from(&algorithms));
        for other in every.iter().filter(|other| **other != alg) {
            let stranger = TestKey::new(other, "a");
            let token = stranger.token(&header_of(&stranger), &claims());
            assert_eq!(desk.verify(&token).await.unwrap_err(), Rejected::UnknownKey, "{other} for {alg}");
            let mut lying = header_of(&stranger);
            lying["alg"] = json!(alg);
            let token = stranger.token(&lying, &claims());
            assert_eq!(desk.verify(&token).await.unwrap_err(), Rejected::Signature, "{other} as {alg}");
        }
        let namesake = TestKey::other(alg, "a");
        let token = namesake.token(&header_of(&namesake), &claims());
        assert_eq!(desk.verify(&token).await.unwrap_err(), Rejected::Signature, "{alg}");
    }
}

/// The cases of Project Wycheproof for ECDSA in the JOSE encoding.
#[tokio::test]
async fn an_ecdsa_signature_is_two_numbers_in_range_and_of_full_length() {
    const ORDER: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6,
        0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let desk = Desk::plain();
    let good = desk.key.token(&header_of(&desk.key), &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_ref()).unwrap();
    let (r, s) = signature.split_at(32);
    let (zero, one, most) = (
        [0; 32],
        {
            let mut one = [0; 32];
            one[31] = 1;
            one
        },
        [0xFF; 32],
    );
    let edges = [zero, one, most, ORDER];
    let mut bad: Vec<Vec<u8>> = Vec::new();
    for edge in edges {
        bad.push([&edge, s].concat());
        bad.push([r, &edge].concat());
        bad.extend(edges.map(|other| [edge, other].concat()));
    }
    let der = |r: &[u8], s: &[u8]| {
        let integer = |n: &[u8]| [&[2, u8::try_from(n.len() + 1).unwrap(), 0], n].concat();
        let body = [integer(r), integer(s)].concat();
        [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
    };
    bad.extend([
        der(r, s),
        [s, r].concat(),
        [&signature[..], &[0]].concat(),
        [&[0], &signature[..]].concat(),
        [&[0], r, &[0], s].concat(),
        signature[..63].to_vec(),
        signature[1..].to_vec(),
        r.to_vec(),
        vec![0],
        vec![0; 64],
        vec![0; 96],
        signature.repeat(2),
    ]);
    for bad in bad {
        let token = format!("{message}.{}", BASE64URL_NOPAD.encode(bad.as_ref()));
        assert_eq!(desk.verify(&token).await.unwrap_err(), Rejected::Signature, "{bad:02x?}");
    }
}

#[tokio::test]
async fn a_shared_secret_verifies_hs256_and_nothing_else() {
    let secret = vec![7; 32];
    let keys = KeySet::of(vec![Key::shared(&SecretSlice::from(secret.clone()), Algorithm::HS256)]);
    let ours = Audience::Only(vec!["us".to_owned()]);
    let verifier = |alg| {
        let rules = Rules::new(vec![alg], ISSUER, ours.clone());
        Verifier::new(rules, Keys::pinned(keys.clone()), Clock::manual(START).0)
    };
    let good = TestKey::shared(&secret).token(&json!({ "alg": "HS256" }), &claims());
    assert!(verifier(Algorithm::HS256).verify(good.as_bytes()).await.is_ok());
    let wrong = TestKey::shared(&[8; 32]).token(&json!({ "alg": "HS256" }), &claims());
    assert_eq!(verifier(Algorithm::HS256).verify(wrong.as_bytes()).await.unwrap_err(), Rejected::Signature.into());
    let as_public = TestKey::shared(&secret).token(&json!({ "alg": "ES256" }), &claims());
    assert_eq!(verifier(Algorithm::ES256).verify(as_public.as_bytes()).await.unwrap_err(), Rejected::UnknownKey.into());
    assert!(!format!("{keys:?}").contains('7'), "and it is not printed");
}

#[tokio::test]
async fn another_kind_of_token_is_not_taken_for_this_one() {
    let desk = Desk::plain();
    for typ in ["JWT", "jwt", "application/jwt", "APPLICATION/JWT"] {
        assert!(desk.with_header("typ", json!(typ)).await.is_ok(), "{typ}");
    }
    assert!(desk.with_header("typ", Value::Null).await.is_ok());
    for typ in ["at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "JWS", "", "JWT2", "application/"] {
        assert_eq!(desk.with_header("typ", json!(typ)).await.unwrap_err(), Rejected::Type, "{typ}");
    }
    assert_eq!(desk.with_header("typ", json!(1)).await.unwrap_err(), Rejected::Header);
    assert_eq!(desk.with_header("cty", json!("JWT")).await.unwrap_err(), Rejected::Type, "a token in a token");
    assert!(desk.with_header("cty", json!("json")).await.is_ok());
    let access = Desk::of("ES256", |rules| rules.types = &["at+jwt", "jwt"]);
    assert!(access.with_header("typ", json!("application/at+jwt")).await.is_ok());
}

#[tokio::test]
async fn extensions_are_refused_and_keys_in_the_token_are_not_looked_at() {
    let desk = Desk::plain();
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("b64"), json!(true)] {
        assert_eq!(desk.with_header("crit", crit).await.unwrap_err(), Rejected::Extension);
    }
    assert_eq!(desk.with_header("zip", json!("DEF")).await.unwrap_err(), Rejected::Extension);
    let attacker = TestKey::other("ES256", "a");
    for name in ["jku", "x5u", "jwk", "x5c"] {
        let mut header = header_of(&attacker);
        header[name] = attacker.jwk();
        let forged = attacker.token(&header, &claims());
        assert_eq!(desk.verify(&forged).await.unwrap_err(), Rejected::Signature, "{name}");
        assert!(desk.with_header(name, json!("https://evil.example")).await.is_ok(), "{name} means nothing here");
    }
}

#[tokio::test]
async fn a_key_id_is_a_short_text() {
    let desk = Desk::plain();
    for kid in [json!(""), json!(7), json!(["a"]), json!("a".repeat(257))] {
        assert_eq!(desk.with_header("kid", kid).await.unwrap_err(), Rejected::Header);
    }
    assert_eq!(desk.with_header("kid", json!("A")).await.unwrap_err(), Rejected::UnknownKey, "compared exactly");
    assert!(desk.with_header("kid", Value::Null).await.is_ok(), "there is only one key that could be meant");
}

/// A-6.
#[tokio::test]
async fn a_name_that_stands_twice_makes_the_token_worthless() {
    let desk = Desk::plain();
    let (header, said) = (header_of(&desk.key).to_string(), claims().to_string());
    let twice = |text: &str, more: &str| format!("{},{more}}}", text.strip_suffix('}').unwrap());
    for more in [
        r#""sub":"admin""#,
        r#""sub":"jane""#,
        r#""s\u0075b":"admin""#,
        r#""exp":99999999999"#,
        r#""deep":[{"a":{"b":1,"b":1}}]"#,
        r#""x":{"__proto__":1,"__proto__":2}"#,
    ] {
        let token = desk.key.token_of(&header, &twice(&said, more));
        assert_eq!(desk.verify(&token).await.unwrap_err(), Rejected::Duplicate, "{more}");
    }
    for more in [r#""alg":"none""#, r#""alg":"ES256""#, r#""kid":"b""#, r#""x":{"y":1,"y":2}"#] {
        let token = desk.key.token_of(&twice(&header, more), &said);
        assert_eq!(desk.verify(&token).await.unwrap_err(), Rejected::Duplicate, "{more}");
    }
    let nested_namesakes = twice(&said, r#""a":{"sub":1},"b":[{"sub":2},{"sub":3}]"#);
    assert!(
        desk.verify(&desk.key.token_of(&header, &nested_namesakes)).await.is_ok(),
        "the same name elsewhere is fine"
    );
}

#[tokio::test]
async fn header_and_claims_are_json_objects_in_utf_8() {
    let desk = Desk::plain();
    let (header, said) = (header_of(&desk.key).to_string(), claims().to_string());
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    for bad in
        ["[]", "null", "7", "\"text\"", "{", "{}{}", "{\"a\":1}x", "{'a':1}", "{\"a\":NaN}", "{\"a\":1e999}", &deep]
    {
        let token = desk.key.token_of(bad, &said);
        assert!(matches!(desk.verify(&token).await.unwrap_err(), Rejected::Header | Rejected::TooLarge), "{bad:.20}");
        let token = desk.key.token_of(&header, bad);
        assert!(matches!(desk.verify(&token).await.unwrap_err(), Rejected::Claims | Rejected::TooLarge), "{bad:.20}");
    }
    for bytes in
        [&b"{\"sub\":\"\xFF\"}"[..], b"{\"sub\":\"\xED\xA0\x80\"}", b"\xEF\xBB\xBF{}", b"{\"sub\":\"\\ud800\"}"]
    {
        assert_eq!(Header::read(bytes).unwrap_err(), Rejected::Header);
    }
}

#[tokio::test]
async fn the_issuer_is_the_one_that_was_configured_to_the_letter() {
    let desk = Desk::plain();
    for issuer in [
        json!(format!("{ISSUER}/")),
        json!("https://LOGIN.example.org"),
        json!(""),
        json!([ISSUER]),
        json!(7),
        Value::Null,
    ] {
        assert_eq!(desk.with("iss", issuer).await.unwrap_err(), Rejected::Issuer);
    }
    assert!(desk.with("iss", json!("countersign")).await.is_err(), "not our own either (A-9)");
}

/// A-2.
#[tokio::test]
async fn an_audience_is_a_text_or_a_list_of_texts_that_names_us() {
    let includes = Desk::plain();
    let only = Desk::of("ES256", |rules| rules.audience = Audience::Only(vec!["us".to_owned(), "also-us".to_owned()]));
    for (named, by_includes, by_only) in [
        (json!("us"), true, true),
        (json!(["us"]), true, true),
        (json!(["us", "also-us"]), true, true),
        (json!(["them", "us"]), true, false),
        (json!("them"), false, false),
        (json!(["them"]), false, false),
        (json!(["us", 7]), false, false),
        (json!(["us", null]), false, false),
        (json!([["us"]]), false, false),
        (json!([]), false, false),
        (json!({ "us": "us" }), false, false),
        (json!(7), false, false),
        (json!(""), false, false),
        (json!("us,them"), false, false),
        (json!("US"), false, false),
        (Value::Null, false, false),
    ] {
        for (desk, accepted) in [(&includes, by_includes), (&only, by_only)] {
            let found = desk.with("aud", named.clone()).await;
            assert_eq!(found.is_ok(), accepted, "{named}");
            assert!(found.is_ok() || found.unwrap_err() == Rejected::Audience, "{named}");
        }
    }
    let nobody = Desk::of("ES256", |rules| rules.audience = Audience::Includes(Vec::new()));
    assert_eq!(nobody.with("aud", json!("us")).await.unwrap_err(), Rejected::Audience, "an empty list is nobody");
}

/// Several audiences are legal where the client is the party, and each of the others is trusted.
#[tokio::test]
async fn an_id_token_may_name_trusted_audiences_beside_the_client() {
    let trusted = vec!["api".to_owned(), "other".to_owned()];
    let desk =
        Desk::of("ES256", |rules| rules.audience = Audience::Client { id: "us".to_owned(), trusted: trusted.clone() });
    let judged = async |aud: Value, azp: Value| {
        let mut said = claims();
        set(&mut said, "aud", aud);
        set(&mut said, "azp", azp);
        desk.verify(&desk.key.token(&header_of(&desk.key), &said)).await.err()
    };
    for (aud, azp, refused) in [
        (json!("us"), Value::Null, None),
        (json!(["us"]), json!("us"), None),
        (json!(["us", "api"]), json!("us"), None),
        (json!(["other", "api", "us"]), json!("us"), None),
        (json!(["us", "api"]), Value::Null, Some(Rejected::Client)),
        (json!(["us", "api"]), json!("api"), Some(Rejected::Client)),
        (json!("us"), json!("api"), Some(Rejected::Client)),
        (json!(["us", "stranger"]), json!("us"), Some(Rejected::Audience)),
        (json!(["api"]), json!("us"), Some(Rejected::Audience)),
        (json!([]), json!("us"), Some(Rejected::Audience)),
        (json!(["us", 7]), json!("us"), Some(Rejected::Audience)),
    ] {
        assert_eq!(judged(aud.clone(), azp.clone()).await, refused, "{aud} {azp}");
    }
    let unnamed = Desk::of("ES256", |rules| rules.audience = Audience::Unnamed);
    assert!(unnamed.with("aud", Value::Null).await.is_ok());
    assert_eq!(unnamed.with("aud", json!("us")).await.unwrap_err(), Rejected::Audience);
}

#[tokio::test]
async fn who_a_token_was_issued_to_counts_where_it_is_configured() {
    let id_token = Desk::of("ES256", |rules| rules.audience = Audience::Only(vec!["us".to_owned()]));
    assert!(id_token.with("azp", json!("us")).await.is_ok());
    for party in [json!("them"), json!(7), json!(["us"]), json!("")] {
        assert_eq!(id_token.with("azp", party).await.unwrap_err(), Rejected::Client);
    }
    let any = Desk::plain();
    assert!(any.with("azp", json!("them")).await.is_ok(), "an access token is issued to some client");
    let some = Desk::of("ES256", |rules| rules.clients = vec!["app".to_owned()]);
    assert_eq!(some.with("x", json!(1)).await.unwrap_err(), Rejected::Client, "it must say to whom");
    for name in ["azp", "client_id"] {
        assert!(some.with(name, json!("app")).await.is_ok());
        assert_eq!(some.with(name, json!("other")).await.unwrap_err(), Rejected::Client);
    }
}

/// A-8.
#[tokio::test]
async fn times_are_kept_to_the_second_with_the_skew_on_either_side() {
    let skew = 30;
    let desk = Desk::plain();
    for (name, at, expected) in [
        ("exp", NOW - skew + 1, None),
        ("exp", NOW - skew, Some(Rejected::Expired)),
        ("nbf", NOW + skew, None),
        ("nbf", NOW + skew + 1, Some(Rejected::Early)),
        ("iat", NOW + skew, None),
        ("iat", NOW + skew + 1, Some(Rejected::Early)),
    ] {
        assert_eq!(desk.with(name, json!(at)).await.err(), expected, "{name} {at}");
    }
    let token = desk.key.token(&header_of(&desk.key), &claims());
    desk.hands.advance(Duration::from_secs(300 + skew - 1));
    assert!(desk.verify(&token).await.is_ok());
    desk.hands.advance(Duration::from_secs(1));
    assert_eq!(desk.verify(&token).await.unwrap_err(), Rejected::Expired);
    let strict = Desk::of("ES256", |rules| rules.skew = Duration::ZERO);
    assert_eq!(strict.with("exp", json!(NOW)).await.unwrap_err(), Rejected::Expired, "a token that ends now has ended");
    assert!(strict.with("exp", json!(NOW + 1)).await.is_ok());
    assert_eq!(strict.with("nbf", json!(NOW + 1)).await.unwrap_err(), Rejected::Early);
}

#[tokio::test]
async fn a_time_is_a_number_of_seconds_within_reason() {
    let desk = Desk::plain();
    assert_eq!(desk.with("exp", Value::Null).await.unwrap_err(), Rejected::Time, "and exp must be there");
    for (name, wrong) in ["exp", "nbf", "iat"].iter().flat_map(|name| {
        let wrong = [
            json!("1767225900"),
            json!(true),
            json!([1]),
            json!({}),
            json!(-1),
            json!(-0.5),
            json!(1e300),
            json!((NOW + 300) * 1000),
        ];
        wrong.map(|wrong| (*name, wrong))
    }) {
        assert_eq!(desk.with(name, wrong.clone()).await.unwrap_err(), Rejected::Time, "{name} {wrong}");
    }
    let with_null = desk.key.token_of(
        &header_of(&desk.key).to_string(),
        &claims().to_string().replace(r#""nbf":"#, r#""nbf":null,"was":"#),
    );
    assert_eq!(desk.verify(&with_null).await.unwrap_err(), Rejected::Time);
    #[expect(clippy::cast_precision_loss, reason = "small enough")]
    let fraction = json!(NOW as f64 + 299.75);
    assert_eq!(desk.with("exp", fraction).await.unwrap().expires_at.0, NOW + 299, "a fraction is cut off");
}

#[tokio::test]
async fn an_old_token_is_refused_where_an_age_is_configured() {
    let desk = Desk::of("ES256", |rules| rules.max_age = Some(Duration::from_secs(100)));
    assert!(desk.with("iat", json!(NOW - 130)).await.is_ok());
    assert_eq!(desk.with("iat", json!(NOW - 131)).await.unwrap_err(), Rejected::TooOld, "however long it lives");
    assert_eq!(desk.with("iat", Value::Null).await.unwrap_err(), Rejected::Time, "and it must say since when it is");
}

#[tokio::test]
async fn claims_that_must_have_a_value_have_it() {
    let requirement = |text: &str| text.parse::<Requirement>().unwrap();
    let desk = Desk::of("ES256", |rules| {
        rules.requirements = vec![requirement("/type=app"), requirement("/hd = example.org|example.com")];
    });
    let judged = async |typ: Value, hd: Value| {
        let mut said = claims();
        set(&mut said, "type", typ);
        set(&mut said, "hd", hd);
        desk.verify(&desk.key.token(&header_of(&desk.key), &said)).await.err()
    };
    assert_eq!(judged(json!("app"), json!("example.com")).await, None);
    assert_eq!(judged(json!(["org", "app"]), json!("example.org")).await, None, "one of a list is enough");
    for (typ, hd) in [
        (json!("org"), json!("example.org")),
        (json!("app"), json!("evil.example")),
        (json!("app"), Value::Null),
        (Value::Null, json!("example.org")),
        (json!({ "app": "app" }), json!("example.org")),
        (json!([]), json!("example.org")),
    ] {
        assert_eq!(judged(typ, hd).await, Some(Rejected::Requirement));
    }
    let pointed = Desk::of("ES256", |rules| rules.requirements = vec![requirement("/a~1b/0/ok=true")]);
    assert!(pointed.with("a/b", json!([{ "ok": true }])).await.is_ok());
    assert!(pointed.with("a/b", json!([{ "ok": false }])).await.is_err());
    for wrong in ["type=app", "/type", "", "="] {
        assert!(wrong.parse::<Requirement>().is_err(), "{wrong}");
    }
}

/// A-1, A-4: AWS signs `iss` and `exp` into the protected header.
#[tokio::test]
async fn claims_in_the_protected_header_count_only_where_the_producer_puts_them_there() {
    let marked =
        Audience::Marked { signers: vec!["arn:us".to_owned(), "arn:us2".to_owned()], client: Some("c".to_owned()) };
    let desk = Desk::of("ES256", |rules| {
        rules.audience = marked.clone();
        rules.replicated = true;
    });
    let judged = async |header: Value, said: Value| {
        let mut full = header_of(&desk.key);
        full.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        desk.verify(&desk.key.token(&full, &said)).await.err()
    };
    let marks = json!({ "signer": "arn:us", "client": "c", "iss": ISSUER, "exp": NOW + 60 });
    let without = |name: &str| {
        let mut marks = marks.clone();
        marks.as_object_mut().unwrap().remove(name);
        marks
    };
    let with = |name: &str, value: Value| {
        let mut marks = marks.clone();
        marks[name] = value;
        marks
    };
    assert_eq!(judged(marks.clone(), json!({ "sub": "jane" })).await, None);
    assert_eq!(judged(with("signer", json!("arn:us2")), json!({ "sub": "jane" })).await, None);
    assert_eq!(judged(without("iss"), json!({ "sub": "jane", "iss": ISSUER })).await, None);
    assert_eq!(judged(without("exp"), json!({ "sub": "jane", "exp": NOW + 60 })).await, None);
    for (header, said, expected) in [
        (without("signer"), json!({}), Rejected::Signer),
        (with("signer", json!("arn:them")), json!({}), Rejected::Signer),
        (with("signer", json!(["arn:us"])), json!({}), Rejected::Header),
        (without("client"), json!({}), Rejected::Signer),
        (with("client", json!("d")), json!({}), Rejected::Signer),
        (without("iss"), json!({}), Rejected::Issuer),
        (with("iss", json!("https://evil.example")), json!({}), Rejected::Issuer),
        (marks.clone(), json!({ "iss": "https://evil.example" }), Rejected::Issuer),
        (without("exp"), json!({}), Rejected::Time),
        (marks.clone(), json!({ "exp": NOW + 61 }), Rejected::Time),
        (with("exp", json!(NOW - 30)), json!({}), Rejected::Expired),
    ] {
        assert_eq!(judged(header.clone(), said.clone()).await, Some(expected), "{header} {said}");
    }
    let plain = Desk::plain();
    let mut header = header_of(&plain.key);
    header["iss"] = json!(ISSUER);
    let token = plain.key.token(&header, &{
        let mut said = claims();
        set(&mut said, "iss", Value::Null);
        said
    });
    assert_eq!(plain.verify(&token).await.unwrap_err(), Rejected::Issuer, "elsewhere a header is no claim");
}

#[test]
fn a_field_that_came_twice_is_no_field() {
    let name = HeaderName::from_static("x-token");
    let mut headers = HeaderMap::new();
    assert_eq!(sole_field(&headers, &name), Ok(None));
    headers.append(&name, HeaderValue::from_static(" abc "));
    assert_eq!(sole_field(&headers, &name), Ok(Some(&b"abc"[..])));
    headers.append(&name, HeaderValue::from_static(" abc "));
    assert_eq!(sole_field(&headers, &name), Err(Rejected::Several));
}

#[test]
fn a_bearer_token_follows_its_scheme() {
    for (field, token) in [
        ("Bearer abc", Some("abc")),
        ("bearer abc", Some("abc")),
        ("BEARER   abc", Some("abc")),
        ("Bearer", Some("")),
        ("Bearer ", Some("")),
        ("Bearerabc", None),
        ("Basic abc", None),
        ("Bear", None),
        ("", None),
        ("Bearer\tabc", None),
    ] {
        assert_eq!(bearer(field.as_bytes()), token.map(str::as_bytes), "{field}");
    }
}

/// Dashboards are built on these words.
#[test]
fn reasons_are_words_that_do_not_change() {
    use Rejected::*;
    let all = [
        TooLarge,
        Several,
        Malformed,
        Header,
        Duplicate,
        Algorithm,
        Type,
        Extension,
        Signer,
        UnknownKey,
        AmbiguousKey,
        Signature,
        Claims,
        Issuer,
        Audience,
        Client,
        Time,
        Expired,
        Early,
        TooOld,
        Requirement,
        Bound,
        Inactive,
        Subject,
    ];
    let words: Vec<&str> = all.iter().map(|rejected| rejected.reason()).collect();
    assert_eq!(
        words.join(" "),
        "too_large several malformed header duplicate_member algorithm token_type extension signer unknown_key \
         ambiguous_key signature claims issuer audience client time expired early too_old requirement bound inactive subject"
    );
}

/// A-10.
#[tokio::test]
async fn nothing_of_a_token_is_printed() {
    let desk = Desk::plain();
    let token = desk.key.token(&json!({ "alg": "ES256", "kid": "a", "x": "canary" }), &claims());
    let parts = split(token.as_bytes(), Padding::Never).unwrap();
    let verified = desk.verify(&token).await.unwrap();
    let printed = format!("{parts:?} {:?} {verified:?}", parts.header().unwrap());
    for secret in ["canary", "jane", ISSUER, &token[..20]] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// What the splitter accepts, said in another way.
fn is_compact(token: &[u8]) -> bool {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.iter().all(alphabet))
}

proptest! {
    #[test]
    fn the_splitter_takes_what_is_compact_and_never_panics(token in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(split(&token, Padding::Never).is_ok(), is_compact(&token));
        let _ = split(&token, Padding::Accepted).map(|parts| parts.header());
    }

    #[test]
    fn the_splitter_takes_what_looks_compact_and_never_panics(token in "[A-Za-z0-9_.=-]{0,60}") {
        prop_assert_eq!(split(token.as_bytes(), Padding::Never).is_ok(), is_compact(token.as_bytes()));
        let _ = split(token.as_bytes(), Padding::Accepted).map(|parts| parts.header());
    }

    #[test]
    fn the_header_reader_never_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Header::read(&text);
    }

    #[test]
    fn json_without_twice_named_members_reads_as_everywhere(text in r#"[\[\]{}:,"a0-9.e\\ntruefalse -]{0,40}"#) {
        let common = serde_json::from_str::<Value>(&text).ok();
        match json::unique(text.as_bytes()) {
            Ok(value) => prop_assert_eq!(Some(value), common),
            Err(NotJson::Malformed) => prop_assert_eq!(None, common),
            Err(NotJson::Duplicate) => {}
        }
    }

    #[test]
    fn a_random_token_is_never_believed(header in "[A-Za-z0-9_-]{1,80}", said in "[A-Za-z0-9_-]{1,80}", signature in "[A-Za-z0-9_-]{1,90}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let token = format!("{header}.{said}.{signature}");
        prop_assert!(runtime.block_on(Desk::plain().verify(&token)).is_err());
    }
}
