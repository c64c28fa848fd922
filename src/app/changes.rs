//! What a reload has changed, and whether it is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::env::{Effective, Reading};

/// What is bound or opened once, at the start.
const NEED_RESTART: [&str; 9] = [
    "LISTEN",
    "ADMIN_LISTEN",
    "ADMIN_HOSTS",
    "AUDIT_LOG",
    "AUDIT_KEY",
    "AUDIT_REQUIRED",
    "RATE_LIMIT_VISITOR",
    "LOG_LEVEL",
    "LOG_FORMAT",
];

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
    let change = |name: &String| Change {
        setting: name.clone(),
        file: new.get(name).or_else(|| old.get(name)).and_then(|one| one.file.clone()),
        took_effect: !NEED_RESTART.contains(&name.as_str()),
    };
    names.iter().filter(changed).map(|name| change(name)).collect()
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
