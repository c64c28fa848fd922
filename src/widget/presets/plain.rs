//! Plain: hexadecimal HMAC-SHA256 of the e-mail address under the secret as text.
//!
//! Source: <https://www.plain.com/docs/chat/authentication>.

use super::{Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "plain",
    title: "Plain",
    document: "https://www.plain.com/docs/chat/authentication",
    format: Format::Digest(r#"{ "parts": ["email"], "field": "emailHash" }"#),
    console: "Settings > Chat: the secret, as text",
    template: r#"{
  "fullName": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "required": true, "max": 320 }
}"#,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { Plain.init({ appId: 'YOUR_APP_ID', customerDetails: { email: answer.email, emailHash: answer.emailHash, fullName: answer.fullName } }); });",
    page_logout: "/* init again without customerDetails */",
    ..Profile::DIGEST
};
