//! Settings as text: one definition per variable, every mistake collected, nothing unknown passed over.
//!
//! [`Env`] is a snapshot of the process environment that `main.rs` hands in; nobody else reads it. A value that cannot be
//! used becomes a [`Mistake`]; reading goes on, so that one start names all of them. Any variable may be given as
//! `NAME_FILE` instead, naming a file that holds the value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use aws_lc_rs::digest;
use secrecy::{ExposeSecret, SecretString};

use crate::base::secret;
use crate::config::file;

use crate::config::mistake::Digest;
pub use crate::config::mistake::{Effective, Line, Mistake, Mistakes, Reading, Supplier, effective_table};
pub use crate::config::var::Var;
use crate::config::var::{infix_of, is_common, is_foreign, is_nearly, nearest, scoped};

/// A snapshot of the environment being read into settings.
pub struct Env {
    values: BTreeMap<String, SecretString>,
    lines: BTreeMap<String, Line>,
    infix: Option<String>,
    aliases_apply: bool,
    asked: BTreeSet<String>,
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
    effective: Vec<Effective>,
    files: BTreeSet<PathBuf>,
    parts: BTreeMap<String, Digest>,
    /// What the parts being read have been given so far, the outermost first.
    open_parts: Vec<digest::Context>,
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
    origin: Supplier,
    file: Option<PathBuf>,
}

impl Env {
    /// Takes a snapshot: names and values as the process, or a test, has them.
    pub fn new<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = vars.into_iter().map(|(k, v)| (k.into(), SecretString::from(v.into()))).collect();
        Self {
            values,
            lines: BTreeMap::new(),
            infix: None,
            aliases_apply: true,
            asked: BTreeSet::new(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
            effective: Vec::new(),
            files: BTreeSet::new(),
            parts: BTreeMap::new(),
            open_parts: Vec::new(),
            secrets_seen: Vec::new(),
        }
    }

