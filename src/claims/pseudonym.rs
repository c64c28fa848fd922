//! Pairwise user ids that only this organisation can turn back into people.
//!
//! A vendor is given an id that is the same for the same visitor for ever, different for every widget (so that two vendors
//! cannot compare notes), and meaningless without the key. It is AES-256-SIV (RFC 5297) over the subject, bound to the
//! login system and the widget. Nothing is stored: who holds the key can read every id ever made, and nobody else any.
//!
//! ```text
//! p1  9f3a  mfzwizltoq2diqkbmrsgc43uo5xxezbaobqxg43xn5zgiidin5sxoylu...
//! |   |     subject in NULs to a multiple of 48 bytes, sealed; base32 (RFC 4648 section 6) in lower case, no padding
//! |   the first four digits of the key's fingerprint
//! version of this format
//! ```
//!
//! Letters and digits only, in one case: it survives stores that fold case, and vendors that accept nothing else.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::base::secret::Encoding;
use crate::base::siv::{KEY_BYTES, Key, TAG_BYTES};
use crate::config::env::{Env, Var};
use crate::session::identity::Subject;

crate::settings! {
    pub vars VARS {
        PSEUDONYM_KEY(secret),
            "Key of pseudonyms: 64 random bytes as base64url, made by `countersign keygen --kind pseudonym`. Another key gives every visitor another id.";
        PSEUDONYM_KEYS_OLD(secret; after("PSEUDONYM_KEY")),
            "Keys used before, comma-separated: pseudonyms made with them can still be unmasked. None is made with them.";
        SUBJECT_NAMESPACE("default", "staff,accounts=patients"),
            "Name of the login system that subjects belong to. The same subject in two login systems is two people. A source with a login system of its own is given as source=name.";
        WIDGET_PAIRWISE_ID("", "clinic"),
            "What this widget's pseudonyms are bound to; the widget's name when not set. Set it to keep everyone's id when a widget is renamed.";
    }
}

/// First characters of every pseudonym. Base32 has no `1`, so nothing else starts like this by chance.
const VERSION: &str = "p1";
/// Digits of the key's fingerprint in a pseudonym: enough to find the key among a few, useless for finding it by trying.
const KEY_ID_CHARS: usize = 4;
/// Subjects are padded to a multiple of this many bytes. UUIDs (36), the pairwise subjects of large identity providers
/// (43) and most addresses fit one block, so that nearly all pseudonyms of an organisation are equally long.
const BLOCK: usize = 48;
/// Sets pseudonyms apart from whatever else might be sealed with the same key.
const LABEL: &[u8] = b"countersign pseudonym 1";

/// A pairwise id. Meaningless to whoever has not the key, but still personal data.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pseudonym(String);

impl Pseudonym {
    /// The id itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Length of the pseudonym of a subject of so many bytes: 109 characters up to 48 bytes, 186 up to 96, 263 up to 144.
    #[must_use]
    pub const fn length(subject_bytes: usize) -> usize {
        let sealed = TAG_BYTES + subject_bytes.next_multiple_of(BLOCK);
        VERSION.len() + KEY_ID_CHARS + (sealed * 8).div_ceil(5)
    }
}

impl From<Pseudonym> for String {
    fn from(pseudonym: Pseudonym) -> Self {
        pseudonym.0
    }
}

/// Redacted, as the subject it stands for is.
impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(..)")
    }
}

/// Where a pseudonym is valid: one login system's subjects as one widget knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Realm<'a> {
    /// The login system ([`Namespaces::of`]).
    pub namespace: &'a str,
    /// The widget's pairwise id ([`WIDGET_PAIRWISE_ID`]).
    pub audience: &'a str,
}

impl Realm<'_> {
    fn context(&self) -> [&[u8]; 3] {
        [LABEL, self.namespace.as_bytes(), self.audience.as_bytes()]
    }
}

