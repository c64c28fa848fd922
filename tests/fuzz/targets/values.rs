//! Forwarded values in every encoding: what the proxy encodes is what is read, and what nobody can have encoded is nobody.
#![no_main]

mod fit;

use std::sync::LazyLock;

use countersign::config::env::Env;
use countersign::net::peer::{Transport, TrustedProxies};
use countersign::session::identity::{SUBJECT_MAX, tidy};
use countersign::session::{Authenticator as _, Session};
use countersign::sources::forwarded::{Forwarded, Settings};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use fit::is_fit;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

const PROOF: &str = "a-proof-that-only-the-proxy-and-we-know";
const ENCODINGS: [&str; 5] = ["none", "percent", "base64", "base64url", "rfc2047"];
const CHARSETS: [&str; 2] = ["utf8", "latin1"];

static SOURCES: LazyLock<Vec<Forwarded>> = LazyLock::new(|| {
    let ways = ENCODINGS.iter().flat_map(|encoding| CHARSETS.iter().map(move |charset| (*encoding, *charset)));
    ways.map(|(encoding, charset)| source(encoding, charset)).collect()
});

fn source(encoding: &str, charset: &str) -> Forwarded {
    let mut env = Env::new([
        ("FORWARDED_CONVENTION", "oauth2-proxy"),
        ("FORWARDED_PROOF_SECRET", PROOF),
        ("FORWARDED_ENCODING", encoding),
        ("FORWARDED_CHARSET", charset),
    ]);
    let proxies = TrustedProxies::default();
    let settings = Settings::read(&mut env, &proxies, Transport::Open).expect("a sound configuration");
    Forwarded::new(settings, proxies)
}

fn ask(source: &Forwarded, value: &[u8]) -> Option<Session> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let request = Request::get("/")
        .header("x-countersign-proof", PROOF)
        .header("x-forwarded-user", value.clone())
        .header("x-forwarded-preferred-username", value.clone())
        .header("x-forwarded-email", value.clone())
        .header("x-forwarded-groups", value);
    let request = request.body(()).expect("a request").into_parts().0;
    // A list that was cut at its names' own commas is the operator's to mend.
    source.authenticate(&request).now_or_never().expect("headers are not waited for").ok()?.ok()
}

/// As a proxy encodes, by another hand than that which decodes.
fn encoded(text: &str, encoding: &str) -> Vec<u8> {
    match encoding {
        "percent" => text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>().into_bytes(),
        "base64" => BASE64.encode(text.as_bytes()).into_bytes(),
        "base64url" => BASE64URL_NOPAD.encode(text.as_bytes()).into_bytes(),
        "rfc2047" => format!("=?utf-8?B?{}?=", BASE64.encode(text.as_bytes())).into_bytes(),
        _ => text.as_bytes().to_vec(),
    }
}

// The first byte chooses the encoding and the character set; the rest is a value, as it comes and as a proxy encodes it.
fuzz_target!(|data: &[u8]| {
    let Some((first, value)) = data.split_first() else { return };
    let at = usize::from(*first) % SOURCES.len();
    let (source, encoding) = (&SOURCES[at], ENCODINGS[at / CHARSETS.len()]);
    if let Some(session) = ask(source, value) {
        is_fit(&session.identity);
    }
    let Ok(text) = str::from_utf8(value) else { return };
    let meant = tidy(text, SUBJECT_MAX).ok().flatten();
    // Text as it is cannot hold what no header can, nor what means an encoded word.
    let plain = HeaderValue::from_str(text).is_ok() && text.is_ascii() && !text.contains("=?");
    if encoding == "none" && !plain {
        return;
    }
    let cut = text.contains([',', '[']);
    match ask(source, &encoded(text, encoding)) {
        Some(session) => assert_eq!(Some(session.identity.subject.as_str()), meant.as_deref(), "{text:?}"),
        None => assert!(meant.is_none() || cut, "nobody, for {text:?}"),
    }
});
