//! Featurebase: HS256 under the secret as text; `userId`, `email`, `name`.
//!
//! Source: <https://help.featurebase.app/en/articles/5257986>.

use std::time::Duration;

use super::{Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "featurebase",
    title: "Featurebase",
    document: "https://help.featurebase.app/en/articles/5257986",
    console: "Settings > Support > Security: the JWT secret, as text",
    notes: &["The vendor does not honour an expiry yet.", "The logout call was read in third-party code only."],
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "email": { "$claim": "{{ email }}", "max": 320 }
}"#,
    subject: Some(SubjectClaim::of("userId", SUBJECT_MAX)),
    lifetime: Duration::from_mins(30),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.Featurebase('boot', { appId: 'YOUR_APP_ID', featurebaseJwt: answer.token }); });",
    page_logout: "window.Featurebase('shutdown');",
    ..Profile::TOKEN
};