    /// The same, knowing which of the variables stand on which line of an environment file.
    #[must_use]
    pub fn with_lines(mut self, lines: &BTreeMap<String, Line>) -> Self {
        self.lines.clone_from(lines);
        self
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

    /// Reads settings that belong together, so that [`Reading::is_same`] tells whether they have changed from one reading to the
    /// next. A part within a part belongs to both.
    pub fn part<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.open_parts.push(digest::Context::new(&digest::SHA256));
        let result = read(self);
        if let Some(read) = self.open_parts.pop() {
            self.parts.insert(name.to_owned(), Digest::of(read));
        }
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

    /// The file that holds the value, for a command that writes it; `None` where the value is given directly, or not at all.
    #[must_use]
    pub fn file_of(&self, var: &Var) -> Option<PathBuf> {
        let path = self.values.get(&format!("{}_FILE", self.name_of(var)))?;
        Some(PathBuf::from(path.expose_secret())).filter(|path| !path.as_os_str().is_empty())
    }

    /// How many mistakes have been named.
    pub(super) fn mistakes_so_far(&self) -> usize {
        self.mistakes.len()
    }

    /// Says that something is wrong with `variable`. The text must not hold the value of a secret.
    pub fn mistake(&mut self, variable: &str, problem: &str) {
        let mistake = self.found_in(variable, problem);
        self.mistakes.push(mistake);
    }

    fn found_in(&self, variable: &str, problem: &str) -> Mistake {
        let line = self.lines.get(variable).or_else(|| self.lines.get(&format!("{variable}_FILE"))).cloned();
        Mistake { line, ..Mistake::of(variable, problem.to_owned()) }
    }

    /// Says that something is wrong with `var` as it is named here.
    pub fn mistake_in(&mut self, var: &Var, problem: &str) {
        let name = self.name_of(var);
        self.mistake(&name, problem);
    }

    /// Says something the operator should know though it does not prevent the start.
    pub fn warn(&mut self, variable: &str, problem: &str) {
        let warning = self.found_in(variable, problem);
        self.warnings.push(warning);
    }

    /// Ends the reading: every mistake, with variables under `prefixes` that are none of `known`; or what took effect.
    ///
    /// # Errors
    /// [`Mistakes`], all of them.
    pub fn finish(&mut self, known: &BTreeSet<String>, prefixes: &[&str]) -> Result<Reading, Mistakes> {
        self.name_the_unknown(known, prefixes);
        if !self.mistakes.is_empty() {
            let mut seen = BTreeSet::new();
            self.mistakes.retain(|m| seen.insert((m.variable.clone(), m.problem.clone())));
            return Err(Mistakes(std::mem::take(&mut self.mistakes)));
        }
        Ok(Reading {
            effective: std::mem::take(&mut self.effective),
            warnings: std::mem::take(&mut self.warnings),
            files: std::mem::take(&mut self.files),
            parts: std::mem::take(&mut self.parts),
        })
    }

    fn name_the_unknown(&mut self, known: &BTreeSet<String>, prefixes: &[&str]) {
        let all: Vec<&str> = known.iter().map(String::as_str).collect();
        let names: Vec<String> = self.values.keys().cloned().collect();
        for name in names {
            let bare = name.strip_suffix("_FILE").unwrap_or(&name);
            let asked = self.asked.contains(bare) || self.asked.contains(&name);
            match (known.contains(&name) || known.contains(bare), self.has(&name)) {
                (true, false) => self.warn(&name, "is set to nothing, which is the same as not set"),
                (true, true) if !asked => self.warn(&name, "is set but has no effect in this configuration"),
                (true, true) => {}
                (false, _) => self.name_unknown(&name, bare, &all, prefixes),
            }
        }
    }

    /// A name of ours that is no setting is a mistake. One that others use as well is so only when it is nearly a setting, and
    /// one that is anybody's is at most pointed out: what others put into the environment never stops the start.
    fn name_unknown(&mut self, name: &str, bare: &str, known: &[&str], prefixes: &[&str]) {
        if is_foreign(name) || prefixes.is_empty() {
            return;
        }
        let ours = prefixes.iter().any(|prefix| name.starts_with(prefix));
        // Of names that are anybody's there are many, and comparing takes long: a slip is seldom in the first letter.
        let alike = known.iter().filter(|known| ours || known.as_bytes().first() == bare.as_bytes().first());
        let near = nearest(bare, &alike.copied().collect::<Vec<_>>());
        let nearly = near.filter(|near| is_nearly(bare, near));
        let hint = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
        match nearly {
            Some(near) if !ours => {
                self.warn(name, &format!("is not a setting and has no effect; did you mean {near}?"));
            }
            None if ours && is_common(name) => self.warn(name, "is not a setting and has no effect"),
            _ if ours => self.mistake(name, &format!("is not a setting{hint}")),
            _ => {}
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
        (!var.default.is_empty()).then(|| Found { name: name.to_owned(), value, origin: Supplier::Default, file: None })
    }

    fn given(&mut self, var: &Var, name: &str, direct: bool) -> Option<Found> {
        let value = self.values.get(name).cloned().unwrap_or_default();
        if direct {
            let origin = self.lines.get(name).cloned().map_or(Supplier::Environment, Supplier::Line);
            return Some(Found { name: name.to_owned(), value, origin, file: None });
        }
        let path = PathBuf::from(value.expose_secret());
        // A file that is not there yet may come later, and is watched from the beginning.
        self.files.insert(path.clone());
        let problem = match file::read(&path, file::VALUE_MOST) {
            Ok(Some(held)) => {
                if held.open_to_all && var.secret {
                    self.warn(name, "names a file that every user of this machine can read; make it 0600 or 0640");
                }
                let name = name.strip_suffix("_FILE").unwrap_or(name).to_owned();
                return Some(Found { name, value: held.text, origin: Supplier::File(path.clone()), file: Some(path) });
            }
            Ok(None) if !var.succeeds.is_empty() => return None,
            Ok(None) if path.exists() => format!("{} is empty", path.display()),
            Ok(None) => format!("{} (entity not found)", path.display()),
            Err(problem) => problem,
        };
        self.mistake(name, &format!("names a file that cannot be used: {problem}"));
        None
    }

    /// The text of the file that the setting names, watched as one that holds a setting is; `None` when the setting is not
    /// given, or after naming what is wrong.
    pub fn named_file(&mut self, var: &Var) -> Option<String> {
        let Found { name, value, .. } = self.value(var)?;
        let path = PathBuf::from(value.expose_secret());
        self.files.insert(path.clone());
        let problem = match file::read(&path, file::NAMED_MOST) {
            Ok(Some(held)) => {
                for part in &mut self.open_parts {
                    part.update(held.text.expose_secret().as_bytes());
                }
                return Some(held.text.expose_secret().to_owned());
            }
            Ok(None) => format!("{} is empty or not there", path.display()),
            Err(problem) => problem,
        };
        self.mistake(&name, &format!("cannot be used: {problem}"));
        None
    }

    fn record(&mut self, var: &Var, found: &Found) {
        let text = found.value.expose_secret();
        let shown = if var.secret { fingerprinted(file::tidied(text).as_bytes()) } else { text.to_owned() };
        // Said, or only assumed: a few settings mean more when they are said.
        let said: &[u8] = if found.origin == Supplier::Default { b"default" } else { b"said" };
        for part in &mut self.open_parts {
            for piece in [found.name.as_bytes(), b"\0", said, b"\0", text.as_bytes(), b"\0"] {
                part.update(piece);
            }
        }
        if !self.effective.iter().any(|e| e.name == found.name) {
            let (name, file, value) = (found.name.clone(), found.file.clone(), Digest::of_text(text));
            let (origin, at_start) = (found.origin.clone(), var.at_start);
            self.effective.push(Effective { name, shown, origin, file, at_start, value });
        }
    }

    /// Shows `var`, where it took effect, as its owner knows it: what can be shown of an address, or the fingerprint of the key
    /// that a text stands for, which is then the same wherever it is named.
    pub fn show_as(&mut self, var: &Var, shown: String) {
        let names = self.names(var);
        if let Some(effective) = self.effective.iter_mut().find(|effective| names.contains(&effective.name)) {
            effective.shown = shown;
        }
    }

    /// The same for a key with this fingerprint.
    pub fn show_key(&mut self, var: &Var, fingerprint: &str) {
        self.show_as(var, format!("fingerprint {fingerprint}"));
    }
}

fn fingerprinted(secret: &[u8]) -> String {
    format!("fingerprint {}", secret::fingerprint(secret))
}
