//! A token in compact serialization, taken apart: what can be said of it before anything in it is believed.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::base::json::{self, NotJson};
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::key::Key;
use crate::jose::jws::rejected::Rejected;
use crate::net::field;

/// Longest token. Header blocks of common servers end at 8 or 16 KiB, so nothing honest is longer.
pub const TOKEN_MAX: usize = 16 * 1024;
/// Longest key id that is looked for.
const KID_MAX: usize = 256;

/// Whether the parts of a token may end in `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// RFC 7515: never.
    Never,
    /// AWS load balancers pad. The padding is signed along, so it counts as part of what was signed.
    Accepted,
}

/// The one header field of this name; `None` when there is none.
///
/// # Errors
/// [`Rejected::Several`]: which of two was meant cannot be known.
pub fn sole_field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Rejected> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (Some(_), Some(_)) => Err(Rejected::Several),
        (field, _) => Ok(field.map(|value| field::trim(value.as_bytes()))),
    }
}

/// The token of an `Authorization: Bearer` field (RFC 6750 section 2.1); `None` for any other scheme.
#[must_use]
pub fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(6)?;
    let separated = token.first().is_none_or(|byte| *byte == b' ');
    (scheme.eq_ignore_ascii_case(b"bearer") && separated).then(|| field::trim(token))
}

/// A token in compact serialization (RFC 7515 section 7.1), taken apart and not yet believed.
#[derive(Clone, Copy)]
pub struct Compact<'a> {
    signed: &'a [u8],
    header: &'a [u8],
    claims: &'a [u8],
    signature: &'a [u8],
}

/// Redacted: it holds a token.
impl fmt::Debug for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compact(..)")
    }
}

/// Takes a token apart: three non-empty parts of the base64url alphabet between two dots, and nothing else.
///
/// # Errors
/// [`Rejected::TooLarge`] or [`Rejected::Malformed`].
pub fn split(token: &[u8], padding: Padding) -> Result<Compact<'_>, Rejected> {
    if token.len() > TOKEN_MAX {
        return Err(Rejected::TooLarge);
    }
    let mut parts = token.split(|byte| *byte == b'.').map(|part| bare(part, padding));
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Some(header)), Some(Some(claims)), Some(Some(signature)), None) => {
            let dot = token.iter().rposition(|byte| *byte == b'.').unwrap_or_default();
            Ok(Compact { signed: &token[..dot], header, claims, signature })
        }
        _ => Err(Rejected::Malformed),
    }
}

/// Whether a token means to be a signed one: it is one in form, or what somebody has left of one.
#[must_use]
pub fn means_to_be_signed(token: &[u8]) -> bool {
    let mut parts = token.split(|byte| *byte == b'.');
    let header = parts.next().and_then(|part| BASE64URL_NOPAD.decode(part.as_ref()).ok());
    let crippled = header.is_some_and(|text| text.starts_with(b"{")) && parts.count() == 2;
    crippled || split(token, Padding::Never).is_ok()
}

/// A part without its padding, if it is one.
fn bare(part: &[u8], padding: Padding) -> Option<&[u8]> {
    let unpadded = part.strip_suffix(b"==").or_else(|| part.strip_suffix(b"="));
    let bare = unpadded.filter(|_| padding == Padding::Accepted && part.len().is_multiple_of(4)).unwrap_or(part);
    let sound = bare.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (sound && !bare.is_empty()).then_some(bare)
}

impl Compact<'_> {
    /// The protected header.
    ///
    /// # Errors
    /// [`Rejected`] when it is not one JSON object with every name once.
    pub fn header(&self) -> Result<Header, Rejected> {
        let text = BASE64URL_NOPAD.decode(self.header.as_ref()).map_err(|_| Rejected::Malformed)?;
        Header::read(&text)
    }

    /// That `key` signed this.
    pub(super) fn check(&self, key: &Key, algorithm: Algorithm) -> Result<(), Rejected> {
        let signature = BASE64URL_NOPAD.decode(self.signature.as_ref()).map_err(|_| Rejected::Malformed)?;
        key.verifies(algorithm, self.signed, &signature).then_some(()).ok_or(Rejected::Signature)
    }

    /// The claims. Whoever asks has checked the signature.
    pub(super) fn claims(&self) -> Result<Value, Rejected> {
        let text = BASE64URL_NOPAD.decode(self.claims.as_ref()).map_err(|_| Rejected::Malformed)?;
        json::unique_object(&text).map_err(|fault| refused(fault, Rejected::Claims))
    }
}

/// A media type as it is compared: in lower case, and without `application/`.
pub(super) fn media_type(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_prefix("application/").map_or(lower.clone(), str::to_owned)
}

fn refused(fault: NotJson, malformed: Rejected) -> Rejected {
    match fault {
        NotJson::Duplicate => Rejected::Duplicate,
        NotJson::Malformed => malformed,
    }
}

/// A protected header that could be read. Nothing in it is believed before the signature holds.
#[derive(Clone)]
pub struct Header(Value);

/// Redacted: unverified text.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Header(..)")
    }
}

/// As it was read.
impl From<Header> for Value {
    fn from(header: Header) -> Self {
        header.0
    }
}

impl Header {
    /// Reads the JSON of a protected header.
    ///
    /// # Errors
    /// [`Rejected`] when it is not one JSON object with every name once.
    pub fn read(text: &[u8]) -> Result<Self, Rejected> {
        json::unique_object(text).map(Self).map_err(|fault| refused(fault, Rejected::Header))
    }

    /// A member, whatever it holds.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A member that must be a string if it is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Rejected> {
        self.0.get(name).map(|value| value.as_str().ok_or(Rejected::Header)).transpose()
    }

    /// A member that names a media type: `application/` may be left out, and case does not matter (RFC 7515 section
    /// 4.1.9).
    pub(super) fn media_type(&self, name: &str) -> Result<Option<String>, Rejected> {
        Ok(self.text(name)?.map(media_type))
    }

    /// The name of the key.
    pub(super) fn key_id(&self) -> Result<Option<&str>, Rejected> {
        let id = self.text("kid")?;
        if id.is_some_and(|id| id.is_empty() || id.len() > KID_MAX) { Err(Rejected::Header) } else { Ok(id) }
    }
}
