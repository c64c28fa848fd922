//! Settings as text: one definition per variable, every mistake collected, nothing unknown passed over.
//!
//! [`Env`] is a snapshot of the process environment that `main.rs` hands in; nobody else reads it. A value that cannot be
//! used becomes a [`Mistake`]; reading goes on, so that one start names all of them. Any variable may be given as
//! `NAME_FILE` instead, naming a file that holds the value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::base::secret;
use crate::config::file;

pub use crate::config::mistake::{Effective, Mistake, Mistakes, Reading, effective_table};
pub use crate::config::var::Var;
use crate::config::var::{infix_of, is_foreign, nearest, scoped};

/// A snapshot of the environment being read into settings.
pub struct Env {
    values: BTreeMap<String, SecretString>,
    infix: Option<String>,
    aliases_apply: bool,
    asked: BTreeSet<String>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
    effective: Vec<Effective>,
    files: BTreeSet<PathBuf>,
    pub(super) secrets_seen: Vec<Seen>,
}

/// Names only: the values of a snapshot may be secret.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("names", &self.values.len()).finish_non_exhaustive()
    }
}

/// A secret that was read, so that no other setting holds it too.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) rotation: String,
    pub(super) value: SecretString,
}

/// A value, and what supplied it.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) value: SecretString,
    origin: &'static str,
    file: Option<PathBuf>,
}

impl Env {
    /// Takes a snapshot: names and values as the process, or a test, has them.
    pub fn new<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = vars.into_iter().map(|(k, v)| (k.into(), SecretString::from(v.into()))).collect();
        Self {
            values,
            infix: None,
            aliases_apply: true,
            asked: BTreeSet::new(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
            effective: Vec::new(),
            files: BTreeSet::new(),
            secrets_seen: Vec::new(),
        }
    }

    /// Reads `WIDGET_...` variables as those of the widget `name` (`WIDGET_NAME_...`) while `read` runs; `None` is the
    /// single unnamed widget.
    pub fn within<T>(&mut self, name: Option<&str>, read: impl FnOnce(&mut Self) -> T) -> T {
        let infix = name.map(infix_of);
        self.aliases_apply = infix.is_none();
        let before = std::mem::replace(&mut self.infix, infix);
        let result = read(self);
        self.infix = before;
        self.aliases_apply = true;
        result
    }

    /// The name under which `var` is read here, with the widget's infix where one applies.
    #[must_use]
    pub fn name_of(&self, var: &Var) -> String {
        scoped(var.name, self.infix.as_deref())
    }

    /// Whether the variable is given, directly or as a file, under its own name or an alias. Of a setting that succeeds
    /// another only its value tells, because its file may hold nothing.
    #[must_use]
    pub fn is_set(&self, var: &Var) -> bool {
        self.names(var).iter().any(|name| self.has(name) || self.has(&format!("{name}_FILE")))
    }

    /// How many mistakes have been named.
    pub(super) fn mistakes_so_far(&self) -> usize {
        self.mistakes.len()
    }

    /// Says that something is wrong with `variable`. The text must not hold the value of a secret.
    pub fn mistake(&mut self, variable: &str, problem: &str) {
        self.mistakes.push(Mistake { variable: variable.to_owned(), problem: problem.to_owned() });
    }

    /// Says that something is wrong with `var` as it is named here.
    pub fn mistake_in(&mut self, var: &Var, problem: &str) {
        let name = self.name_of(var);
        self.mistake(&name, problem);
    }

    /// Says something the operator should know though it does not prevent the start.
    pub fn warn(&mut self, variable: &str, problem: &str) {
        self.warnings.push(Mistake { variable: variable.to_owned(), problem: problem.to_owned() });
    }

    /// Ends the reading: every mistake, with variables under `prefixes` that are none of `known`; or what took effect.
    ///
    /// # Errors
    /// [`Mistakes`], all of them.
    pub fn finish(mut self, known: &BTreeSet<String>, prefixes: &[&str]) -> Result<Reading, Mistakes> {
        self.name_the_unknown(known, prefixes);
        if !self.mistakes.is_empty() {
            let mut seen = BTreeSet::new();
            self.mistakes.retain(|m| seen.insert((m.variable.clone(), m.problem.clone())));
            return Err(Mistakes(self.mistakes));
        }
        Ok(Reading { effective: self.effective, warnings: self.warnings, files: self.files })
    }

