//! Stream Chat: HS256 under the API secret as text; `user_id` is the identity.
//!
//! Source: <https://getstream.io/chat/docs/javascript/tokens_and_authentication/>.

use std::time::Duration;

use super::{Evidence, Profile, SubjectClaim};
use crate::claims::Stamped;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "stream",
    title: "Stream Chat",
    document: "https://getstream.io/chat/docs/javascript/tokens_and_authentication/",
    evidence: Evidence::VendorCode("'stream': a token is byte for byte what the vendor's library makes"),
    console: "Dashboard > app > App access keys: the secret, as text",
    notes: &["A token without exp never ends, so exp is always written.", "Compared with what the vendor's library makes of the same values."],
    subject: Some(SubjectClaim::of("user_id", 255)),
    stamped: &[Stamped::Expires, Stamped::IssuedAt],
    lifetime: Duration::from_hours(1),
    beside: &["user_id"],
    page_login: "function userToken() {
  return fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); });
}
userToken().then(function (answer) {
  client.connectUser({ id: answer.user_id }, function () { return userToken().then(function (next) { return next.token; }); });
});",
    page_logout: "client.disconnectUser();",
    ..Profile::TOKEN
};
