//! Gleap: hexadecimal HMAC-SHA256 of the user's id under the secret as text.
//!
//! Source: <https://docs.gleap.io/documentation/javascript/enforce-identity-verification>.

use super::{Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "gleap",
    title: "Gleap",
    document: "https://docs.gleap.io/documentation/javascript/enforce-identity-verification",
    format: Format::Digest(r#"{ "parts": ["userId"], "field": "userHash" }"#),
    console: "Project > Security > Identity verification: the secret, as text",
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("userId", SUBJECT_MAX)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { Gleap.identify(answer.userId, { name: answer.name, email: answer.email }, answer.userHash); });",
    page_logout: "Gleap.clearIdentity();",
    ..Profile::DIGEST
};
