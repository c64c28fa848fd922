//! Chatwoot: hexadecimal HMAC-SHA256 of the identifier under the inbox's token as text.
//!
//! Source: <https://www.chatwoot.com/hc/user-guide/articles/1677587234-how-to-enable-identity-validation-in-chatwoot>.

use super::{Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "chatwoot",
    title: "Chatwoot",
    document: "https://www.chatwoot.com/hc/user-guide/articles/1677587234-how-to-enable-identity-validation-in-chatwoot",
    format: Format::Digest(r#"{ "parts": ["identifier"], "field": "identifier_hash" }"#),
    console: "Settings > Inboxes > the website > Configuration > Identity validation: the HMAC token, as text",
    notes: &["Make the validation mandatory there, or the hash is optional. Even then only setUser is guarded: visitors without one can write."],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("identifier", SUBJECT_MAX)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.$chatwoot.setUser(answer.identifier, { name: answer.name, email: answer.email, identifier_hash: answer.identifier_hash }); });",
    page_logout: "window.$chatwoot.reset();",
    ..Profile::DIGEST
};
