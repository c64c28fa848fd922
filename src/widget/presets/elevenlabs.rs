//! `ElevenLabs` agents: a signed address for one conversation with an agent.
//!
//! Source: <https://elevenlabs.io/docs/agents-platform/customization/authentication>.

use std::time::Duration;

use super::{Constant, Evidence, Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "elevenlabs",
    title: "ElevenLabs agents",
    document: "https://elevenlabs.io/docs/agents-platform/customization/authentication",
    evidence: Evidence::VendorCode("'elevenlabs': the vendor's client and countersign send the same"),
    format: Format::Exchange(
        r#"{
  "headers": { "xi-api-key": "{secret}" },
  "call": {
    "method": "GET",
    "url": "https://api.elevenlabs.io/v1/convai/conversation/get-signed-url?agent_id={{ config.agent_id }}"
  },
  "answer": { "token": "/signed_url", "expires_after": 900 }
}"#,
    ),
    console: "Developers > API keys: a key that may start conversations (WIDGET_API_KEY)",
    constants: &[Constant::required("agent_id", "the agent's id")],
    notes: &["A gate and no identity: who talks is whatever the page says; only who is logged in gets an address."],
    lifetime: Duration::from_mins(15),
    token_field: "signed_url",
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { Conversation.startSession({ signedUrl: answer.signed_url }); });",
    page_logout: "/* end the session (conversation.endSession()) */",
    ..Profile::EXCHANGE
};
