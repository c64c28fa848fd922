//! Pusher Channels, user authentication: HMAC-SHA256 of the connection and the user, under the app's secret as text; the page gets the very text that was signed.
//!
//! Source: <https://pusher.com/docs/channels/server_api/authenticating-users/>.

use super::{Constant, Evidence, Format, Profile};
use crate::widget::page_value::Shape;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "pusher",
    title: "Pusher Channels, user authentication",
    document: "https://pusher.com/docs/channels/server_api/authenticating-users/",
    evidence: Evidence::VendorCode("'pusher': the answer is what the vendor's library answers"),
    format: Format::Digest(
        r#"{
  "parts": ["socket_id", "''", "'user'", "''", "user_data*"], "separator": ":",
  "field": "auth", "prefix": ["key", "':'"], "answer": ["user_data"], "exact": true
}"#,
    ),
    console: "App > App Keys: key and secret, as text",
    constants: &[Constant::required("app_key", "the app's key")],
    page_values: &[("socket_id", Shape::SocketId)],
    notes: &["The connection's id comes from the page, is checked for its shape, and is never identity."],
    fixed: r#"{
  "key": "{{ config.app_key }}",
  "socket_id": { "$claim": "{{ untrusted.socket_id }}", "required": true, "max": 64 },
  "user_data": { "$json": { "id": { "$claim": "{{ subject }}", "required": true, "max": 256 }, "user_info": { "name": "{{ name }}" } } }
}"#,
    page_login: "window.pusher = new Pusher('YOUR_APP_KEY', { cluster: 'YOUR_CLUSTER', userAuthentication: {
  customHandler: function (params, callback) {
    fetch('{token_url}?socket_id=' + encodeURIComponent(params.socketId), { method: 'POST' })
      .then(function (response) { return response.json(); })
      .then(function (answer) { callback(null, answer); }, function (error) { callback(error, null); });
  }
} });
pusher.signin();",
    page_logout: "pusher.disconnect();",
    ..Profile::DIGEST
};
