//! `HubSpot` chat, visitor identification: a token of the vendor's for an e-mail address, good for twelve hours.
//!
//! Source: <https://developers.hubspot.com/docs/guides/api/conversations/visitor-identification>.

use std::time::Duration;

use super::{Evidence, Format, Profile};

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "hubspot",
    title: "HubSpot chat, visitor identification",
    document: "https://developers.hubspot.com/docs/guides/api/conversations/visitor-identification",
    evidence: Evidence::VendorCode("'hubspot': the vendor's client and countersign send the same"),
    format: Format::Exchange(
        r#"{
  "headers": { "Authorization": "Bearer {secret}" },
  "call": {
    "url": "https://api.hubapi.com/visitor-identification/v3/tokens/create",
    "json": {
      "email": { "$claim": "{{ email }}", "required": true, "max": 320 },
      "firstName": "{{ attributes.first_name }}",
      "lastName": "{{ attributes.last_name }}"
    }
  },
  "answer": { "token": "/token", "expires_after": 43200 },
  "cache": true
}"#,
    ),
    console: "Settings > Integrations > Private apps: an access token with the scope conversations.visitor_identification.tokens.create (WIDGET_API_KEY)",
    notes: &["The answer does not say when the token ends; twelve hours are documented.", "Needs a Professional plan; a 403 says so. Names fill blanks only."],
    template: r#"{ "email": { "$claim": "{{ email }}", "required": true, "max": 320 } }"#,
    lifetime: Duration::from_hours(12),
    page_login: "window.hsConversationsSettings = { loadImmediately: false };
fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.hsConversationsSettings = { identificationEmail: answer.email, identificationToken: answer.token };
    window.HubSpotConversations.widget.load(); });",
    page_logout: "window.HubSpotConversations.clear({ resetWidget: true });",
    ..Profile::EXCHANGE
};
