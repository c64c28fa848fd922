//! What is wrong with a configuration, and what took effect of one that is right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;

/// One thing wrong with the configuration: the variable, and what is wrong and what would be right. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable as the operator wrote it, or should have.
    pub variable: String,
    /// What is wrong and what would be right.
    pub problem: String,
    /// Where it stands, when in an environment file.
    pub line: Option<Line>,
}

impl Mistake {
    /// A mistake that stands in no environment file.
    #[must_use]
    pub fn of(variable: &str, problem: String) -> Self {
        Self { variable: variable.to_owned(), problem, line: None }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some(line) => write!(f, "{} ({line}): {}", self.variable, self.problem),
            None => write!(f, "{}: {}", self.variable, self.problem),
        }
    }
}

/// Everything wrong with the configuration, in one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "the configuration has {} {plural}", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// One setting as it took effect, for `countersign check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The variable that supplied the value, or that would have.
    pub name: String,
    /// The value, or a secret's fingerprint.
    pub shown: String,
    /// What supplied it.
    pub origin: Supplier,
    /// The file that holds the value, where one does.
    pub file: Option<PathBuf>,
    /// Whether it is read once, when the process starts.
    pub at_start: bool,
    /// The value as it can be compared.
    pub value: Digest,
}

/// What supplied a setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Supplier {
    /// Nobody set it.
    Default,
    /// A variable of the process.
    Environment,
    /// A line of an environment file.
    Line(Line),
    /// The file that `NAME_FILE` names.
    File(PathBuf),
}

impl fmt::Display for Supplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment => f.write_str("environment"),
            Self::Line(line) => line.fmt(f),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// A line of an environment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file, as it was named.
    pub file: Arc<PathBuf>,
    /// Counted from one.
    pub number: usize,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file.display(), self.number)
    }
}

/// What a successful reading leaves besides the settings themselves.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Every setting that took effect.
    pub effective: Vec<Effective>,
    /// What the operator should know.
    pub warnings: Vec<Mistake>,
    /// Files that were read, to be watched for change.
    pub files: BTreeSet<PathBuf>,
    pub(super) parts: BTreeMap<String, Digest>,
}

impl Reading {
    /// Whether none of the settings of these parts ([`Env::part`](super::env::Env::part)) was another one in `before`.
    #[must_use]
    pub fn is_same(&self, before: &Self, parts: &[&str]) -> bool {
        parts.iter().all(|part| self.parts.get(*part) == before.parts.get(*part))
    }
}

/// What some settings are, to be compared and not to be shown: it is made of secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of_text(text: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(text.as_bytes());
        Self::of(context)
    }

    pub(super) fn of(read: digest::Context) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(read.finish().as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// What took effect, for `check` and the console.
#[must_use]
pub fn effective_table(effective: &[Effective]) -> String {
    let width = effective.iter().map(|e| e.name.len()).max().unwrap_or_default();
    let lines =
        effective.iter().map(|e| format!("  {:width$}  {}  ({})", e.name, e.shown.replace('\n', " "), e.origin));
    lines.collect::<Vec<String>>().join("\n") + "\n"
}