    fn name_the_unknown(&mut self, known: &BTreeSet<String>, prefixes: &[&str]) {
        let names: Vec<String> = self.values.keys().cloned().collect();
        for name in names {
            let bare = name.strip_suffix("_FILE").unwrap_or(&name);
            let is_known = known.contains(&name) || known.contains(bare);
            let ours = prefixes.iter().any(|prefix| name.starts_with(prefix));
            if !is_known && ours && !is_foreign(&name) {
                let all: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = nearest(bare, &all).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
                self.mistake(&name, &format!("is not a setting{hint}"));
            } else if is_known && !self.asked.contains(bare) && !self.asked.contains(&name) {
                self.warn(&name, "is set but has no effect in this configuration");
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|v| !v.expose_secret().is_empty())
    }

    fn names(&self, var: &Var) -> Vec<String> {
        let aliases = if self.aliases_apply { var.aliases } else { &[] };
        let mut names = vec![self.name_of(var)];
        names.extend(aliases.iter().map(|&alias| alias.to_owned()));
        names
    }

    /// The value as it was given, or the default; `None` when there is neither, or after naming a file that cannot be used.
    pub(super) fn value(&mut self, var: &Var) -> Option<Found> {
        let names = self.names(var);
        self.asked.extend(names.iter().cloned());
        let given: Vec<String> =
            names.iter().flat_map(|n| [n.clone(), format!("{n}_FILE")]).filter(|n| self.has(n)).collect();
        let found = match given.as_slice() {
            [] => Self::default_of(var, &names[0]),
            // Tools disagree on `https_proxy` and `HTTPS_PROXY`, so many machines set both, alike.
            [first, others @ ..] if others.iter().all(|other| self.says_the_same(first, other)) => {
                self.given(var, first, names.contains(first))
            }
            [first, others @ ..] => {
                let second = others.first().unwrap_or(first);
                self.mistake(first, &format!("is given twice, here and as {second}; keep one"));
                None
            }
        }?;
        self.record(var, &found);
        Some(found)
    }

    /// Whether both are values, or both files, and equal.
    fn says_the_same(&self, one: &str, other: &str) -> bool {
        let text = |name: &str| self.values.get(name).map(|value| value.expose_secret().to_owned());
        one.ends_with("_FILE") == other.ends_with("_FILE") && text(one) == text(other)
    }

    fn default_of(var: &Var, name: &str) -> Option<Found> {
        let value = SecretString::from(var.default);
        (!var.default.is_empty()).then(|| Found { name: name.to_owned(), value, origin: "default", file: None })
    }

    fn given(&mut self, var: &Var, name: &str, direct: bool) -> Option<Found> {
        let value = self.values.get(name).cloned().unwrap_or_default();
        if direct {
            return Some(Found { name: name.to_owned(), value, origin: "environment", file: None });
        }
        let path = PathBuf::from(value.expose_secret());
        // A file that is not there yet may come later, and is watched from the beginning.
        self.files.insert(path.clone());
        let problem = match file::read(&path) {
            Ok(Some(held)) => {
                if held.open_to_all {
                    self.warn(name, "names a file that every user of this machine can read; make it 0600 or 0640");
                }
                let name = name.strip_suffix("_FILE").unwrap_or(name).to_owned();
                return Some(Found { name, value: held.text, origin: "file", file: Some(path) });
            }
            Ok(None) if !var.succeeds.is_empty() => return None,
            Ok(None) if path.exists() => format!("{} is empty", path.display()),
            Ok(None) => format!("{} (entity not found)", path.display()),
            Err(problem) => problem,
        };
        self.mistake(name, &format!("names a file that cannot be used: {problem}"));
        None
    }

    fn record(&mut self, var: &Var, found: &Found) {
        let text = found.value.expose_secret();
        let shown =
            if var.secret { format!("fingerprint {}", secret::fingerprint(text.as_bytes())) } else { text.to_owned() };
        if !self.effective.iter().any(|e| e.name == found.name) {
            let (name, file) = (found.name.clone(), found.file.clone());
            self.effective.push(Effective { name, shown, origin: found.origin, file });
        }
    }
}
