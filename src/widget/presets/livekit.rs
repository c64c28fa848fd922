//! `LiveKit`: HS256 under the API secret as text, without `typ`; `iss` is the API key, `sub` the participant; `exp` is required.
//!
//! Source: <https://docs.livekit.io/home/get-started/authentication/>.

use std::time::Duration;

use super::{Constant, Evidence, Profile, SubjectClaim};
use crate::claims::Stamped;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "livekit",
    title: "LiveKit",
    document: "https://docs.livekit.io/home/get-started/authentication/",
    evidence: Evidence::VendorCode("'livekit': the vendor's verifier takes a token, and none of another key or issuer"),
    console: "Project > Settings > Keys: API key and secret, as text",
    constants: &[
        Constant::required("api_key", "the API key (API...)"),
        Constant::or("room_prefix", "support-", "beginning of the visitor's own room; the visitor's id follows"),
    ],
    notes: &[
        "Each visitor may join one room, named after them. Other rooms and grants: WIDGET_CLAIMS.",
        "While connected, the server renews the token itself.",
        "The page calls were not read again in the vendor's document.",
    ],
    typ: None,
    template: r#"{
  "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" },
  "video": { "roomJoin": true, "room": "{{ config.room_prefix ~ subject }}" }
}"#,
    fixed: r#"{ "iss": "{{ config.api_key }}" }"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    stamped: &[Stamped::NotBefore, Stamped::Expires],
    lifetime: Duration::from_mins(10),
    lifetime_max: Duration::from_hours(6),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { room.connect('wss://YOUR_PROJECT.livekit.cloud', answer.token); });",
    page_logout: "room.disconnect();",
    ..Profile::TOKEN
};
