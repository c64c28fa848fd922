//! PEM text (RFC 7468) of a private key, as editors, manifests and variables of one line leave it.

use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};

/// What a text is that should be a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPrivateKey {
    /// The other half.
    #[error("is a public key; the private key is needed, which signs and never leaves")]
    Public,
    /// A certificate, or the request for one.
    #[error("is a certificate; the private key that belongs to it is needed")]
    Certificate,
    /// Encrypted.
    #[error("is encrypted with a passphrase; `openssl pkey -in KEY -out PLAIN` writes it without one")]
    Encrypted,
    /// OpenSSH's own format.
    #[error("is in OpenSSH's own format; `ssh-keygen -p -m PKCS8 -f KEY` turns it into PKCS#8")]
    OpenSsh,
    /// A JWK.
    #[error("is a JWK or other JSON; a PEM private key is needed")]
    Json,
    /// More than one.
    #[error("holds several private keys; one is needed")]
    Several,
    /// A part of one.
    #[error("breaks off: its END line is missing or names something else than its BEGIN line")]
    BrokenOff,
    /// Something else.
    #[error("is not a PEM private key (PKCS#8, PKCS#1 or SEC1, unencrypted)")]
    Other,
}

/// The one private key in the text, with the lines that PEM wants. Line ends may be written as `\n`, be blanks, or be
/// indented: neither occurs in base64, so what is meant is plain.
///
/// # Errors
/// [`NotAPrivateKey`], which says what it is instead.
pub fn private_key(text: &SecretString) -> Result<SecretString, NotAPrivateKey> {
    let text = text.expose_secret().replace("\\r", "").replace("\\n", "\n");
    let blocks = blocks(&text)?;
    let mut keys = blocks.iter().filter(|(label, _)| label.ends_with("PRIVATE KEY"));
    match (keys.next(), keys.next()) {
        (Some((label, body)), None) => armoured(label, body),
        (Some(_), Some(_)) => Err(NotAPrivateKey::Several),
        (None, _) => Err(instead(&text, blocks.first().map(|(label, _)| *label))),
    }
}

/// DER under its label, as PEM is written.
pub(super) fn written(label: &str, der: &[u8]) -> String {
    let encoded = BASE64.encode(der.as_ref());
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Each label with what stands between its lines.
fn blocks(text: &str) -> Result<Vec<(&str, &str)>, NotAPrivateKey> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, after) = begun.split_once("-----").ok_or(NotAPrivateKey::BrokenOff)?;
        let end = format!("-----END {label}-----");
        let (body, left) = after.split_once(end.as_str()).ok_or(NotAPrivateKey::BrokenOff)?;
        blocks.push((label, body));
        rest = left;
    }
    Ok(blocks)
}

fn armoured(label: &str, body: &str) -> Result<SecretString, NotAPrivateKey> {
    if label.starts_with("ENCRYPTED") || body.contains("ENCRYPTED") {
        return Err(NotAPrivateKey::Encrypted);
    }
    if label.starts_with("OPENSSH") {
        return Err(NotAPrivateKey::OpenSsh);
    }
    let base64: Vec<char> = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let lines: Vec<String> = base64.chunks(64).map(|line| line.iter().collect()).collect();
    Ok(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into())
}

fn instead(text: &str, label: Option<&str>) -> NotAPrivateKey {
    match label {
        Some(label) if label.ends_with("PUBLIC KEY") => NotAPrivateKey::Public,
        Some(label) if label.contains("CERTIFICATE") => NotAPrivateKey::Certificate,
        None if text.trim_ascii_start().starts_with("ssh-") || text.trim_ascii_start().starts_with("ecdsa-sha2-") => {
            NotAPrivateKey::Public
        }
        None if text.trim_ascii_start().starts_with('{') => NotAPrivateKey::Json,
        _ => NotAPrivateKey::Other,
    }
}
