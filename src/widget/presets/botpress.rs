//! Botpress Chat API: HS256 under the integration's encryption key as text; the claim `id` is the user.
//!
//! Source: <https://botpress.com/docs/integrations/integration-guides/chat>.

use std::time::Duration;

use super::{Confidence, Profile, SubjectClaim};
use crate::claims::Stamped;
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "botpress",
    title: "Botpress Chat API",
    document: "https://botpress.com/docs/integrations/integration-guides/chat",
    confidence: Confidence::Gap,
    console: "Bot > Integrations > Chat: the encryption key, as text",
    notes: &["For clients of the Chat API, which send the token as the header x-user-key. How the hosted webchat takes it was not found."],
    subject: Some(SubjectClaim::of("id", SUBJECT_MAX)),
    stamped: &[Stamped::Expires],
    lifetime: Duration::from_hours(1),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.chat = chat.Client.connect({ webhookId: 'YOUR_WEBHOOK_ID', userKey: answer.token }); });",
    page_logout: "window.chat = undefined;",
    ..Profile::TOKEN
};
