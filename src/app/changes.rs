//! What a reload has changed, and whether it is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use crate::config::env::{Effective, Reading};
use crate::http::state::AppState;
use crate::observe::audit::{Audit, Change as AuditChange};

/// A setting that a reload has found changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub setting: String,
    /// The file that holds it, or held it.
    pub file: Option<PathBuf>,
    /// Whether it is in force from now on; what is not needs a restart.
    pub took_effect: bool,
}

/// Every setting that is another one in `now` than in `before`, or is there in one of them only.
#[must_use]
pub fn between(before: &Reading, now: &Reading) -> Vec<Change> {
    let by_name = |reading: &Reading| -> BTreeMap<String, Effective> {
        reading.effective.iter().map(|one| (one.name.clone(), one.clone())).collect()
    };
    let (old, new) = (by_name(before), by_name(now));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = |name: &&&String| old.get(**name).map(|one| one.value) != new.get(**name).map(|one| one.value);
    let change = |name: &String| {
        let one = new.get(name).or_else(|| old.get(name))?;
        Some(Change { setting: name.clone(), file: one.file.clone(), took_effect: !one.at_start })
    };
    names.iter().filter(changed).filter_map(|name| change(name)).collect()
}

pub(super) fn report(changes: &[Change]) {
    for Change { setting, file, took_effect } in changes {
        let file = file.as_ref().map(|path| path.display().to_string());
        if *took_effect {
            tracing::info!(setting, file, "changed, and took effect");
        } else {
            tracing::warn!(setting, file, "changed, and needs a restart to take effect");
        }
    }
    if changes.is_empty() {
        tracing::info!("files were written anew; no setting has changed");
    }
}

/// Writes down which settings a reload has changed, by name.
pub(super) fn record(audit: &Audit, changes: &[Change]) {
    let names = |in_force: bool| -> Vec<&str> {
        changes.iter().filter(|change| change.took_effect == in_force).map(|change| change.setting.as_str()).collect()
    };
    let (in_force, waiting) = (names(true), names(false));
    let reload = AuditChange { what: "reload", outcome: "applied", ..AuditChange::default() };
    audit.change(&AuditChange { changed: &in_force, needs_restart: &waiting, ..reload });
}

/// Names every key by its fingerprint, and says since when it is what it is: since its file was written, or
/// else since the start. And when certificates end.
pub(super) fn show_keys(state: &AppState) {
    let snapshot = state.snapshot();
    let reading = &snapshot.reading;
    let changed = |file: &PathBuf| {
        let modified = std::fs::metadata(file).ok()?.modified().ok()?;
        Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs())
    };
    let key = |one: &'_ Effective| one.shown.strip_prefix("fingerprint ").map(str::to_owned);
    let keys = reading
        .effective
        .iter()
        .filter_map(|one| Some((one.name.as_str(), key(one)?, one.file.as_ref().and_then(changed))));
    let keys: Vec<_> = keys.collect();
    let keys: Vec<_> = keys.iter().map(|(name, key, since)| (*name, key.as_str(), *since)).collect();
    state.metrics.set_keys(&keys, state.clock.now());
    state.metrics.set_certificates(snapshot.tls.as_ref().map_or(&[], |tls| &tls.ends));
}
