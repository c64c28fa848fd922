//! Templates: typed, checked at start, and deaf to whatever a visitor calls themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use countersign::base::clock::Clock;
use countersign::claims::{
    ClaimTemplate, Incomplete, Missing, PageInput, Registered, Scope, Stamp, Stamped, SubjectRule,
};
use countersign::session::Session;
use countersign::session::identity::{Identity, Subject};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::kit::START;

fn registered() -> Registered {
    Registered {
        issuer: Some("https://www.example.org".to_owned()),
        audience: vec!["https://chat.example.com".to_owned()],
        subject: Some(SubjectRule { claim: Cow::Borrowed("sub"), max: 256, alphanumeric: false }),
        stamped: vec![Stamped::IssuedAt, Stamped::NotBefore, Stamped::Expires, Stamped::Id],
    }
}

fn nothing() -> Registered {
    Registered { issuer: None, audience: Vec::new(), subject: None, stamped: Vec::new() }
}

fn jane() -> Session {
    let mut identity = Identity::new(Subject::new("u1").unwrap());
    identity.name = Some("Jane Doe".to_owned());
    identity.email = Some("jane@example.org".to_owned());
    identity.email_verified = Some(false);
    identity.groups = vec!["staff".to_owned(), "night".to_owned()];
    identity.attributes = BTreeMap::from([
        ("age".to_owned(), json!(41)),
        ("plan".to_owned(), json!("gold")),
        ("tags".to_owned(), json!({"a": [1, true]})),
    ]);
    Session { identity, source: "test", expires_at: None, authenticated_at: None }
}

fn fill_with(template: &str, registered: Registered, session: &Session) -> Result<Map<String, Value>, Incomplete> {
    let (clock, _) = Clock::manual(START);
    let template = ClaimTemplate::compile(template, registered).unwrap();
    let stamp = Stamp::new(clock.now(), Duration::from_mins(1), Duration::ZERO, None).unwrap();
    let page = PageInput::default();
    let scope = Scope {
        session,
        subject: session.identity.subject.as_str(),
        widget: "w",
        ticket: None,
        agent: false,
        page: &page,
    };
    template.fill(&scope, &stamp).map(|claims| claims.map())
}

fn fill(template: &Value, session: &Session) -> Value {
    Value::Object(fill_with(&template.to_string(), nothing(), session).unwrap())
}

/// T-3.
#[test]
fn no_template_sets_a_registered_claim_at_any_depth() {
    for name in ["iss", "aud", "sub", "exp", "nbf", "iat", "jti"] {
        for template in
            [json!({ name: "x" }), json!({ "a": { name: "{{ name }}" } }), json!({ "a": [{ "b": { name: 1 } }] })]
        {
            let errors = ClaimTemplate::compile(&template.to_string(), registered()).unwrap_err();
            assert!(errors[0].path.ends_with(name), "{template}");
            assert!(errors[0].to_string().contains("cannot be set"), "{template}");
        }
    }
}

