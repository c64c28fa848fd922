//! Crisp: hexadecimal HMAC-SHA256 of the e-mail address under the verification secret as text.
//!
//! Source: <https://docs.crisp.chat/guides/chatbox-sdks/web-sdk/identity-verification/>.

use super::{Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "crisp",
    title: "Crisp",
    document: "https://docs.crisp.chat/guides/chatbox-sdks/web-sdk/identity-verification/",
    format: Format::Digest(r#"{ "parts": ["email"], "field": "signature" }"#),
    console: "Website settings > Advanced > Verify users with cryptographic signature: the secret, as text",
    notes: &["Needs a paid plan. The address is marked as verified; the session is not bound to it."],
    template: r#"{ "email": { "$claim": "{{ email }}", "required": true, "max": 320 } }"#,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { $crisp.push(['set', 'user:email', [answer.email, answer.signature]]); });",
    page_logout: "$crisp.push(['do', 'session:reset']);",
    ..Profile::DIGEST
};
