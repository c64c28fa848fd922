//! Front Chat: hexadecimal HMAC-SHA256 of `userId` under the identity secret as text.
//!
//! Source: <https://dev.frontapp.com/docs/identify-users>.

use super::{Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "front",
    title: "Front Chat",
    document: "https://dev.frontapp.com/docs/identify-users",
    format: Format::Digest(r#"{ "parts": ["userId"], "field": "userHash" }"#),
    console: "Settings > Channels > the chat > Identity verification: the secret, as text",
    template: r#"{ "email": { "$claim": "{{ email }}", "max": 320 } }"#,
    subject: Some(SubjectClaim::of("userId", SUBJECT_MAX)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.FrontChat('init', { chatId: 'YOUR_CHAT_ID', userId: answer.userId, userHash: answer.userHash, email: answer.email }); });",
    page_logout: "window.FrontChat('shutdown');",
    ..Profile::DIGEST
};
