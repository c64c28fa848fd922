//! Reading the chain: what is missing, changed, moved or torn.

use std::collections::HashMap;

use serde_json::Value;

use super::chain::{HASH, Seal};

/// What a reading has found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Lines that hold.
    pub good: u64,
    /// Lines without a hash before the first that has one: written before there was a chain.
    pub unchained: u64,
    /// Number and hash of the last line.
    pub last: (u64, String),
    /// What is no break and worth knowing, with its place.
    pub notes: Vec<String>,
}

/// The first line that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct Broken {
    /// Which file.
    pub file: String,
    /// Counted from one.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads lines in the order in which they were written, file after file. Lines of several chains may be mixed, as a collector
/// mixes what several processes print: each line must follow one that is there and has no other line after it.
#[derive(Debug)]
pub struct Reader {
    seal: Seal,
    /// The sequence numbers of lines that nothing follows yet, by their hashes.
    open: HashMap<String, u64>,
    begun: bool,
    ended: bool,
    findings: Findings,
}

impl Reader {
    /// A reading with this seal.
    #[must_use]
    pub fn new(seal: Seal) -> Self {
        Self { seal, open: HashMap::new(), begun: false, ended: true, findings: Findings::default() }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`Broken`], the first line that does not hold.
    pub fn read(&mut self, file: &str, text: &str) -> Result<(), Broken> {
        for (line, number) in text.split_inclusive('\n').zip(1..) {
            let broken = |problem| Broken { file: file.to_owned(), line: number, problem };
            let whole = line.strip_suffix('\n').ok_or_else(|| broken("is torn: it has no end".to_owned()))?;
            let note = self.line(whole).map_err(broken)?;
            self.findings.notes.extend(note.map(|note| format!("{file}, line {number}: {note}")));
        }
        Ok(())
    }

    /// What has been found.
    #[must_use]
    pub fn finish(mut self) -> Findings {
        if !self.ended {
            let note = "the last record is no `stop`: the service runs, was killed, or what followed has been cut off; compare the last number with countersign_audit_sequence";
            self.findings.notes.push(note.to_owned());
        }
        self.findings
    }

    fn line(&mut self, line: &str) -> Result<Option<String>, String> {
        let value: Value = serde_json::from_str(line).map_err(|_| "is torn or no record".to_owned())?;
        let Some((sealed, hash)) = parts(line) else { return self.unchained(&value) };
        if self.seal.hash(sealed) != hash {
            let key = if self.begun { "" } else { " (or the chain was made under another AUDIT_KEY, or without one)" };
            return Err(format!("was changed: its hash is not that of its text{key}"));
        }
        let (seq, prev) = (value["seq"].as_u64(), value["prev"].as_str());
        let (Some(seq), Some(prev)) = (seq, prev) else { return Err("has no place in a chain".to_owned()) };
        let what = value["audit"].as_str().unwrap_or_default();
        let note = self.follow(seq, prev, what)?;
        self.open.insert(hash.to_owned(), seq);
        self.ended = what == "stop" || value["operator"].is_string();
        self.findings.good += 1;
        self.findings.last = (seq, hash.to_owned());
        Ok(note.or_else(|| remark(what, &value)))
    }

    fn unchained(&mut self, value: &Value) -> Result<Option<String>, String> {
        if self.begun || !value["audit"].is_string() {
            return Err("has no hash".to_owned());
        }
        self.findings.unchained += 1;
        Ok(None)
    }

    fn follow(&mut self, seq: u64, prev: &str, what: &str) -> Result<Option<String>, String> {
        let first = !std::mem::replace(&mut self.begun, true);
        match (prev, self.open.remove(prev)) {
            ("", _) if seq == 1 => Ok((!first).then(|| "another chain begins".to_owned())),
            (_, Some(before)) if before + 1 == seq => Ok(None),
            (_, None) if first && what == "file" => {
                Ok(Some(format!("continues an older file, whose last hash is {prev}")))
            }
            (_, None) if first => Err(format!("the {} lines before it are missing", seq.saturating_sub(1))),
            _ => Err(format!(
                "does not follow the line before it: a line is missing, was moved or came twice{}",
                self.gap(seq)
            )),
        }
    }

    fn gap(&self, seq: u64) -> String {
        let (last, _) = self.findings.last;
        if seq > last + 1 { format!(" (numbers {} to {} are not there)", last + 1, seq - 1) } else { String::new() }
    }
}

/// The text that a line's hash is of, and the hash.
fn parts(line: &str) -> Option<(&str, &str)> {
    let (sealed, rest) = line.rsplit_once(HASH)?;
    Some((sealed, rest.strip_suffix("\"}")?))
}

/// What is worth knowing about a line that holds.
fn remark(what: &str, value: &Value) -> Option<String> {
    match what {
        "recovered" => Some(format!("{} bytes of a torn line were cut off here", value["count"])),
        "lost" => Some(format!("{} records were lost before this one", value["count"])),
        _ => None,
    }
}
