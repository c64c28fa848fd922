//! Pusher Channels, the visitor's own channel: HMAC-SHA256 of the connection and the one channel that is this visitor's, under the app's secret as text.
//!
//! Source: <https://pusher.com/docs/channels/server_api/authorizing-users/>.

use super::{Constant, Evidence, Format, Profile};
use crate::widget::page_value::Shape;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "pusher-channel",
    title: "Pusher Channels, the visitor's own channel",
    document: "https://pusher.com/docs/channels/server_api/authorizing-users/",
    evidence: Evidence::VendorCode("'pusher': the answer is what the vendor's library answers"),
    format: Format::Digest(
        r#"{
  "parts": ["socket_id", "channel_name", "channel_data?*"], "separator": ":",
  "field": "auth", "prefix": ["key", "':'"], "answer": ["channel_data"], "exact": true
}"#,
    ),
    console: "App > App Keys: key and secret, as text",
    constants: &[
        Constant::required("app_key", "the app's key"),
        Constant::or("channel_prefix", "private-user-", "beginning of the channel's name; the visitor's id follows"),
    ],
    page_values: &[("socket_id", Shape::SocketId)],
    notes: &[
        "A page has no say in which channel it is let into: a signature for any other name does not hold. WIDGET_CLAIMS sets another channel_name, and channel_data for presence channels.",
    ],
    template: r#"{ "channel_name": { "$claim": "{{ config.channel_prefix ~ subject }}", "required": true, "max": 200, "charset": "token" } }"#,
    fixed: r#"{
  "key": "{{ config.app_key }}",
  "socket_id": { "$claim": "{{ untrusted.socket_id }}", "required": true, "max": 64 }
}"#,
    page_login: "window.pusher = new Pusher('YOUR_APP_KEY', { cluster: 'YOUR_CLUSTER', channelAuthorization: {
  customHandler: function (params, callback) {
    fetch('{token_url}?socket_id=' + encodeURIComponent(params.socketId), { method: 'POST' })
      .then(function (response) { return response.json(); })
      .then(function (answer) { callback(null, answer); }, function (error) { callback(error, null); });
  }
} });",
    page_logout: "pusher.disconnect();",
    ..Profile::DIGEST
};
