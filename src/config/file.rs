//! A file that a setting names, as editors and orchestrators leave it.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use secrecy::SecretString;

/// Largest file that holds a value, in bytes: a wrong path must not swallow a disk.
pub(super) const VALUE_MOST: u64 = 256 * 1024;
/// Largest file that a value names, such as a bundle of certificates.
pub(super) const NAMED_MOST: u64 = 2 * 1024 * 1024;
/// How often a file that keeps changing is read again before it is refused.
const LOOKS: u32 = 5;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Held {
    /// Its text without a byte-order mark and without blank lines around it.
    pub(super) text: SecretString,
    /// Every user of this machine can read it.
    pub(super) open_to_all: bool,
}

/// Reads the file; `None` when it holds nothing or is not there.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Held>, String> {
    let Some((bytes, meta)) = stable(path, most)? else { return Ok(None) };
    let text = decode(bytes).map_err(|problem| format!("{} {problem}", path.display()))?;
    let text = tidied(&text);
    let open_to_all = meta.permissions().mode() & 0o004 != 0;
    Ok((!text.is_empty()).then(|| Held { text: text.into(), open_to_all }))
}

/// The whole file as two looks in a row have seen it: what is being written at this moment is not taken for the value.
fn stable(path: &Path, most: u64) -> Result<Option<(Vec<u8>, Metadata)>, String> {
    let failed = |error: &std::io::Error| format!("{} ({})", path.display(), error.kind());
    let mut seen: Option<(Vec<u8>, Option<SystemTime>)> = None;
    for _ in 0..LOOKS {
        let meta = match std::fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        if meta.len() > most {
            return Err(format!("{} is larger than {most} bytes", path.display()));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let look = (bytes, meta.modified().ok());
        if seen.as_ref() == Some(&look) {
            return Ok(Some((look.0, meta)));
        }
        seen = Some(look);
    }
    Err(format!("{} keeps changing while it is read", path.display()))
}

fn decode(bytes: Vec<u8>) -> Result<String, &'static str> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err("is UTF-16; save it as UTF-8");
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text")
}

/// Without a byte-order mark, with line ends as Unix writes them, and with neither blank lines nor a line end around the
/// value. Spaces in its own lines stay: whether they belong to it, only its reader knows.
pub(super) fn tidied(text: &str) -> String {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).replace("\r\n", "\n");
    let blank = |line: &&&str| line.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
    let lines: Vec<&str> = text.split('\n').collect();
    let first = lines.iter().take_while(blank).count();
    let last = lines.iter().rev().take_while(blank).count();
    lines.get(first..lines.len().saturating_sub(last)).map(|kept| kept.join("\n")).unwrap_or_default()
}
