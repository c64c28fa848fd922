//! How each chat vendor wants its proof. A preset is data: one `const Profile` per vendor, with the vendor's document and
//! what is not confirmed about it.

pub mod ably;
pub mod ably_token_request;
pub mod ada;
pub mod amazon_connect;
pub mod botpress;
pub mod chatbase;
pub mod chatkit;
pub mod chatwoot;
pub mod cometchat;
pub mod copilot_studio;
pub mod courier;
pub mod crisp;
pub mod custom;
pub mod dynamics_365;
pub mod elevenlabs;
pub mod featurebase;
pub mod freshchat;
pub mod front;
pub mod glassix;
pub mod gleap;
pub mod google_ccai;
pub mod healthcare_agent;
pub mod help_scout;
pub mod hubspot;
pub mod infobip;
pub mod intercom;
pub mod intercom_hash;
pub mod knock;
pub mod kore;
pub mod kustomer;
pub mod liveblocks;
pub mod livekit;
pub mod medchat;
pub mod novu;
pub mod oracle_digital_assistant;
pub mod plain;
pub mod pusher;
pub mod pusher_channel;
pub mod pylon;
pub mod reamaze;
pub mod salesforce;
pub mod sendbird;
pub mod sprinklr;
pub mod stream;
pub mod sunshine;
pub mod talkjs;
pub mod tawk;
pub mod tawk_login;
pub mod twilio;
pub mod userinfo;
pub mod watsonx;
pub mod webex_connect;
pub mod zendesk_classic;
pub mod zendesk_messaging;
pub mod zoom;

use std::borrow::Cow;
use std::time::Duration;

use crate::base::secret::Encoding;
use crate::claims::{Stamped, SubjectRule};
use crate::config::env::Var;
use crate::connector::Kind;
use crate::connector::exchange::WIDGET_API_KEY;
use crate::jose::keyring;
use crate::widget::page_value::Shape;

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

/// The claim that identifies the visitor, and what the vendor accepts in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectClaim {
    /// `sub`, `external_id`, `userId`, ...
    pub claim: &'static str,
    /// Longest value in characters.
    pub max: usize,
    /// Whether only ASCII letters and digits are accepted.
    pub alphanumeric: bool,
}

impl SubjectClaim {
    /// A claim that takes any text of up to `max` characters.
    #[must_use]
    pub const fn of(claim: &'static str, max: usize) -> Self {
        Self { claim, max, alphanumeric: false }
    }
}

impl From<SubjectClaim> for SubjectRule {
    fn from(claim: SubjectClaim) -> Self {
        Self { claim: Cow::Borrowed(claim.claim), max: claim.max, alphanumeric: claim.alphanumeric }
    }
}

/// How the vendor's proof is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A signed token.
    Token,
    /// A keyed digest: the text of a [`DigestFormat`](crate::jose::digest::DigestFormat).
    Digest(&'static str),
    /// A call to the vendor's server: the text of an
    /// [`ExchangeFormat`](crate::connector::exchange::format::ExchangeFormat).
    Exchange(&'static str),
}

impl Format {
    /// The heading it is listed under.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Token => "Signed token",
            Self::Digest(_) => "Keyed digest",
            Self::Exchange(_) => "Exchange with the vendor's server",
        }
    }

    /// The word for it in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Digest(_) => "digest",
            Self::Exchange(_) => "exchange",
        }
    }
}

/// A value that the operator must, or may, configure for a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constant {
    /// Its name in `WIDGET_CONSTANTS`, and after `config.` in templates.
    pub name: &'static str,
    /// What it is and where the vendor's console shows it.
    pub meaning: &'static str,
    /// Its value when the operator says nothing; required without one.
    pub default: Option<&'static str>,
}

impl Constant {
    /// One that must be configured.
    #[must_use]
    pub const fn required(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, default: None }
    }

    /// One with a default.
    #[must_use]
    pub const fn or(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, default: Some(default) }
    }
}

/// How well a preset's facts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Format and calls were read in the vendor's documents or code.
    Documented,
    /// The mechanism was; something that the notes name was not.
    Gap,
}

impl Confidence {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Gap => "documented, with a gap",
        }
    }
}

/// What a preset's output was compared with, each by the test of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The vendor's own code, run by a check of `tests/e2e/vendors`.
    VendorCode(&'static str),
    /// A command that the vendor's reference prints, run by a check of `tests/e2e/vendors`.
    Command(&'static str),
    /// A value that the vendor published, in a test of `tests/it`.
    Vector(&'static str),
    /// The vendor's document, in a test of `tests/it`.
    Document(&'static str),
}

impl Evidence {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::VendorCode(_) => "vendor code",
            Self::Command(_) => "documented command",
            Self::Vector(_) => "published vector",
            Self::Document(_) => "document",
        }
    }

    /// The name of the test.
    #[must_use]
    pub fn test(self) -> &'static str {
        match self {
            Self::VendorCode(test) | Self::Command(test) | Self::Vector(test) | Self::Document(test) => test,
        }
    }
}

