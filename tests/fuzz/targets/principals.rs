//! Azure's principals, against a small reader of our own: tenant and object id together, else the name id, else the id of
//! Static Web Apps, each only where it is said once; and nobody where it is not.
#![no_main]

mod fit;

use std::sync::LazyLock;

use countersign::config::env::Env;
use countersign::net::peer::{Transport, TrustedProxies};
use countersign::session::Authenticator as _;
use countersign::sources::forwarded::{Forwarded, Settings};
use data_encoding::{BASE64, BASE64_NOPAD};
use fit::is_fit;
use futures_util::FutureExt as _;
use http::Request;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const PROOF: &str = "a-proof-that-only-the-proxy-and-we-know";

static SOURCE: LazyLock<Forwarded> = LazyLock::new(|| {
    let mut env = Env::new([("FORWARDED_CONVENTION", "easy-auth"), ("FORWARDED_PROOF_SECRET", PROOF)]);
    let proxies = TrustedProxies::default();
    let settings = Settings::read(&mut env, &proxies, Transport::Open).expect("a sound configuration");
    Forwarded::new(settings, proxies)
});

fuzz_target!(|json: &[u8]| {
    let mut subjects = Vec::new();
    for text in [BASE64.encode(json), BASE64_NOPAD.encode(json)] {
        let request = Request::get("/").header("x-countersign-proof", PROOF).header("x-ms-client-principal", text);
        let Ok(request) = request.body(()) else { return };
        let asked = SOURCE.authenticate(&request.into_parts().0).now_or_never().expect("headers are not waited for");
        let found = asked.expect("headers have no outage").ok();
        if let Some(session) = &found {
            is_fit(&session.identity);
            let said = subject(json).expect("somebody, where the document names nobody");
            assert_eq!(session.identity.subject.as_str(), said.trim_ascii());
        }
        subjects.push(found.map(|session| session.identity.subject));
    }
    assert_eq!(subjects[0], subjects[1], "padding decides nothing");
});

/// Who it is, by the rule and not by the code; text other than ASCII may be composed differently, and is left alone.
fn subject(json: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(json).ok()?;
    let claims = document["claims"].as_array().cloned().unwrap_or_default();
    let one = |types: &[&str]| -> Option<String> {
        let named = claims.iter().filter(|claim| claim["typ"].as_str().is_some_and(|typ| types.contains(&typ)));
        let mut values: Vec<&str> = named.filter_map(|claim| claim["val"].as_str()).collect();
        values.dedup();
        (values.len() == 1).then(|| values[0].to_owned())
    };
    let microsoft = |name: &str| format!("http://schemas.microsoft.com/identity/claims/{name}");
    let tenant = one(&["tid", &microsoft("tenantid")]);
    let object = one(&["oid", &microsoft("objectidentifier")]);
    let named = one(&["sub", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"]);
    let durable = tenant.zip(object).map(|(tenant, object)| format!("{tenant}.{object}"));
    let said = durable.or(named).or_else(|| document["userId"].as_str().map(str::to_owned));
    said.map(|text| if text.is_ascii() { text } else { composed(&text) })
}

/// As the source composes it: what is compared here is which text is read, not how Unicode is composed.
fn composed(text: &str) -> String {
    countersign::session::identity::tidy(text, usize::MAX).ok().flatten().unwrap_or_default()
}
