//! How each chat vendor wants its proof. A preset is data: one `const Profile` per vendor, with the vendor's document and
//! what is not confirmed about it.

pub mod copilot_studio;
pub mod custom;
pub mod healthcare_agent;
pub mod medchat;
pub mod userinfo;

use std::time::Duration;

use crate::base::secret::Encoding;
use crate::claims::{Stamped, SubjectRule};
use crate::config::env::Var;
use crate::connector::Kind;

/// How a visitor's id is written for a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectForm {
    /// As the host knows it.
    Plain,
    /// Lower-case hexadecimal of its UTF-8 bytes.
    Hex,
    /// A pairwise id that only this organisation can read back.
    Pseudonym,
}

/// How a vendor wants the visitor's proof.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts about a vendor, each for itself")]
pub struct Profile {
    /// The name in `WIDGET_PRESET`.
    pub name: &'static str,
    /// The vendor's product.
    pub title: &'static str,
    /// The document the facts were read from.
    pub document: &'static str,
    /// What an integrator should know, and what nobody has confirmed.
    pub notes: &'static [&'static str],
    /// Algorithms the vendor verifies, the default first.
    pub algorithms: &'static [&'static str],
    /// The variable that holds the shared secret.
    pub secret: &'static Var,
    /// How the vendor's console writes the secret.
    pub encoding: Encoding,
    /// `typ` of the JOSE header.
    pub typ: Option<&'static str>,
    /// The claim template.
    pub template: &'static str,
    /// The claim that says who the visitor is.
    pub subject: Option<SubjectRule>,
    /// How the visitor's id is written when the operator says nothing.
    pub subject_form: SubjectForm,
    /// Claims taken from the stamp.
    pub stamped: &'static [Stamped],
    /// Whether `iss` and `aud` are part of the format.
    pub addressed: bool,
    /// Whether the operator may choose `typ`, the claim with the visitor's id and the stamped claims, because the vendor
    /// verifies what it is told to.
    pub adjustable: bool,
    /// Whether the vendor takes tokens without `exp`, as its own sample's are.
    pub exp_optional: bool,
    /// The claim that holds the session attributes which the operator lets the vendor's scenarios read.
    pub optional_attributes: Option<&'static str>,
    /// Lifetime of a token when the operator says nothing.
    pub lifetime: Duration,
    /// Longest lifetime that may be configured.
    pub lifetime_max: Duration,
    /// Largest token the vendor takes, in bytes.
    pub token_max: usize,
    /// Member of the JSON answer that holds the token.
    pub token_field: &'static str,
    /// Claims that the page also needs in clear.
    pub beside: &'static [&'static str],
    /// The exchange whose ticket the page, the claims, or both need.
    pub connector: Option<Kind>,
    /// Whether the payload is written in ASCII only.
    pub ascii_payload: bool,
    /// What the page does with the token, as the vendor documents it; `{token_url}` stands for the token endpoint.
    pub page_login: &'static str,
    /// What the page does at logout.
    pub page_logout: &'static str,
}

/// Every preset, in the order they are listed.
pub const ALL: &[&Profile] =
    &[&medchat::PROFILE, &healthcare_agent::PROFILE, &copilot_studio::PROFILE, &userinfo::PROFILE, &custom::PROFILE];

/// The preset of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Profile> {
    ALL.iter().copied().find(|profile| profile.name.eq_ignore_ascii_case(name))
}
