//! Salesforce Messaging for Web: RS256 or RS512 with `kid` and without `typ`; exactly `sub`, `iss`, `iat` and `exp`, as the vendor's own generator makes them.
//!
//! Source: <https://developer.salesforce.com/docs/service/messaging-web/guide/user-verification.html>.

use std::time::Duration;

use super::{Constant, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "salesforce",
    title: "Salesforce Messaging for Web",
    document: "https://developer.salesforce.com/docs/service/messaging-web/guide/user-verification.html",
    console: "Setup > Messaging Settings > User Verification: upload the public key as a JWK; `countersign keygen --algorithm RS256 --out KEY.pem --jwk` makes the pair and prints it",
    constants: &[Constant::required("issuer", "the issuer named in the User Verification settings")],
    notes: &["One JWK is uploaded per key, with kty, kid, alg and x5c; that of a key you have is printed by `countersign keygen --algorithm RS256 --of KEY.pem --jwk`, with `--kid` where WIDGET_KEY_ID is set. Its certificate is the key's own.", "The token is needed again in every tab and at every page load; after the expiry event there are about 30 seconds to give another one."],
    algorithms: &["RS256", "RS512"],
    typ: None,
    fixed: r#"{ "iss": "{{ config.issuer }}" }"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    lifetime: Duration::from_mins(30),
    page_login: "function identify() {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) {
      embeddedservice_bootstrap.userVerificationAPI.setIdentityToken({ identityTokenType: 'JWT', identityToken: answer.token });
    });
}
window.addEventListener('onEmbeddedMessagingReady', identify);
window.addEventListener('onEmbeddedMessagingIdentityTokenExpired', identify);",
    page_logout: "embeddedservice_bootstrap.userVerificationAPI.clearSession();",
    ..Profile::TOKEN
};
