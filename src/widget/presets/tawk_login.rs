//! Tawk.to, login: hexadecimal HMAC-SHA256 of `userId` under the `JavaScript` API key as text.
//!
//! Source: <https://help.tawk.to/article/secure-mode>.

use super::{Confidence, Format, Profile, SubjectClaim};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "tawk-login",
    title: "Tawk.to, login",
    document: "https://help.tawk.to/article/secure-mode",
    confidence: Confidence::Gap,
    format: Format::Digest(r#"{ "parts": ["userId"], "field": "hash" }"#),
    console: "Administration > Channels > Chat widget > JavaScript API: the API key, 40 characters, as text",
    notes: &["That login signs the id and not the address was read in production code of others, not in the vendor's document."],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("userId", 255)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.Tawk_API.login({ userId: answer.userId, name: answer.name, email: answer.email, hash: answer.hash }, function (error) {}); });",
    page_logout: "window.Tawk_API.logout(function (error) {});",
    ..Profile::DIGEST
};
