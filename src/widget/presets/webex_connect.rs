//! Webex Connect in-app messaging: HS256 under the secret as text; `appId` is required, `userId` must match the page's.
//!
//! Source: <https://developers.webexconnect.io/docs/jwt-setup-validation>.

use std::time::Duration;

use super::{Confidence, Constant, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "webex-connect",
    title: "Webex Connect in-app messaging",
    document: "https://developers.webexconnect.io/docs/jwt-setup-validation",
    confidence: Confidence::Gap,
    console: "Apps > the app > Outbound webhooks and security: the JWT secret, as text",
    constants: &[Constant::required("app_id", "the app's id")],
    notes: &["The SDK's call that takes the token was not read."],
    fixed: r#"{ "appId": "{{ config.app_id }}" }"#,
    subject: Some(SubjectClaim::of("userId", SUBJECT_MAX)),
    lifetime: Duration::from_mins(30),
    beside: &["userId"],
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { /* hand answer.token to the SDK as its security token, with answer.userId as the user */ });",
    page_logout: "/* disconnect the SDK */",
    ..Profile::TOKEN
};