/// Whom a pseudonym stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmasked<'a> {
    /// The login system and the widget it was made for.
    pub realm: Realm<'a>,
    /// The visitor, as the login system knows them.
    pub subject: Subject,
}

/// Why a pseudonym cannot be turned back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnmaskError {
    /// Not in the format of a pseudonym.
    #[error("not a pseudonym: it starts with p1 and holds only letters and digits")]
    NotAPseudonym,
    /// Made with a key that is not configured.
    #[error(
        "made with the key whose fingerprint starts with {key_id}, which is neither PSEUDONYM_KEY nor in PSEUDONYM_KEYS_OLD"
    )]
    UnknownKey {
        /// First digits of the missing key's fingerprint.
        key_id: String,
    },
    /// Altered, or made for another widget or login system.
    #[error("altered, or made for a widget or login system that is not configured here")]
    NotGenuine,
}

/// The keys: one that makes pseudonyms, and all that read them.
#[derive(Debug)]
pub struct Pseudonyms {
    current: Key,
    old: Vec<Key>,
}

impl Pseudonyms {
    /// Reads the keys; `None` when there is none, or after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Self> {
        let current = env.secret(&PSEUDONYM_KEY).and_then(|text| read_key(env, &PSEUDONYM_KEY, &text));
        let old = env.secret_lines(&PSEUDONYM_KEYS_OLD).unwrap_or_default();
        let texts = old.expose_secret().split([',', '\n']).map(str::trim_ascii).filter(|text| !text.is_empty());
        let old: Vec<Key> = texts.filter_map(|text| read_key(env, &PSEUDONYM_KEYS_OLD, &text.into())).collect();
        if current.is_none() && !old.is_empty() && !env.is_set(&PSEUDONYM_KEY) {
            env.mistake_in(
                &PSEUDONYM_KEY,
                "is required when PSEUDONYM_KEYS_OLD is set: the key that makes new pseudonyms",
            );
        }
        let current = current?;
        env.show_key(&PSEUDONYM_KEY, &current.fingerprint());
        // The one in force may be there too: it is on its way out.
        let prints: Vec<String> = old.iter().map(Key::fingerprint).collect();
        if (1..prints.len()).any(|i| prints[..i].contains(&prints[i])) {
            env.mistake_in(&PSEUDONYM_KEYS_OLD, "names the same key twice");
        }
        Some(Self::new(current, old))
    }

    /// Pseudonyms made with `current`, and read with it and with `old`.
    #[must_use]
    pub fn new(current: Key, old: Vec<Key>) -> Self {
        Self { current, old }
    }

    /// The id of `subject` in this realm: always the same one for the same key.
    #[must_use]
    pub fn mask(&self, realm: Realm<'_>, subject: &Subject) -> Pseudonym {
        let text = subject.as_str().as_bytes();
        let mut padded = vec![0; text.len().next_multiple_of(BLOCK)];
        padded[..text.len()].copy_from_slice(text);
        let sealed = self.current.seal(realm.context(), &padded);
        Pseudonym(format!("{VERSION}{}{}", key_id(&self.current), base32(&sealed)))
    }

    /// Whom an id stands for, tried in each of `realms`. A vendor's prefix that ends in `_` is passed over, and so is a
    /// change to upper case on the way.
    ///
    /// # Errors
    /// [`UnmaskError`]. An id that was altered in one character is never read as somebody else's.
    pub fn unmask<'a>(
        &self,
        id: &str,
        realms: impl IntoIterator<Item = Realm<'a>>,
    ) -> Result<Unmasked<'a>, UnmaskError> {
        let id = id.trim().to_ascii_lowercase();
        let bare = id.rsplit('_').next().unwrap_or_default();
        let (named, sealed) = parts(bare).ok_or(UnmaskError::NotAPseudonym)?;
        let all = std::iter::once(&self.current).chain(&self.old);
        let keys: Vec<&Key> = all.filter(|key| key_id(key) == named).collect();
        if keys.is_empty() {
            return Err(UnmaskError::UnknownKey { key_id: named.to_owned() });
        }
        let open =
            |realm: Realm<'a>| keys.iter().find_map(|key| key.open(realm.context(), &sealed)).map(|t| (realm, t));
        let (realm, text) = realms.into_iter().find_map(open).ok_or(UnmaskError::NotGenuine)?;
        let text = std::str::from_utf8(&text).map_err(|_| UnmaskError::NotGenuine)?;
        // A subject never holds a NUL (`identity::tidy`), so every NUL is padding.
        let subject = Subject::new(text.trim_end_matches('\0')).map_err(|_| UnmaskError::NotGenuine)?;
        Ok(Unmasked { realm, subject })
    }
}

