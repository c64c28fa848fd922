//! Re:amaze: hexadecimal HMAC-SHA256 of `id:email` under the SSO secret as text.
//!
//! Source: <https://www.reamaze.com/developer/widget_auth>.

use super::{Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "reamaze",
    title: "Re:amaze",
    document: "https://www.reamaze.com/developer/widget_auth",
    format: Format::Digest(r#"{ "parts": ["id", "email"], "separator": ":", "field": "authkey" }"#),
    console: "Settings > Developer > SSO: the shared secret, as text",
    notes: &["An id or address with a colon in it is refused: the signed text could be read in two ways."],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "required": true, "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("id", SUBJECT_MAX)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window._support = window._support || {};
    window._support.user = { id: answer.id, email: answer.email, name: answer.name, authkey: answer.authkey }; });",
    page_logout: "window._support.user = {};",
    ..Profile::DIGEST
};
