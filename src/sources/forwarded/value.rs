//! Values of identity headers: how they are encoded on the wire, and what of them is fit to be believed or shown.

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

/// What bytes that are not UTF-8 mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Latin1,
}

/// How values are encoded on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    None,
    Percent,
    Base64,
    Base64Url,
    /// Encoded words (RFC 2047), beside text as it is.
    Words,
}

impl Encoding {
    /// Each with its name in the configuration.
    pub(super) const NAMES: [(&str, Self); 5] = [
        ("none", Self::None),
        ("percent", Self::Percent),
        ("base64", Self::Base64),
        ("base64url", Self::Base64Url),
        ("rfc2047", Self::Words),
    ];

    /// The encoding of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, encoding)| *encoding)
    }
}

/// Bytes of a header value as text; `None` when they cannot be read.
pub(super) fn decode(bytes: &[u8], encoding: Encoding, charset: Charset) -> Option<Cow<'_, str>> {
    let decoded = match encoding {
        Encoding::None | Encoding::Words => Cow::Borrowed(bytes),
        Encoding::Percent => percent(bytes)?.into(),
        Encoding::Base64 => base64(bytes, &BASE64_NOPAD)?.into(),
        Encoding::Base64Url => base64(bytes, &BASE64URL_NOPAD)?.into(),
    };
    let text = match decoded {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(ref bytes) => str::from_utf8(bytes).ok().map(|text| Cow::Owned(text.to_owned())),
    };
    let latin1 = || decoded.iter().map(|&byte| char::from(byte)).collect();
    let text = text.or_else(|| (charset == Charset::Latin1).then(latin1))?;
    if encoding == Encoding::Words { words(&text).map(Cow::Owned) } else { Some(text) }
}

fn percent(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let pair = tail.get(..2)?;
            out.extend(HEXLOWER_PERMISSIVE.decode(pair).ok()?);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    Some(out)
}

/// Padded or not.
pub(super) fn base64(bytes: &[u8], alphabet: &data_encoding::Encoding) -> Option<Vec<u8>> {
    let unpadded = bytes.strip_suffix(b"==").or_else(|| bytes.strip_suffix(b"="));
    // Padding that is there fills up a group of four.
    let bare = unpadded.filter(|_| bytes.len().is_multiple_of(4)).unwrap_or(bytes);
    alphabet.decode(bare).ok()
}

/// Text with encoded words in it (RFC 2047 section 2). Space between two of them belongs to neither (section 6.2); a word
/// that cannot be read makes the whole unreadable, because half a name is another name.
fn words(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (plain, from) = rest.split_at(start);
        if !(after_word && plain.trim_ascii().is_empty()) {
            out.push_str(plain);
        }
        let (word, tail) = word(from)?;
        out.push_str(&word);
        rest = tail;
        after_word = true;
    }
    out.push_str(rest);
    Some(out)
}

/// The word at the beginning of this text, and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (how, rest) = rest.split_once('?')?;
    let (encoded, rest) = rest.split_once("?=")?;
    let bytes = match how {
        "B" | "b" => base64(encoded.as_bytes(), &BASE64_NOPAD)?,
        "Q" | "q" => percent(encoded.replace('%', "=25").replace('_', "=20").replace('=', "%").as_bytes())?,
        _ => return None,
    };
    // A language may follow the character set (RFC 2231 section 5).
    let charset = charset.split('*').next().unwrap_or_default();
    let latin1 = ["iso-8859-1", "latin1"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    let utf8 = ["utf-8", "us-ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    let text = match () {
        () if utf8 => String::from_utf8(bytes).ok()?,
        () if latin1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        () => return None,
    };
    Some((text, rest))
}

/// The items of a list: a JSON array of texts, or texts between separators.
pub(super) fn items(line: &str, separator: &str) -> Result<Vec<String>, CutNames> {
    if line.starts_with('[')
        && let Ok(items) = serde_json::from_str(line)
    {
        return Ok(items);
    }
    let items: Vec<String> = line.split(separator).map(|item| item.trim_ascii().to_owned()).collect();
    let cut = separator == "," && items.len() > 1 && items.iter().any(|item| is_piece_of_a_name(item));
    if cut { Err(CutNames) } else { Ok(items) }
}

/// The list holds distinguished names, and was cut at their commas: anybody in `OU=Groups` would be in the group of that
/// name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CutNames;

/// `OU=Groups`: an attribute type that distinguished names are made of (RFC 4514 section 3), and a value.
fn is_piece_of_a_name(item: &str) -> bool {
    const TYPES: [&str; 9] = ["cn", "ou", "dc", "o", "l", "st", "c", "uid", "street"];
    let attribute = item.split_once('=').map(|(name, _)| name.trim_ascii());
    attribute.is_some_and(|name| TYPES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}
