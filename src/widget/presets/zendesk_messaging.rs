//! Zendesk Messaging: HS256 under the secret as text, with the key's id as `kid`; `scope` is `user`, `external_id` a string of up to 255 characters.
//!
//! Source: <https://support.zendesk.com/hc/en-us/articles/4411666638746>.

use std::time::Duration;

use super::{Profile, SubjectClaim};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "zendesk-messaging",
    title: "Zendesk Messaging",
    document: "https://support.zendesk.com/hc/en-us/articles/4411666638746",
    console: "Admin Center > Account > Security > End user authentication > Messaging: key id (WIDGET_KEY_ID) and secret, as text",
    notes: &[
        "external_id is documented as alphanumeric, unique and never changing; WIDGET_SUBJECT=hex makes any id fit.",
        "The e-mail address identifies only where email_verified is true; one that another external_id holds lets the login fail, and the chat goes on unauthenticated.",
        "At most ten keys per account.",
    ],
    key_id: true,
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 },
  "email_verified": "{{ email_verified }}"
}"#,
    fixed: r#"{ "scope": "user" }"#,
    subject: Some(SubjectClaim::of("external_id", 255)),
    lifetime: Duration::from_mins(15),
    lifetime_max: Duration::from_hours(1),
    page_login: "zE('messenger', 'loginUser', function (callback) {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { callback(answer.token); });
}, function (error) { if (error) { console.warn('Zendesk refused the login', error); } });",
    page_logout: "zE('messenger', 'logoutUser');",
    ..Profile::TOKEN
};
