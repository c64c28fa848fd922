//! Tawk.to, visitor: hexadecimal HMAC-SHA256 of the e-mail address under the `JavaScript` API key as text.
//!
//! Source: <https://help.tawk.to/article/secure-mode>.

use super::{Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "tawk",
    title: "Tawk.to, visitor",
    document: "https://help.tawk.to/article/secure-mode",
    format: Format::Digest(r#"{ "parts": ["email"], "field": "hash" }"#),
    console: "Administration > Channels > Chat widget > JavaScript API: the API key, 40 characters, as text",
    notes: &["The logout call was read in third-party code only."],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "required": true, "max": 320 }
}"#,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.Tawk_API.setAttributes({ name: answer.name, email: answer.email, hash: answer.hash }, function (error) {}); });",
    page_logout: "window.Tawk_API.logout(function (error) {});",
    ..Profile::DIGEST
};
