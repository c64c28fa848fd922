//! Who the visitor is, as a session source reported it, in types that cannot hold hostile text.
//!
//! Every string passes [`tidy`]: trimmed, NFC, bounded, free of control characters and of bidirectional overrides (facts
//! section 4.5). Length limits count characters, not bytes.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Longest subject, in characters.
pub const SUBJECT_MAX: usize = 256;
/// Longest display name, in characters.
pub const NAME_MAX: usize = 256;
/// Longest e-mail address, in characters (64 + `@` + 255: RFC 5321 section 4.5.3.1).
pub const EMAIL_MAX: usize = 320;
/// Longest group name, locale or attribute text, in characters.
pub const ITEM_MAX: usize = 256;
/// Most groups that are read.
pub const GROUPS_MAX: usize = 1000;

/// A non-empty identifier of the visitor, unique within one login system.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(String);

impl Subject {
    /// Takes a subject as a source reported it.
    ///
    /// # Errors
    /// [`Unfit`] when the text is empty, too long, or holds characters that have no place in an identifier.
    pub fn new(text: &str) -> Result<Self, Unfit> {
        tidy(text, SUBJECT_MAX)?.map(Self).ok_or(Unfit::Empty)
    }

    /// The identifier itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Redacted: a subject in a debug line is personal data in a log.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}

/// What the host's login knows about the visitor. Nothing in here ever comes from the request's query or body.
#[derive(Clone, PartialEq)]
pub struct Identity {
    /// Unique within the login system; never empty.
    pub subject: Subject,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address, exactly as reported.
    pub email: Option<String>,
    /// Whether the host has verified the address; `None` when the source does not say.
    pub email_verified: Option<bool>,
    /// Groups or roles.
    pub groups: Vec<String>,
    /// BCP 47 language tag.
    pub locale: Option<String>,
    /// Whatever else the source was configured to read, by name.
    pub attributes: BTreeMap<String, Value>,
}

impl Identity {
    /// An identity of which only the subject is known.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            name: None,
            email: None,
            email_verified: None,
            groups: Vec::new(),
            locale: None,
            attributes: BTreeMap::new(),
        }
    }
}

/// Redacted for the same reason as [`Subject`].
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Why a text cannot be part of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nothing left after trimming, where something is required.
    #[error("empty")]
    Empty,
    /// Longer than its field allows.
    #[error("too long")]
    TooLong,
    /// A control character, line break or NUL.
    #[error("control character")]
    Control,
    /// A space of Unicode at either end, which makes one identifier look like another.
    #[error("a space other than that of the keyboard at its beginning or end")]
    Space,
    /// A bidirectional formatting character, which can make one name look like another.
    #[error("bidirectional override")]
    Bidi,
}

/// Those of these groups that are fit to be one; what is left out is said. Whoever is in a group that is left out is refused what
/// the group may have, and never given more.
#[must_use]
pub fn fit_groups<'a>(items: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let (fit, unfit): (Vec<_>, Vec<_>) = items.into_iter().map(|item| tidy(item, ITEM_MAX)).partition(Result::is_ok);
    let mut groups: Vec<String> = fit.into_iter().filter_map(|item| item.ok().flatten()).collect();
    let dropped = unfit.len() + groups.len().saturating_sub(GROUPS_MAX);
    if dropped > 0 {
        tracing::warn!(
            dropped,
            "groups were left out: too long, more than 1000, or with a character that no group can hold"
        );
    }
    groups.truncate(GROUPS_MAX);
    groups
}

/// Trims, normalises to NFC and checks one text; `None` when nothing is left of it. Only ASCII space is trimmed: somebody who
/// chose `\u{2000}admin` for a name or a group must not become `admin`.
///
/// # Errors
/// [`Unfit`] when it is longer than `max` characters, begins or ends with a space of Unicode, or holds a control or bidirectional
/// formatting character.
pub fn tidy(text: &str, max: usize) -> Result<Option<String>, Unfit> {
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Ok(None);
    }
    if trimmed.trim() != trimmed {
        return Err(Unfit::Space);
    }
    // Most of what comes here is ASCII, which is its own normal form and knows no other unfit characters than these.
    let ascii = trimmed.is_ascii();
    let fault = if ascii {
        trimmed.bytes().any(|b| b.is_ascii_control()).then_some(Unfit::Control)
    } else {
        trimmed.chars().find_map(unfit_char)
    };
    if let Some(fault) = fault {
        return Err(fault);
    }
    let normal = if ascii { trimmed.to_owned() } else { normal(trimmed) };
    let short_enough = normal.len() <= max || normal.chars().count() <= max;
    if short_enough { Ok(Some(normal)) } else { Err(Unfit::TooLong) }
}

/// Text that is only shown, made fit instead of refused: nobody goes nameless for a tab, a direction mark that a keyboard for
/// Hebrew or Arabic left behind, or a long family name. Space of any kind becomes one space, what is not to be shown goes,
/// and what is too long is cut at a character. `None` when nothing is left.
#[must_use]
pub fn display(text: &str, max: usize) -> Option<String> {
    if is_plain(text) && text.len() <= max {
        return Some(text.to_owned());
    }
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let kept = normal(&spaced.filter(|c| unfit_char(*c).is_none()).collect::<String>());
    let words = kept.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().take(max).collect();
    let cut = cut.trim_end().to_owned();
    (!cut.is_empty()).then_some(cut)
}

/// Words of visible ASCII with one space between them, as most names are: nothing is to be made of them.
fn is_plain(text: &str) -> bool {
    text.split(' ').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// The text in NFC, as most text is already: seeing that costs a tenth of making it.
fn normal(text: &str) -> String {
    if is_nfc_quick(text.chars()) == IsNormalized::Yes { text.to_owned() } else { text.nfc().collect() }
}

fn unfit_char(c: char) -> Option<Unfit> {
    match c {
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}' => Some(Unfit::Bidi),
        '\u{2028}' | '\u{2029}' | '\u{FEFF}' => Some(Unfit::Control),
        c if c.is_control() => Some(Unfit::Control),
        _ => None,
    }
}

/// The domain of an e-mail address, lower-cased, when the address has exactly one `@` with something on both sides.
///
/// Two `@` are refused because a rule about the last part and a mail system reading the first would disagree (AZ-2,
/// CVE-2026-40574).
#[must_use]
pub fn email_domain(address: &str) -> Option<String> {
    let (local, domain) = address.split_once('@')?;
    let sound =
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.contains(char::is_whitespace);
    sound.then(|| domain.to_ascii_lowercase())
}