fn read_key(env: &mut Env, var: &Var, text: &SecretString) -> Option<Key> {
    let bytes = Encoding::Base64Url.decode(text).ok();
    let key = bytes.and_then(|bytes| Key::from_bytes(bytes.expose_secret()));
    if key.is_none() {
        let wanted = format!("is not {KEY_BYTES} bytes in base64url; `countersign keygen --kind pseudonym` makes one");
        env.mistake_in(var, &wanted);
    }
    key
}

fn key_id(key: &Key) -> String {
    let mut id = key.fingerprint();
    id.truncate(KEY_ID_CHARS);
    id
}

/// The key's id and the sealed bytes.
fn parts(id: &str) -> Option<(&str, Vec<u8>)> {
    let (key_id, body) = id.strip_prefix(VERSION)?.split_at_checked(KEY_ID_CHARS)?;
    let hex = key_id.bytes().all(|b| b.is_ascii_hexdigit());
    let sealed = unbase32(body)?;
    (hex && sealed.len() > TAG_BYTES).then_some((key_id, sealed))
}

/// RFC 4648 section 6, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn base32(bytes: &[u8]) -> String {
    let (mut held, mut bits) = (0_u32, 0);
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// `None` for whatever [`base32`] does not write: each byte string has one text and no other.
fn unbase32(text: &str) -> Option<Vec<u8>> {
    let (mut held, mut bits) = (0_u32, 0);
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    for char in text.bytes() {
        let digit = ALPHABET.iter().position(|a| *a == char)?;
        held = held << 5 | u32::try_from(digit).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 255).ok()?);
        }
    }
    let left_over = held & ((1 << bits) - 1);
    (bits < 5 && left_over == 0).then_some(bytes)
}

/// Which login system each session source's subjects belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    common: String,
    own: Vec<(String, String)>,
}

impl Namespaces {
    /// Reads `SUBJECT_NAMESPACE`.
    pub fn read(env: &mut Env) -> Self {
        let items: Vec<String> = env.list(&SUBJECT_NAMESPACE);
        let (own, mut common): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.contains('='));
        let names = items.iter().flat_map(|item| item.split('='));
        if common.len() > 1 || own.iter().any(|item| item.matches('=').count() > 1) || !names.into_iter().all(is_name) {
            env.mistake_in(
                &SUBJECT_NAMESPACE,
                "takes one name of letters, digits and hyphens, and source=name for exceptions",
            );
        }
        let own = own.iter().filter_map(|item| item.split_once('=')).map(|(s, n)| (s.to_owned(), n.to_owned()));
        let common = common.pop().map_or(SUBJECT_NAMESPACE.default, String::as_str);
        Self { common: common.to_owned(), own: own.collect() }
    }

    /// The login system of this source's subjects.
    #[must_use]
    pub fn of(&self, source: &str) -> &str {
        self.own.iter().find(|(s, _)| s == source).map_or(&self.common, |(_, name)| name)
    }

    /// Whether there is more than one login system.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.all().nth(1).is_some()
    }

    /// Every login system, each once.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> =
            std::iter::once(&self.common).chain(self.own.iter().map(|(_, name)| name)).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// Sources that are given a login system of their own, for checking that they exist.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(|(source, _)| source.as_str())
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
