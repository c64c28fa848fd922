//! Chatbase: HS256 under the secret as text; `user_id` and attributes of the contact.
//!
//! Source: <https://www.chatbase.co/docs/developer-guides/identity-verification>.

use std::time::Duration;

use super::{Confidence, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "chatbase",
    title: "Chatbase",
    document: "https://www.chatbase.co/docs/developer-guides/identity-verification",
    confidence: Confidence::Gap,
    console: "Chatbot > Connect > Embed > identity verification: the secret key, as text",
    notes: &[
        "The vendor's table of claims could be read in part only; whether it honours exp, and the logout call, were not seen.",
    ],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("user_id", SUBJECT_MAX)),
    lifetime: Duration::from_mins(30),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.chatbase('identify', { token: answer.token }); });",
    page_logout: "/* remove the widget from the page; identifying the next visitor overwrites this one */",
    ..Profile::TOKEN
};
