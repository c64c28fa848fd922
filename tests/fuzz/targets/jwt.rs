//! Tokens of others: whatever comes in their place, only what was signed is believed, and what was signed is read strictly.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use countersign::base::clock::{Clock, UnixTime};
use countersign::jose::algorithm::Algorithm;
use countersign::jose::jwks::Keys;
use countersign::jose::jwks::key::{Key, KeySet};
use countersign::jose::jws::Verifier;
use countersign::jose::jws::compact::{Padding, split};
use countersign::jose::jws::rules::{Audience, Rules};
use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt as _;
use libfuzzer_sys::fuzz_target;
use secrecy::SecretSlice;

const SECRET: &[u8] = b"a secret that only this target knows";
const NOW: UnixTime = UnixTime(1_900_000_000);

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let algorithm = Algorithm::named("HS256").expect("an algorithm");
    let key = Key::shared(&SecretSlice::from(SECRET.to_vec()), algorithm);
    let audience = Audience::Includes(vec!["chat".to_owned()]);
    let rules = Rules::new(vec![algorithm], "https://idp.example", audience);
    Verifier::new(rules, Keys::pinned(KeySet::of(vec![key])), Clock::manual(NOW).0)
});

fn signed(header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", BASE64URL_NOPAD.encode(header), BASE64URL_NOPAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

// A first byte of `s` signs what follows, as header and claims around a zero byte; otherwise all of it is the token.
fuzz_target!(|data: &[u8]| {
    for padding in [Padding::Never, Padding::Accepted] {
        if let Ok(parts) = split(data, padding) {
            let _ = parts.header();
        }
    }
    let ours = data.strip_prefix(b"s").and_then(|rest| {
        let middle = rest.iter().position(|byte| *byte == 0)?;
        Some(signed(&rest[..middle], &rest[middle + 1..]))
    });
    let token = ours.as_ref().map_or(data, |token| token.as_bytes());
    let Ok(verified) = VERIFIER.verify(token).now_or_never().expect("pinned keys are not waited for") else { return };
    assert!(ours.is_some(), "a token that nobody signed was believed");
    assert_eq!(verified.claims["iss"], "https://idp.example");
    assert!(verified.expires_at > UnixTime(NOW.0 - 300));
    let audience = &verified.claims["aud"];
    assert!(audience == "chat" || audience.as_array().is_some_and(|all| all.iter().any(|one| one == "chat")));
});