/// T-3: the claim that identifies the visitor is ours, whatever a vendor calls it.
#[test]
fn no_template_sets_the_identifying_claim() {
    let rule = SubjectRule { claim: Cow::Borrowed("external_id"), max: 200, alphanumeric: true };
    let registered = Registered { subject: Some(rule), ..nothing() };
    assert!(ClaimTemplate::compile(r#"{"external_id": "{{ email }}"}"#, registered).is_err());
}

/// T-4.
#[test]
fn values_keep_their_json_type() {
    let template = json!({ "age": "{{ attributes.age }}", "verified": "{{ email_verified }}", "groups": "{{ groups }}", "tags": "{{ attributes.tags }}", "literal": 7, "none": null });
    let claims = fill(&template, &jane());
    assert_eq!(
        claims,
        json!({ "age": 41, "verified": false, "groups": ["staff", "night"], "tags": { "a": [1, true] }, "literal": 7, "none": null })
    );
}

#[test]
fn expressions_fall_back_join_and_choose() {
    let template = json!({
        "first": "{{ attributes.nickname or name or email }}",
        "joined": "{{ name ~ ' (' ~ attributes.plan ~ ')' }}",
        "chosen": "{{ 'nurse' if 'staff' in groups else 'visitor' }}",
        "upper": "{{ attributes.plan | upper }}",
        "first_group": "{{ groups | first }}",
        "absent_part": "{{ attributes.title ~ ' ' ~ name }}",
    });
    let claims = fill(&template, &jane());
    assert_eq!(
        claims,
        json!({ "first": "Jane Doe", "joined": "Jane Doe (gold)", "chosen": "nurse", "upper": "GOLD", "first_group": "staff", "absent_part": "Jane Doe" })
    );
}

#[test]
fn what_is_absent_is_left_out_and_never_written_as_null_or_empty() {
    let template = json!({ "a": "{{ locale }}", "b": "{{ attributes.nothing }}", "c": { "d": "{{ locale }}" }, "e": "{{ locale or attributes.none }}", "f": "kept" });
    assert_eq!(fill(&template, &jane()), json!({ "f": "kept" }));
}

#[test]
fn a_required_claim_that_is_absent_refuses_and_is_named() {
    let refused =
        fill_with(r#"{"a": {"b": {"$claim": "{{ locale }}", "required": true}}}"#, nothing(), &jane()).unwrap_err();
    assert_eq!(refused, Incomplete { claim: "a.b".to_owned(), reason: Missing::Missing });
}

#[test]
fn a_rule_coerces_bounds_and_refuses() {
    let one =
        |rule: Value| fill_with(&json!({ "x": rule }).to_string(), nothing(), &jane()).map(|m| m.get("x").cloned());
    assert_eq!(one(json!({ "$claim": "{{ attributes.age }}", "as": "string" })), Ok(Some(json!("41"))));
    assert_eq!(one(json!({ "$claim": "{{ '12' }}", "as": "integer" })), Ok(Some(json!(12))));
    assert_eq!(one(json!({ "$claim": "{{ 'TRUE' }}", "as": "boolean" })), Ok(Some(json!(true))));
    assert_eq!(one(json!({ "$claim": "{{ name }}", "as": "list" })), Ok(Some(json!(["Jane Doe"]))));
    assert_eq!(
        one(json!({ "$claim": "{{ attributes.tags }}", "as": "json-text" })),
        Ok(Some(json!(r#"{"a":[1,true]}"#)))
    );
    assert_eq!(one(json!({ "$claim": "{{ name }}", "as": "integer" })).unwrap_err().reason, Missing::WrongType);
    assert_eq!(one(json!({ "$claim": "{{ name }}", "max": 4 })).unwrap_err().reason, Missing::TooLong);
    let long = json!({ "$claim": "{{ name ~ name }}" });
    let mut letters = jane();
    letters.identity.name = Some("x".repeat(1000));
    let refused = fill_with(&json!({ "c": long }).to_string(), nothing(), &letters).unwrap_err();
    assert_eq!(refused.reason, Missing::TooLongByDefault, "our own limit is not called the vendor's");
    letters.identity.groups = (0..300).map(|n| format!("CN=group-{n},OU=Groups,DC=hospital,DC=test")).collect();
    let filled = fill_with(r#"{"c":"{{ groups }}"}"#, nothing(), &letters).unwrap();
    assert_eq!(filled["c"].as_array().unwrap().len(), 300, "lists are held by the token's size alone");
    assert_eq!(
        one(json!({ "$claim": "{{ name }}", "max": 5, "overlong": "truncate" })),
        Ok(Some(json!("Jane"))),
        "and no space at the end"
    );
    assert_eq!(
        one(json!({ "$claim": "{{ name }}", "charset": "alphanumeric" })).unwrap_err().reason,
        Missing::NotAlphanumeric
    );
}

#[test]
fn registered_claims_come_last_and_in_the_right_shape() {
    let claims = fill_with(r#"{"name": "{{ name }}"}"#, registered(), &jane()).unwrap();
    assert_eq!(claims["iss"], "https://www.example.org");
    assert_eq!(claims["aud"], "https://chat.example.com", "one audience is a string");
    assert_eq!(claims["sub"], "u1");
    assert_eq!(claims["exp"], START.0 + 60);
    let several = Registered { audience: vec!["a".to_owned(), "b".to_owned()], ..registered() };
    assert_eq!(fill_with("{}", several, &jane()).unwrap()["aud"], json!(["a", "b"]));
}

fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            found.push(format!("{path}.{name}"));
            keys(value, &format!("{path}.{name}"), found);
        }),
        Value::Array(items) => items.iter().for_each(|value| keys(value, &format!("{path}[]"), found)),
        _ => {}
    }
}

proptest! {
    /// T-4.
    #[test]
    fn no_text_of_a_visitor_adds_or_alters_a_claim(name in ".{1,80}", email in ".{1,80}", group in ".{1,40}", attribute in ".{1,80}") {
        let template = json!({
            "n": "{{ name }}", "both": "{{ name ~ email }}", "e": { "inner": "{{ email }}" }, "g": "{{ groups }}", "p": "{{ attributes.plan }}",
            "fixed": "literal"
        });
        let mut session = jane();
        let visible = |text: &str| format!("x{text}");
        session.identity.name = Some(visible(&name));
        session.identity.email = Some(visible(&email));
        session.identity.groups = vec![visible(&group)];
        session.identity.attributes = BTreeMap::from([("plan".to_owned(), Value::from(visible(&attribute)))]);
        let filled = Value::Object(fill_with(&template.to_string(), registered(), &session).unwrap());
        let plain = Value::Object(fill_with(&template.to_string(), registered(), &jane()).unwrap());
        let (mut hostile, mut usual) = (Vec::new(), Vec::new());
        keys(&filled, "", &mut hostile);
        keys(&plain, "", &mut usual);
        prop_assert_eq!(hostile, usual);
        prop_assert_eq!(&filled["fixed"], "literal");
        prop_assert_eq!(&filled["sub"], "u1");
        let expected = visible(&name);
        prop_assert_eq!(filled["n"].as_str().unwrap(), expected.trim());
    }

    #[test]
    fn no_template_brings_the_compiler_down(text in ".{0,120}") {
        let _ = ClaimTemplate::compile(&text, registered());
        let _ = ClaimTemplate::compile(&json!({ "a": format!("{{{{ {text} }}}}") }).to_string(), registered());
    }
}
