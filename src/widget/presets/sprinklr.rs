//! Sprinklr Live Chat: hexadecimal HMAC-SHA256 of the visitor's particulars and the time, joined with underscores, under the API key as text.
//!
//! Source: <https://www.sprinklr.com/help/articles/683930dc>.

use std::time::Duration;

use super::{Evidence, Format, Profile, SubjectClaim};
use crate::session::identity::SUBJECT_MAX;

/// The preset.
pub const PROFILE: Profile = Profile {
    name: "sprinklr",
    title: "Sprinklr Live Chat",
    document: "https://www.sprinklr.com/help/articles/683930dc",
    evidence: Evidence::Vector("digest::the_published_sprinklr_digest_is_made"),
    format: Format::Digest(
        r#"{
  "parts": ["id", "firstName", "lastName", "profileImageUrl", "phoneNo", "email", "hashCreationTime"],
  "separator": "_", "field": "hash"
}"#,
    ),
    console: "Live Chat > Authentication: the API key, a UUID, as text",
    notes: &[
        "The hash is good for a minute around hashCreationTime.",
        "A part with an underscore could be read as two, so that one visitor could pass for another: underscores are taken out of names, encoded in the picture's address, and an e-mail address that holds one is left out. An id that holds one is refused; WIDGET_SUBJECT=hex makes any id fit.",
    ],
    template: r#"{
  "firstName": "{{ (attributes.first_name or name or '') | replace('_', ' ') }}",
  "lastName": "{{ (attributes.last_name or '') | replace('_', ' ') }}",
  "profileImageUrl": "{{ (attributes.picture or '') | replace('_', '%5F') }}",
  "phoneNo": "{{ attributes.phone }}",
  "email": "{{ '' if '_' in (email or '') else (email or '') }}"
}"#,
    fixed: r#"{ "hashCreationTime": "{{ time_ms }}" }"#,
    subject: Some(SubjectClaim::of("id", SUBJECT_MAX)),
    lifetime: Duration::from_mins(1),
    lifetime_max: Duration::from_mins(1),
    page_login: "fetch('{token_url}', { method: 'POST' })
  .then(function (response) { return response.json(); })
  .then(function (answer) { window.sprChatSettings = window.sprChatSettings || {};
    window.sprChatSettings.user = {
      id: answer.id, firstName: answer.firstName || '', lastName: answer.lastName || '',
      profileImageUrl: answer.profileImageUrl || '', phoneNo: answer.phoneNo || '', email: answer.email || '',
      hash: answer.hash, hashCreationTime: answer.hashCreationTime
    }; });",
    page_logout: "/* switch the SDK to an anonymous visitor */",
    ..Profile::DIGEST
};
