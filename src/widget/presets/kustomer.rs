//! Kustomer Chat: HS256 under the secret as text; `externalId` and an `iat` of the last fifteen minutes, no `exp`.
//!
//! Source: <https://developer.kustomer.com/docs/chat/identity>.

use std::time::Duration;

use super::{Profile, SubjectClaim};
use crate::claims::Stamped;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "kustomer",
    title: "Kustomer Chat",
    document: "https://developer.kustomer.com/docs/chat/identity",
    console: "Settings > Apps > Chat > Settings: the chat secret, as text",
    notes: &["An externalId or an e-mail address identifies, never both; this sends externalId."],
    subject: Some(SubjectClaim::of("externalId", SUBJECT_MAX)),
    stamped: &[Stamped::IssuedAt],
    lifetime: Duration::from_mins(10),
    lifetime_max: Duration::from_mins(15),
    span_max: Some(Duration::from_mins(15)),
    page_login: "window.Kustomer.start({ brandId: 'YOUR_BRAND_ID' }, function () {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { window.Kustomer.login({ jwtToken: answer.token }, function () {}); });
});",
    page_logout: "window.Kustomer.logout();",
    ..Profile::TOKEN
};
