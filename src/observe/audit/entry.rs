//! A record on its way to the log, and the line it becomes there.
//!
//! A request only copies what it knows; the writer hashes and formats.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::record::{Change, Deed, Event, Record};
use super::subject::Hashes;
use crate::base::byte_set::ByteSet;

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) place: u64,
    pub(super) at: Duration,
    pub(super) what: &'static str,
    pub(super) outcome: &'static str,
    pub(super) reason: &'static str,
    by: &'static str,
    kind: Kind,
    texts: Texts,
    pub(super) client: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Token { expires_at: u64, took: Duration },
    Event,
    Deed,
    Change,
}

/// Texts of a record, one after the other in one allocation.
#[derive(Debug, Clone)]
struct Texts {
    all: String,
    ends: [usize; TEXTS],
}

const TEXTS: usize = 7;

impl Texts {
    fn of(parts: [&str; TEXTS]) -> Self {
        let mut all = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        let ends = parts.map(|part| {
            all.push_str(part);
            all.len()
        });
        Self { all, ends }
    }

    fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.all.get(start..self.ends[index]).unwrap_or_default()
    }
}

const SUBJECT: usize = 0;
const WIDGET: usize = 1;
/// The request's id, or why an operator did something.
const ABOUT: usize = 2;
/// The token's id, or a pseudonym, or what a reload changed.
const ID: usize = 3;
/// Who did something, or what a reload left for a restart.
const OPERATOR: usize = 4;
/// Which key signed.
const KEY: usize = 5;
/// The keyed hash of a token that has no id.
const TOKEN: usize = 6;

impl Entry {
    pub(super) fn of_token(record: &Record<'_>) -> Self {
        let subject = record.subject.map_or("", |subject| subject.as_str());
        let kind = Kind::Token { expires_at: record.expires_at, took: record.took };
        let texts = Texts::of([
            subject,
            record.widget,
            record.request_id,
            record.token_id,
            "",
            record.key_id,
            record.token_hash,
        ]);
        Self::new("token", (record.outcome, record.reason), record.source, kind, texts, record.client)
    }

    pub(super) fn of_event(event: &Event<'_>) -> Self {
        let subject = event.subject.map_or("", |subject| subject.as_str());
        let texts = Texts::of([subject, event.widget, event.request_id, "", "", "", ""]);
        Self::new(event.what, (event.outcome, event.reason), event.method, Kind::Event, texts, event.client)
    }

    pub(super) fn of_deed(deed: &Deed<'_>) -> Self {
        let subject = deed.subject.unwrap_or_default();
        let texts = Texts::of([subject, deed.widget, deed.reason, deed.id, deed.operator, "", ""]);
        Self::new(deed.what, (deed.outcome, ""), "", Kind::Deed, texts, None)
    }

    pub(super) fn of_change(change: &Change<'_>) -> Self {
        let (changed, left) = (change.changed.join(","), change.needs_restart.join(","));
        let texts = Texts::of(["", "", change.problem, &changed, &left, "", ""]);
        Self::new(change.what, (change.outcome, ""), "", Kind::Change, texts, None)
    }

    /// The record that takes this one back: what was granted did not leave.
    pub(super) fn withheld(&self) -> Self {
        Self { outcome: "withheld", reason: "answer_not_sent", ..self.clone() }
    }

    fn new(
        what: &'static str,
        (outcome, reason): (&'static str, &'static str),
        by: &'static str,
        kind: Kind,
        texts: Texts,
        client: Option<IpAddr>,
    ) -> Self {
        Self { place: 0, at: Duration::ZERO, what, outcome, reason, by, kind, texts, client }
    }

    pub(super) fn widget(&self) -> &str {
        self.texts.get(WIDGET)
    }

    /// Appends the record's line, but for its place in the chain.
    pub(super) fn write(&self, line: &mut String, hashes: &mut Hashes) {
        begin(line, self.what, self.at);
        match self.kind {
            Kind::Token { expires_at, took } => self.write_token(line, hashes, expires_at, took),
            Kind::Event => self.write_event(line, hashes),
            Kind::Deed => self.write_deed(line, hashes),
            Kind::Change => self.write_change(line),
        }
    }

