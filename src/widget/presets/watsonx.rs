//! IBM watsonx Orchestrate web chat: RS256; `sub` is the visitor, `context` what the agent is told.
//!
//! Source: <https://developer.watson-orchestrate.ibm.com/webchat/get_started>.

use std::time::Duration;

use super::{Confidence, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "watsonx",
    title: "IBM watsonx Orchestrate web chat",
    document: "https://developer.watson-orchestrate.ibm.com/webchat/get_started",
    confidence: Confidence::Gap,
    console: "Orchestrate > Settings > Embedded agent security: upload your public key; `countersign keygen --algorithm RS256` makes the pair",
    notes: &[
        "user_payload, which is encrypted under a key of the vendor's, is not written.",
        "sub cannot change within a session.",
    ],
    algorithms: &["RS256"],
    template: r#"{ "context": { "name": { "$claim": "{{ name }}", "max": 256, "overlong": "truncate" } } }"#,
    subject: Some(SubjectClaim::of("sub", SUBJECT_MAX)),
    lifetime: Duration::from_mins(10),
    page_login: "instance.on('authTokenNeeded', function () {
  fetch('{token_url}', { method: 'POST' })
    .then(function (response) { return response.json(); })
    .then(function (answer) { instance.updateAuthToken(answer.token); });
});",
    page_logout: "instance.destroy();",
    ..Profile::TOKEN
};
