//! Claim templates, and what visitors are called: no template compiles into a panic, and no name gets hold of a claim that is
//! ours.
#![no_main]

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use countersign::base::clock::{Clock, UnixTime};
use countersign::claims::{ClaimTemplate, PageInput, Registered, Scope, Stamp, Stamped, SubjectRule};
use countersign::session::Session;
use countersign::session::identity::{Identity, NAME_MAX, Subject, tidy};
use libfuzzer_sys::fuzz_target;

static STAMP: LazyLock<Stamp> = LazyLock::new(|| {
    let (clock, _hands) = Clock::manual(UnixTime(1_900_000_000));
    Stamp::new(clock.now(), Duration::from_mins(5), Duration::from_secs(5), None).expect("five minutes are left")
});

fn registered() -> Registered {
    Registered {
        issuer: Some("https://www.example.org".to_owned()),
        audience: vec!["https://chat.example.com".to_owned()],
        subject: Some(SubjectRule { claim: Cow::Borrowed("sub"), max: 256, alphanumeric: false }),
        stamped: vec![Stamped::IssuedAt, Stamped::NotBefore, Stamped::Expires, Stamped::Id],
    }
}

// A template, and after a zero byte the visitor's name.
fuzz_target!(|text: &str| {
    let (template, name) = text.split_once('\0').unwrap_or((text, "Ada"));
    let Ok(template) = ClaimTemplate::compile(template, registered()) else { return };
    let mut identity = Identity::new(Subject::new("4711").expect("an id"));
    identity.name = tidy(name, NAME_MAX).ok().flatten();
    identity.email = Some("ada@example.org".to_owned());
    identity.groups = vec!["patients".to_owned(), "staff, night".to_owned()];
    let session = Session { identity, source: "fuzz", expires_at: None, authenticated_at: None };
    let page = PageInput::default();
    let scope =
        Scope { session: &session, subject: "4711", widget: "support", ticket: None, agent: false, page: &page };
    let Ok(claims) = template.fill(&scope, &STAMP) else { return };
    let map = claims.map();
    assert_eq!(map["sub"], "4711");
    assert_eq!(map["iss"], "https://www.example.org");
    assert_eq!(map["aud"], "https://chat.example.com");
    assert_eq!(map["exp"], STAMP.expires_at.0);
    assert_eq!(map["iat"], STAMP.issued_at.0);
    assert_eq!(map["jti"], STAMP.id());
});
