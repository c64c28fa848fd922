//! Knock: RS256; `sub`, `iat` and `exp`.
//!
//! Source: <https://docs.knock.app/in-app-ui/security-and-authentication>.

use std::time::Duration;

use super::{Evidence, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "knock",
    title: "Knock",
    document: "https://docs.knock.app/in-app-ui/security-and-authentication",
    evidence: Evidence::VendorCode("'knock': claims are those of the vendor's signer, and the signature holds"),
    console: "Dashboard > Developers > API keys > Signing keys: the private key, PEM",
    notes: &["The vendor's console also gives the key as base64 of the PEM text; decode that first."],
    algorithms: &["RS256"],
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    lifetime: Duration::from_mins(30),
    lifetime_max: Duration::from_hours(1),
    beside: &["sub"],
    page_login: "function userToken() {
  return fetch('{token_url}', { method: 'POST' }).then(function (response) { return response.json(); });
}
userToken().then(function (answer) {
  knock.authenticate(answer.sub, answer.token, {
    onUserTokenExpiring: function () { return userToken().then(function (next) { return next.token; }); }
  });
});",
    page_logout: "knock.logout();",
    ..Profile::TOKEN
};
