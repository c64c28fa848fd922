//! Ably, JWT: HS256 under the key's secret as text, the key's name (`app.key`) as `kid`; the capability is JSON text inside a claim.
//!
//! Source: <https://ably.com/docs/auth/token/jwt>.

use std::time::Duration;

use super::{Constant, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "ably",
    title: "Ably, JWT",
    document: "https://ably.com/docs/auth/token/jwt",
    console: "App > API Keys: what stands before the colon is the name (WIDGET_KEY_ID), what stands after it the secret, as text",
    constants: &[Constant::required(
        "capability",
        r#"what the visitor may do, as JSON text such as {"support:*":["subscribe","publish"]}; give WIDGET_CONSTANTS as a JSON object"#,
    )],
    key_id: true,
    fixed: r#"{ "x-ably-capability": "{{ config.capability }}" }"#,
    subject: Some(SubjectClaim::of("x-ably-clientId", SUBJECT_MAX)),
    lifetime: Duration::from_mins(30),
    page_login: "window.ably = new Ably.Realtime({ authCallback: function (parameters, callback) {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { callback(null, answer.token); });
} });",
    page_logout: "window.ably.close();",
    ..Profile::TOKEN
};
