//! Identity headers of every convention, through the guard and the decoder: what passes is one identity, said once, by the
//! proxy, in text that is fit to be a claim.
#![no_main]

mod fit;

use std::sync::LazyLock;

use countersign::config::env::Env;
use countersign::http::guard::{Guard, fold};
use countersign::net::peer::{Peer, Transport, TrustedProxies};
use countersign::session::{Authenticator as _, Session};
use countersign::sources::forwarded::{Forwarded, Settings};
use data_encoding::BASE64;
use fit::is_fit;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const PROOF: &str = "a-proof-that-only-the-proxy-and-we-know";
const PRINCIPAL: &str = "x-ms-client-principal";
const CONVENTIONS: [&str; 7] = [
    "oauth2-proxy",
    "oauth2-proxy-auth-request",
    "authelia",
    "authentik",
    "easy-auth",
    "mod-auth-openidc",
    "remote-user",
];
const WAYS: [(&str, &str); 4] = [("none", "utf8"), ("none", "latin1"), ("percent", "utf8"), ("base64url", "utf8")];

struct House {
    source: Forwarded,
    guard: Guard,
    guarded: Vec<HeaderName>,
}

static HOUSES: LazyLock<Vec<House>> = LazyLock::new(|| {
    let ways = CONVENTIONS.iter().flat_map(|convention| WAYS.iter().map(move |way| (*convention, *way)));
    ways.map(|(convention, (encoding, charset))| house(convention, encoding, charset)).collect()
});

static PROXIES: LazyLock<TrustedProxies> =
    LazyLock::new(|| TrustedProxies::read(&mut Env::new([("TRUSTED_PROXIES", "10.0.0.0/8,::1,192.0.2.1")])));

fn house(convention: &str, encoding: &str, charset: &str) -> House {
    let mut env = Env::new([
        ("FORWARDED_CONVENTION", convention),
        ("FORWARDED_PROOF_SECRET", PROOF),
        ("FORWARDED_ENCODING", encoding),
        ("FORWARDED_CHARSET", charset),
        ("FORWARDED_EXPIRES_HEADER", "X-Expires"),
        ("FORWARDED_AUTH_TIME_HEADER", "X-Auth-Time"),
        ("FORWARDED_EMAIL_VERIFIED_HEADER", "X-Verified"),
        ("FORWARDED_ATTRIBUTES", "plan=X-Plan"),
    ]);
    let proxies = TrustedProxies::default();
    let settings = Settings::read(&mut env, &proxies, Transport::Open).expect("a sound configuration");
    let source = Forwarded::new(settings, proxies);
    let guarded = source.guarded();
    House { guarded: guarded.headers.clone(), guard: Guard::new(guarded), source }
}

fn request(lines: &[u8], proof: Option<&'static str>) -> Parts {
    let mut parts = http::Request::new(()).into_parts().0;
    parts
        .headers
        .extend(proof.map(|proof| (HeaderName::from_static("x-countersign-proof"), HeaderValue::from_static(proof))));
    for line in lines.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        let Ok(name) = HeaderName::from_bytes(name) else { continue };
        // So that the fuzzer writes JSON and not base64.
        let value = if name == PRINCIPAL { BASE64.encode(value).into_bytes() } else { value.to_vec() };
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let _ = parts.headers.try_append(name, value);
        }
    }
    parts
}

fn ask(house: &House, request: &Parts) -> Option<Session> {
    let asked = house.source.authenticate(request).now_or_never().expect("headers are not waited for");
    // A header that does not fit its setting is the operator's to mend; nothing else of headers can fail.
    asked.map_or_else(|outage| outage.misfit.map(|_| None).expect("headers have no outage"), Result::ok)
}

// The first byte chooses the convention and the encoding; the rest is header lines.
fuzz_target!(|data: &[u8]| {
    let Some((first, lines)) = data.split_first() else { return };
    let house = &HOUSES[usize::from(*first) % HOUSES.len()];
    assert_eq!(ask(house, &request(lines, None)).filter(|_| !says_the_proof(lines)), None, "believed without a proof");
    let request = request(lines, Some(PROOF));
    for peer in [Peer::Unix, Peer::Tcp([10, 0, 0, 1].into()), Peer::Tcp([203, 0, 113, 5].into())] {
        let _ = PROXIES.client(peer, &request.headers);
    }
    if house.guard.inspect(&request.headers).is_err() {
        return;
    }
    said_once(house, &request.headers);
    if let Some(session) = ask(house, &request) {
        is_fit(&session.identity);
    }
});

fn says_the_proof(lines: &[u8]) -> bool {
    lines.windows(PROOF.len()).any(|window| window == PROOF.as_bytes())
}

/// What the guard lets through holds every guarded name at most once, and none in another spelling.
fn said_once(house: &House, headers: &HeaderMap) {
    for name in &house.guarded {
        assert!(headers.get_all(name).iter().count() <= 1, "{name} twice");
        let alike = |other: &&HeaderName| fold(other.as_str()) == fold(name.as_str());
        assert!(headers.keys().filter(alike).all(|other| house.guarded.contains(other)), "an alias of {name}");
    }
}
