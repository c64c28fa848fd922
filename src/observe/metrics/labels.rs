//! What counters are told apart by. No label ever holds a subject, an origin or a path.

use prometheus_client::encoding::EncodeLabelSet;

/// Which widget, by which source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct IssuedLabels {
    /// Widget name.
    pub widget: String,
    /// Source name.
    pub source: &'static str,
}

/// Which widget, with which code, for which reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabels {
    /// Widget name; empty when none was found.
    pub widget: String,
    /// Stable code of the answer.
    pub code: &'static str,
    /// Our own word for why.
    pub reason: &'static str,
}

impl From<(String, &'static str)> for IssuedLabels {
    fn from((widget, source): (String, &'static str)) -> Self {
        Self { widget, source }
    }
}

impl From<(String, (&'static str, &'static str))> for RefusedLabels {
    fn from((widget, (code, reason)): (String, (&'static str, &'static str))) -> Self {
        Self { widget, code, reason }
    }
}

/// What happened at our own login.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LoginLabels {
    /// `login`, `logout`, `back_channel_logout`, `revocation` or `vendor_revocation`.
    pub what: &'static str,
    /// `granted`, `refused` or `unavailable`.
    pub outcome: &'static str,
    /// Our own word for why.
    pub reason: &'static str,
}

/// Which background task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TaskLabels {
    /// Its name.
    pub task: &'static str,
}

/// How a reload ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadLabels {
    /// `applied` or `refused`.
    pub outcome: &'static str,
}

/// Which setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SettingLabels {
    /// Its name.
    pub setting: &'static str,
}

/// Which key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KeyLabels {
    /// The setting that holds it.
    pub setting: String,
    /// Its fingerprint.
    pub fingerprint: String,
}
