//! Oracle Digital Assistant: HS256 under the channel secret as text; exactly `iat`, `exp`, `channelId` and `userId`.
//!
//! Source: <https://docs.oracle.com/en-us/iaas/digital-assistant/doc/web.html>.

use std::time::Duration;

use super::{Constant, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "oracle-digital-assistant",
    title: "Oracle Digital Assistant",
    document: "https://docs.oracle.com/en-us/iaas/digital-assistant/doc/web.html",
    console: "Channels > Users > the web channel with client authentication: channel id and secret key, as text",
    constants: &[Constant::required("channel_id", "the channel's id")],
    notes: &[
        "The vendor advises a life of at least 30 minutes; the function is called again for every new connection.",
    ],
    fixed: r#"{ "channelId": "{{ config.channel_id }}" }"#,
    subject: Some(SubjectClaim::of("userId", SUBJECT_MAX)),
    lifetime: Duration::from_mins(30),
    page_login: "function generateToken() {
  return fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { return answer.token; });
}
window.Bots = new WebSDK({ URI: 'YOUR_INSTANCE_HOST', clientAuthEnabled: true }, generateToken);
Bots.connect();",
    page_logout: "Bots.disconnect();",
    ..Profile::TOKEN
};
