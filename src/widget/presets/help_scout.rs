//! Help Scout Beacon: hexadecimal HMAC-SHA256 of the e-mail address under the Beacon's key as text.
//!
//! Source: <https://developer.helpscout.com/beacon-2/web/secure-mode/>.

use super::{Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "help-scout",
    title: "Help Scout Beacon",
    document: "https://developer.helpscout.com/beacon-2/web/secure-mode/",
    format: Format::Digest(r#"{ "parts": ["email"], "field": "signature" }"#),
    console: "Beacon > Contact > Secure mode: the key, as text",
    notes: &["The logout call was read on production sites, not in the vendor's document."],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "required": true, "max": 320 }
}"#,
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { Beacon('identify', { name: answer.name, email: answer.email, signature: answer.signature }); });",
    page_logout: "Beacon('logout');",
    ..Profile::DIGEST
};
