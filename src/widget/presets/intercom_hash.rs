//! Intercom Messenger, `user_hash`: lower-case hexadecimal HMAC-SHA256 of `user_id` under the secret as text.
//!
//! Source: <https://developers.intercom.com/installing-intercom/web/identity-verification>.

use super::{Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "intercom-hash",
    title: "Intercom Messenger, user_hash",
    document: "https://developers.intercom.com/installing-intercom/web/identity-verification",
    format: Format::Digest(r#"{ "parts": ["user_id"], "field": "user_hash" }"#),
    console: "Settings > Messenger > Security: the identity verification secret, as text",
    notes: &["Deprecated by the vendor in favour of tokens (preset `intercom`), and still accepted.", "A hash has no end: it holds until the secret is changed."],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("user_id", SUBJECT_MAX)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { Intercom('boot', { app_id: 'YOUR_APP_ID', user_id: answer.user_id, email: answer.email, user_hash: answer.user_hash }); });",
    page_logout: "Intercom('shutdown');",
    ..Profile::DIGEST
};
