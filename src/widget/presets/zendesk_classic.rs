//! Zendesk Chat and Web Widget (Classic): HS256 under the shared secret as text; `exp` lies at most seven minutes after `iat`.
//!
//! Source: <https://support.zendesk.com/hc/en-us/articles/4408838925082>.

use std::time::Duration;

use super::{Profile, SubjectClaim};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "zendesk-classic",
    title: "Zendesk Chat and Web Widget (Classic)",
    document: "https://support.zendesk.com/hc/en-us/articles/4408838925082",
    console: "Zendesk Chat > Settings > Widget > Widget security > Visitor authentication: the shared secret, as text",
    notes: &[
        "The widget asks for a token several times in a session.",
        "E-mail addresses with accented characters are refused.",
        "Making a new secret may drop visitors for about five minutes; the chat's pop-out is off for authenticated visitors.",
    ],
    template: r#"{
  "name": { "$claim": "{{ name or email }}", "required": true, "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "required": true, "max": 320, "charset": "token" }
}"#,
    subject: Some(SubjectClaim::of("external_id", 255)),
    lifetime: Duration::from_mins(5),
    lifetime_max: Duration::from_mins(7),
    span_max: Some(Duration::from_mins(7)),
    page_login: "window.zESettings = { webWidget: { authenticate: { chat: { jwtFn: function (callback) {
  fetch('{token_url}', { method: 'POST', headers: { Accept: 'text/plain' } })
    .then(function (response) { return response.text(); })
    .then(function (token) { callback(token); });
} } } } };",
    page_logout: "zE('webWidget', 'logout');",
    ..Profile::TOKEN
};
