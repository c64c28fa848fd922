//! Dynamics 365 Omnichannel live chat: RS256 with `kid`; `iss`, `iat`, `exp` and `sub` are required, `lwicontexts` is JSON text inside a claim.
//!
//! Source: <https://learn.microsoft.com/dynamics365/customer-service/administer/create-chat-auth-settings>.

use std::time::Duration;

use super::{Constant, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "dynamics-365",
    title: "Dynamics 365 Omnichannel live chat",
    document: "https://learn.microsoft.com/dynamics365/customer-service/administer/create-chat-auth-settings",
    console: "Customer Service admin center > Chat authentication settings: `{keys_url}` as the public key URL, and `auth.getAuthenticationToken` as the JavaScript client function",
    constants: &[Constant::required("issuer", "the issuer you enter as your site's address")],
    notes: &[
        "The vendor fetches the public keys from that address: a list of kid, publicKey (base64 of the PEM) and expiry, with the next key in it while keys change. With `.pem` after it the address gives the one key that signs. What the vendor does at a key's expiry is not documented; it is always two days ahead.",
        r#"sub is best the contact's or account's GUID. Context goes into WIDGET_CLAIMS as "lwicontexts": { "$json": { "name": "{{ name }}" } }, primitive values only."#,
        "The function must answer within ten seconds.",
    ],
    algorithms: &["RS256"],
    template: r#"{
  "email": { "$claim": "{{ email }}", "max": 320 },
  "preferred_username": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" }
}"#,
    fixed: r#"{ "iss": "{{ config.issuer }}" }"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    lifetime: Duration::from_mins(10),
    page_login: "window.auth = { getAuthenticationToken: function (callback) {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.ok ? response.json() : { token: null }; })
    .then(function (answer) { callback(answer.token); });
} };",
    page_logout: "Microsoft.Omnichannel.LiveChatWidget.SDK.removeAuthTokenProvider();",
    ..Profile::TOKEN
};