    /// Values that could hold anything but our own words are hashed, formatted by us, or checked before they come here, so
    /// the line needs no escaping; the request id is validated where it is taken.
    fn write_token(&self, line: &mut String, hashes: &mut Hashes, expires_at: u64, took: Duration) {
        text(line, "request", self.texts.get(ABOUT));
        text(line, "outcome", self.outcome);
        text(line, "reason", self.reason);
        text(line, "widget", self.widget());
        text(line, "source", self.by);
        self.write_subject(line, hashes);
        text(line, "jti", self.texts.get(ID));
        if !self.texts.get(TOKEN).is_empty() {
            text(line, "token_hash", self.texts.get(TOKEN));
        }
        self.write_key(line);
        line.push_str(",\"exp\":");
        number(line, expires_at);
        self.write_client(line);
        line.push_str(",\"took_us\":");
        number(line, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn write_event(&self, line: &mut String, hashes: &mut Hashes) {
        text(line, "request", self.texts.get(ABOUT));
        text(line, "outcome", self.outcome);
        text(line, "reason", self.reason);
        text(line, "method", self.by);
        if !self.widget().is_empty() {
            text(line, "widget", self.widget());
        }
        self.write_subject(line, hashes);
        self.write_client(line);
    }

    /// What an operator typed is escaped.
    fn write_deed(&self, line: &mut String, hashes: &mut Hashes) {
        text(line, "outcome", self.outcome);
        for (name, at) in [("operator", OPERATOR), ("reason", ABOUT), ("widget", WIDGET), ("id", ID)] {
            let value = serde_json::Value::from(self.texts.get(at));
            // Writing to a String does not fail.
            let _ = write!(line, ",\"{name}\":{value}");
        }
        self.write_subject(line, hashes);
    }

    /// Names of settings need no escaping; what was wrong with them does.
    fn write_change(&self, line: &mut String) {
        text(line, "outcome", self.outcome);
        text(line, "version", env!("CARGO_PKG_VERSION"));
        for (name, at) in [("changed", ID), ("needs_restart", OPERATOR)] {
            let names: Vec<&str> = self.texts.get(at).split(',').filter(|name| !name.is_empty()).collect();
            let _ = write!(line, ",\"{name}\":{}", serde_json::Value::from(names));
        }
        let _ = write!(line, ",\"reason\":{}", serde_json::Value::from(self.texts.get(ABOUT)));
    }

    /// What an operator calls a key is escaped, where that is needed.
    fn write_key(&self, line: &mut String) {
        const PLAIN: ByteSet = ByteSet::alphanumeric_and(b"-_.:");
        let key = self.texts.get(KEY);
        if PLAIN.has_all_of(key.as_bytes()) {
            text(line, "kid", key);
        } else {
            let _ = write!(line, ",\"kid\":{}", serde_json::Value::from(key));
        }
    }

    fn write_subject(&self, line: &mut String, hashes: &mut Hashes) {
        line.push_str(",\"subject\":\"");
        let subject = self.texts.get(SUBJECT);
        if !subject.is_empty() {
            hashes.write(line, subject);
        }
        line.push('"');
    }

    fn write_client(&self, line: &mut String) {
        line.push_str(",\"client\":\"");
        address(line, self.client);
        line.push('"');
    }
}

/// The beginning of every line.
pub(super) fn begin(line: &mut String, what: &str, at: Duration) {
    line.push_str("{\"audit\":\"");
    line.push_str(what);
    line.push_str("\",\"at\":");
    moment(line, at);
}

/// A member whose value needs no escaping.
pub(super) fn text(line: &mut String, name: &str, value: &str) {
    line.push_str(",\"");
    line.push_str(name);
    line.push_str("\":\"");
    line.push_str(value);
    line.push('"');
}

/// Seconds with three places.
pub(super) fn moment(line: &mut String, at: Duration) {
    number(line, at.as_secs());
    line.push('.');
    let millis = at.subsec_millis();
    for digit in [millis / 100, millis / 10 % 10, millis % 10] {
        line.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

/// Decimal. There are eight numbers in a line, and the language's own formatter costs more than all else in it.
pub(super) fn number(line: &mut String, value: u64) {
    line.push_str(itoa::Buffer::new().format(value));
}

pub(super) fn address(line: &mut String, client: Option<IpAddr>) {
    match client {
        Some(IpAddr::V4(v4)) => {
            for (i, octet) in v4.octets().into_iter().enumerate() {
                line.push_str(if i == 0 { "" } else { "." });
                number(line, octet.into());
            }
        }
        Some(v6 @ IpAddr::V6(_)) => {
            let _ = write!(line, "{v6}");
        }
        None => {}
    }
}
