//! Every key with its age, and what is to be done about it next.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::words::ago;
use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::config::env::Effective;
use crate::config::var::{infix_of, scoped};
use crate::http::state::Snapshot;
use crate::widget::Widget;

/// From this age on a key is said to be old.
const OLD: Duration = Duration::from_hours(365 * 24);

/// Every key in force: its setting, its fingerprint, how old it is, and the next step of its rotation. What is in no file has
/// been there since the start at least.
pub(super) fn shown(snapshot: &Snapshot, started: UnixTime, now: UnixTime) -> Vec<Value> {
    let mut keys = Vec::new();
    for setting in &snapshot.reading.effective {
        let Some(fingerprint) = setting.shown.strip_prefix("fingerprint ") else { continue };
        let age = age(setting, now);
        let told = match age {
            Some(age) => ago(age),
            None => format!("unknown; in use since the start, {} ago", ago(now.since(started))),
        };
        let (step, due) = step(snapshot, setting, age, now);
        keys.push(
            json!({ "setting": setting.name, "fingerprint": fingerprint, "age": told, "step": step, "due": due }),
        );
    }
    keys
}

/// How long ago the file behind a setting was written.
pub(super) fn age(setting: &Effective, now: UnixTime) -> Option<Duration> {
    let written = std::fs::metadata(setting.file.as_ref()?).ok()?.modified().ok()?;
    let written = written.duration_since(UNIX_EPOCH).ok()?;
    Some(now.since(UnixTime(written.as_secs())))
}

/// The next step, and whether it is time for it.
fn step(snapshot: &Snapshot, setting: &Effective, age: Option<Duration>, now: UnixTime) -> (String, bool) {
    let name = setting.name.as_str();
    if let Some(base) = name.strip_suffix("_PREVIOUS") {
        return previous(snapshot, base, now);
    }
    if let Some(base) = name.strip_suffix("_NEXT") {
        return next(snapshot, base, now);
    }
    if name.ends_with("_KEYS_OLD") {
        return ("keep it for as long as its pseudonyms may have to be read".to_owned(), false);
    }
    let next = format!("{name}_NEXT");
    if snapshot.reading.effective.iter().any(|other| other.name == next) {
        return (format!("{next} follows"), false);
    }
    match age {
        Some(age) if age >= OLD => ("more than a year old: change it".to_owned(), true),
        Some(_) => ("none".to_owned(), false),
        None if setting.at_start => ("none; a change takes a restart".to_owned(), false),
        None => (format!("none; as {name}_FILE it could be changed without a restart"), false),
    }
}

fn next(snapshot: &Snapshot, base: &str, now: UnixTime) -> (String, bool) {
    let at = widget_of(snapshot, base, "WIDGET_SECRET").and_then(|widget| widget.mechanism.takes_over());
    match at {
        Some(at) if at > now => (format!("takes over in {}, at {}", ago(at.since(now)), moment::show(at)), false),
        Some(_) => (format!("has taken over: make it {base}, and remove {base}_NEXT and {base}_NEXT_AT"), true),
        None if base.ends_with("PRIVATE_KEY") => {
            (format!("is published: make it {base} once verifiers have fetched the key set"), false)
        }
        None => (format!("stands by: make it {base} once everybody has it, and remove {base}_NEXT"), false),
    }
}

/// A public key stays published until the last token that it signed has ended: for a token's life after the change.
fn previous(snapshot: &Snapshot, base: &str, now: UnixTime) -> (String, bool) {
    let Some(widget) = widget_of(snapshot, base, "WIDGET_PRIVATE_KEY") else {
        return (format!("remove {base}_PREVIOUS once the change to {base} is everywhere"), false);
    };
    let active = snapshot.reading.effective.iter().find(|setting| setting.name == base);
    match active.and_then(|setting| age(setting, now)) {
        Some(age) if age >= widget.lifetime => (format!("its last token has ended: remove {base}_PREVIOUS"), true),
        Some(age) => {
            (format!("its last token ends in {}: keep it until then", ago(widget.lifetime.saturating_sub(age))), false)
        }
        None => (format!("remove {base}_PREVIOUS when its last token has ended"), false),
    }
}

/// The widget that this is the setting `var` of.
fn widget_of<'a>(snapshot: &'a Snapshot, setting: &str, var: &str) -> Option<&'a Widget> {
    let named =
        |widget: &&Widget| [scoped(var, Some(&infix_of(&widget.name))), var.to_owned()].contains(&setting.to_owned());
    snapshot.widgets.iter().find(named)
}
