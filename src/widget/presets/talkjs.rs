//! `TalkJS`: HS256 under the secret key as text, without `typ`; `tokenType` is `user`, `iss` the app, `sub` the visitor.
//!
//! Source: <https://talkjs.com/docs/Features/Security_Settings/Authentication/>.

use std::time::Duration;

use super::{Constant, Profile, SubjectClaim};
use crate::claims::Stamped;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "talkjs",
    title: "TalkJS",
    document: "https://talkjs.com/docs/Features/Security_Settings/Authentication/",
    console: "Dashboard > Settings: app id and secret key (sk_...), as text",
    constants: &[Constant::required("app_id", "the app's id")],
    typ: None,
    fixed: r#"{ "tokenType": "user", "iss": "{{ config.app_id }}" }"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    stamped: &[Stamped::Expires],
    lifetime: Duration::from_hours(1),
    page_login: "function userToken() {
  return fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { return answer.token; });
}
userToken().then(function (token) {
  window.talkSession = new Talk.Session({ appId: 'YOUR_APP_ID', me: me, token: token, tokenFetcher: userToken });
});",
    page_logout: "window.talkSession.destroy();",
    ..Profile::TOKEN
};