/// How a vendor wants the visitor's proof.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "facts about a vendor, each for itself")]
pub struct Profile {
    /// The name in `WIDGET_PRESET`.
    pub name: &'static str,
    /// The vendor's product.
    pub title: &'static str,
    /// The document the facts were read from.
    pub document: &'static str,
    /// The day it was read.
    pub read_on: &'static str,
    /// How well the facts are known.
    pub confidence: Confidence,
    /// What the output was compared with.
    pub evidence: Evidence,
    /// How the proof is made.
    pub format: Format,
    /// Whether the operator may choose how the proof is made.
    pub open: bool,
    /// Where the vendor's console shows the secret.
    pub console: &'static str,
    /// Values that the operator configures.
    pub constants: &'static [Constant],
    /// Values that the vendor's code in the page sends.
    pub page_values: &'static [(&'static str, Shape)],
    /// What an integrator should know, and what nobody has confirmed.
    pub notes: &'static [&'static str],
    /// Algorithms the vendor verifies, the default first.
    pub algorithms: &'static [&'static str],
    /// The variable that holds the shared secret.
    pub secret: &'static Var,
    /// How the vendor's console writes the secret.
    pub encoding: Encoding,
    /// Length in bytes of the shortest secret that the vendor issues, where it is shorter than RFC 7518 asks for.
    pub secret_least: Option<usize>,
    /// `typ` of the JOSE header.
    pub typ: Option<&'static str>,
    /// `cty` of the JOSE header.
    pub cty: Option<&'static str>,
    /// Whether the vendor looks its key up by `kid`, which the operator must then configure.
    pub key_id: bool,
    /// The claim template.
    pub template: &'static str,
    /// Claims that the operator's template cannot change, laid over it.
    pub fixed: &'static str,
    /// The claim that says who the visitor is.
    pub subject: Option<SubjectClaim>,
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
    /// Most that may lie between `iat` and `exp`, where the vendor measures it.
    pub span_max: Option<Duration>,
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

impl Profile {
    /// What most signed tokens have in common, to be taken with `..Profile::TOKEN`.
    pub const TOKEN: Self = Self {
        name: "",
        title: "",
        document: "",
        read_on: "2026-11-25",
        confidence: Confidence::Documented,
        evidence: Evidence::Document("presets::every_token_preset_makes_what_its_vendor_documents"),
        format: Format::Token,
        open: false,
        console: "",
        constants: &[],
        page_values: &[],
        notes: &[],
        algorithms: &["HS256"],
        secret: &keyring::WIDGET_SECRET,
        encoding: Encoding::Utf8,
        secret_least: None,
        typ: Some("JWT"),
        cty: None,
        key_id: false,
        template: "{}",
        fixed: "{}",
        subject: None,
        subject_form: SubjectForm::Plain,
        stamped: &[Stamped::IssuedAt, Stamped::Expires],
        addressed: false,
        adjustable: false,
        exp_optional: false,
        optional_attributes: None,
        lifetime: Duration::from_mins(5),
        lifetime_max: Duration::from_hours(24),
        span_max: None,
        token_max: 8 * 1024,
        token_field: "token",
        beside: &[],
        connector: None,
        ascii_payload: false,
        page_login: "",
        page_logout: "",
    };

    /// What most digests have in common.
    pub const DIGEST: Self = Self {
        evidence: Evidence::Document("presets::every_digest_preset_signs_what_its_vendor_documents"),
        algorithms: &[],
        typ: None,
        stamped: &[],
        secret_least: Some(16),
        ..Self::TOKEN
    };

    /// What most exchanges have in common.
    pub const EXCHANGE: Self = Self {
        evidence: Evidence::Document("presets::every_exchange_preset_asks_what_its_vendor_documents"),
        algorithms: &[],
        typ: None,
        stamped: &[],
        secret: &WIDGET_API_KEY,
        ..Self::TOKEN
    };
}

/// Every preset, in the order they are listed.
pub const ALL: &[&Profile] = &[
    &medchat::PROFILE,
    &healthcare_agent::PROFILE,
    &copilot_studio::PROFILE,
    &ably::PROFILE,
    &ably_token_request::PROFILE,
    &ada::PROFILE,
    &amazon_connect::PROFILE,
    &botpress::PROFILE,
    &chatbase::PROFILE,
    &chatkit::PROFILE,
    &chatwoot::PROFILE,
    &cometchat::PROFILE,
    &courier::PROFILE,
    &crisp::PROFILE,
    &dynamics_365::PROFILE,
    &elevenlabs::PROFILE,
    &featurebase::PROFILE,
    &freshchat::PROFILE,
    &front::PROFILE,
    &glassix::PROFILE,
    &gleap::PROFILE,
    &google_ccai::PROFILE,
    &help_scout::PROFILE,
    &hubspot::PROFILE,
    &infobip::PROFILE,
    &intercom::PROFILE,
    &intercom_hash::PROFILE,
    &knock::PROFILE,
    &kore::PROFILE,
    &kustomer::PROFILE,
    &liveblocks::PROFILE,
    &livekit::PROFILE,
    &novu::PROFILE,
    &oracle_digital_assistant::PROFILE,
    &plain::PROFILE,
    &pusher::PROFILE,
    &pusher_channel::PROFILE,
    &pylon::PROFILE,
    &reamaze::PROFILE,
    &salesforce::PROFILE,
    &sendbird::PROFILE,
    &sprinklr::PROFILE,
    &stream::PROFILE,
    &sunshine::PROFILE,
    &talkjs::PROFILE,
    &tawk::PROFILE,
    &tawk_login::PROFILE,
    &twilio::PROFILE,
    &watsonx::PROFILE,
    &webex_connect::PROFILE,
    &zendesk_classic::PROFILE,
    &zendesk_messaging::PROFILE,
    &zoom::PROFILE,
    &userinfo::PROFILE,
    &custom::PROFILE,
];

/// The preset of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Profile> {
    ALL.iter().copied().find(|profile| profile.name.eq_ignore_ascii_case(name))
}
