//! Pylon: hexadecimal HMAC-SHA256 of the e-mail address under the hex-decoded secret.
//!
//! Source: <https://docs.usepylon.com/pylon-docs/chat-widget/identity-verification>.

use super::{Format, Profile};
use crate::base::secret::Encoding;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "pylon",
    title: "Pylon",
    document: "https://docs.usepylon.com/pylon-docs/chat-widget/identity-verification",
    format: Format::Digest(r#"{ "parts": ["email"], "field": "email_hash" }"#),
    console: "Settings > Chat widget > Identity verification: the secret, hexadecimal",
    notes: &["The logout call was not seen."],
    encoding: Encoding::Hex,
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "required": true, "max": 320 }
}"#,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.pylon = { chat_settings: { app_id: 'YOUR_APP_ID', name: answer.name, email: answer.email, email_hash: answer.email_hash } }; });",
    page_logout: "window.pylon = {};",
    ..Profile::DIGEST
};
