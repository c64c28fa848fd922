//! Novu Inbox: hexadecimal HMAC-SHA256 of `subscriberId` under the environment's secret key as text.
//!
//! Source: <https://docs.novu.co/platform/inbox/prepare-for-production>.

use super::{Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "novu",
    title: "Novu Inbox",
    document: "https://docs.novu.co/platform/inbox/prepare-for-production",
    format: Format::Digest(r#"{ "parts": ["subscriberId"], "field": "subscriberHash" }"#),
    console: "API Keys: the secret key of the environment, as text",
    notes: &["A context hash, which is of further values, is not made."],
    subject: Some(SubjectClaim::of("subscriberId", SUBJECT_MAX)),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { novu = new Novu({ applicationIdentifier: 'YOUR_APP_ID', subscriberId: answer.subscriberId, subscriberHash: answer.subscriberHash }); });",
    page_logout: "/* unmount the inbox */",
    ..Profile::DIGEST
};
