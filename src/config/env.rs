//! Settings as text: one definition per variable, every mistake collected, nothing unknown passed over.
//!
//! [`Env`] is a snapshot of the process environment that `main.rs` hands in; nobody else reads it. A room declares its
//! variables as `const Var` beside the code that uses them, and reads them through the typed methods here. A value that
//! cannot be used becomes a [`Mistake`]; reading goes on, so that one start names all of them. Any variable may be given
//! as `NAME_FILE` instead, naming a file that holds the value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::base::secret;

/// One setting: its name, what it means, and what it is when nobody sets it.
#[derive(Debug)]
pub struct Var {
    /// The variable's name. A name that starts with `WIDGET_` belongs to a widget and takes the widget's name as an infix
    /// when several are configured (`WIDGET_CLINIC_SECRET`).
    pub name: &'static str,
    /// Older or vendor-given names that mean the same, accepted while a single unnamed widget is configured.
    pub aliases: &'static [&'static str],
    /// The value used when it is not set, as it would be written; empty when there is none.
    pub default: &'static str,
    /// A value to show in the sample file.
    pub example: &'static str,
    /// Whether the value may be shown.
    pub secret: bool,
    /// One or two sentences for the settings table.
    pub doc: &'static str,
}

impl Var {
    /// A setting that may be shown.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, example: &'static str, doc: &'static str) -> Self {
        Self { name, aliases: &[], default, example, secret: false, doc }
    }

    /// A setting that holds a secret.
    #[must_use]
    pub const fn secret(name: &'static str, doc: &'static str) -> Self {
        Self { name, aliases: &[], default: "", example: "", secret: true, doc }
    }

    /// The same, also known by other names.
    #[must_use]
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

/// One thing wrong with the configuration: the variable, and what is wrong and what would be right. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable as the operator wrote it, or should have.
    pub variable: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
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
    /// `environment`, `file`, or `default`.
    pub origin: &'static str,
    /// The file that holds the value, where one does.
    pub file: Option<PathBuf>,
}

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
    secrets_seen: Vec<(String, SecretString)>,
}

/// Names only: the values of a snapshot may be secret.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("names", &self.values.len()).finish_non_exhaustive()
    }
}

/// Largest file a `NAME_FILE` may name, in bytes: a wrong path must not swallow a disk.
const FILE_MAX: u64 = 256 * 1024;

struct Found {
    name: String,
    value: SecretString,
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

    /// The value as text, or the default; `None` when there is neither.
    pub fn text(&mut self, var: &Var) -> Option<String> {
        self.value(var).map(|found| found.value.expose_secret().to_owned())
    }

    /// The value as a secret. Two settings with the same secret, and stand-ins from sample files, are mistakes (T-7).
    pub fn secret(&mut self, var: &Var) -> Option<SecretString> {
        let Found { name, value, .. } = self.value(var)?;
        if secret::is_placeholder(value.expose_secret()) {
            self.mistake(&name, "is a placeholder, not a secret. `countersign keygen` makes a strong one");
            return None;
        }
        let twin = self.secrets_seen.iter().find(|(n, s)| *n != name && s.expose_secret() == value.expose_secret());
        if let Some(twin) = twin.map(|(n, _)| n.clone()) {
            self.mistake(&name, &format!("has the same value as {twin}; every secret must be its own"));
            return None;
        }
        self.secrets_seen.push((name, value.clone()));
        Some(value)
    }

    /// The value in a type of its own; a value that does not parse is a mistake.
    pub fn parse<T: FromStr>(&mut self, var: &Var) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let Found { name, value, .. } = self.value(var)?;
        self.parsed(&name, value.expose_secret())
    }

    /// The comma-separated values, each in a type of its own; blanks between commas are passed over.
    pub fn list<T: FromStr>(&mut self, var: &Var) -> Vec<T>
    where
        T::Err: fmt::Display,
    {
        let Some(Found { name, value, .. }) = self.value(var) else { return Vec::new() };
        let items = value.expose_secret().split(',').map(str::trim).filter(|item| !item.is_empty());
        items.filter_map(|item| self.parsed(&name, item)).collect()
    }

    /// The value out of a fixed vocabulary; another word is a mistake that names the nearest one.
    pub fn choice<T: Copy>(&mut self, var: &Var, words: &[(&'static str, T)]) -> Option<T> {
        let Found { name, value, .. } = self.value(var)?;
        let word = value.expose_secret();
        let chosen = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, t)| *t);
        if chosen.is_none() {
            let all: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
            let hint = nearest(word, &all).map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
            self.mistake(&name, &format!("takes one of {}{hint}", all.join(", ")));
        }
        chosen
    }

    /// Yes or no: `true`, `yes`, `on`, `1` or their opposites.
    pub fn flag(&mut self, var: &Var) -> bool {
        const WORDS: [(&str, bool); 8] = [
            ("true", true),
            ("false", false),
            ("yes", true),
            ("no", false),
            ("on", true),
            ("off", false),
            ("1", true),
            ("0", false),
        ];
        self.choice(var, &WORDS).unwrap_or(false)
    }

    /// A span of time: a whole number with `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
    pub fn duration(&mut self, var: &Var) -> Option<Duration> {
        let Found { name, value, .. } = self.value(var)?;
        let span = parse_duration(value.expose_secret());
        if span.is_none() {
            self.mistake(&name, "takes a whole number with a unit, such as 30s, 5m, 4h");
        }
        span
    }

    /// A span of time within bounds, both inclusive.
    pub fn duration_within(&mut self, var: &Var, least: Duration, most: Duration) -> Option<Duration> {
        let span = self.duration(var)?;
        if (least..=most).contains(&span) {
            return Some(span);
        }
        let name = self.name_of(var);
        self.mistake(&name, &format!("must be between {} and {}", show_duration(least), show_duration(most)));
        None
    }

    /// Whether the variable is given, directly or as a file, under its own name or an alias.
    #[must_use]
    pub fn is_set(&self, var: &Var) -> bool {
        self.names(var).iter().any(|name| self.has(name) || self.has(&format!("{name}_FILE")))
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

    fn parsed<T: FromStr>(&mut self, name: &str, text: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(problem) => {
                self.mistake(name, &format!("cannot be read: {problem}"));
                None
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

    fn value(&mut self, var: &Var) -> Option<Found> {
        let names = self.names(var);
        self.asked.extend(names.iter().cloned());
        let given: Vec<String> =
            names.iter().flat_map(|n| [n.clone(), format!("{n}_FILE")]).filter(|n| self.has(n)).collect();
        let found = match given.as_slice() {
            [] => Self::default_of(var, &names[0]),
            // Tools disagree on `https_proxy` and `HTTPS_PROXY`, so many machines set both, alike.
            [first, others @ ..] if others.iter().all(|other| self.says_the_same(first, other)) => {
                self.given(first, names.contains(first))
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

    fn given(&mut self, name: &str, direct: bool) -> Option<Found> {
        let value = self.values.get(name).cloned().unwrap_or_default();
        if direct {
            return Some(Found { name: name.to_owned(), value, origin: "environment", file: None });
        }
        let path = PathBuf::from(value.expose_secret());
        match read_file(&path) {
            Ok((value, open_to_all)) => {
                if open_to_all {
                    self.warn(name, "names a file that every user of this machine can read; make it 0600 or 0640");
                }
                self.files.insert(path.clone());
                let name = name.strip_suffix("_FILE").unwrap_or(name).to_owned();
                Some(Found { name, value, origin: "file", file: Some(path) })
            }
            Err(problem) => {
                self.mistake(name, &format!("names a file that cannot be used: {problem}"));
                None
            }
        }
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

/// What a successful reading leaves besides the settings themselves.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Every setting that took effect.
    pub effective: Vec<Effective>,
    /// What the operator should know.
    pub warnings: Vec<Mistake>,
    /// Files that were read, to be watched for change.
    pub files: BTreeSet<PathBuf>,
}

/// What took effect, for `check` and the console.
#[must_use]
pub fn effective_table(effective: &[Effective]) -> String {
    let width = effective.iter().map(|e| e.name.len()).max().unwrap_or_default();
    let lines =
        effective.iter().map(|e| format!("  {:width$}  {}  ({})", e.name, e.shown.replace('\n', " "), e.origin));
    lines.collect::<Vec<String>>().join("\n") + "\n"
}

/// `clinic-a` as it stands in a variable: `CLINIC_A`.
#[must_use]
pub fn infix_of(widget: &str) -> String {
    widget.to_ascii_uppercase().replace('-', "_")
}

/// `WIDGET_SECRET` of the widget with this infix: `WIDGET_CLINIC_SECRET`. Other names stay as they are.
#[must_use]
pub fn scoped(name: &str, infix: Option<&str>) -> String {
    match (infix, name.strip_prefix("WIDGET_")) {
        (Some(infix), Some(rest)) => format!("WIDGET_{infix}_{rest}"),
        _ => name.to_owned(),
    }
}

/// Names that others put under our prefixes: desktop sessions, and the service links that Kubernetes adds to every pod.
fn is_foreign(name: &str) -> bool {
    const LINKS: [&str; 3] = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    name == "SESSION_MANAGER"
        || LINKS.iter().any(|end| name.ends_with(end))
        || name.contains("_SERVICE_PORT_")
        || name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP"))
}

/// The known word nearest to `word`, if any is near.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|k| (strsim::normalized_damerau_levenshtein(word, k), *k));
    scored.filter(|(score, _)| *score > 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| k)
}

fn read_file(path: &Path) -> Result<(SecretString, bool), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(path).map_err(|e| format!("{} ({})", path.display(), e.kind()))?;
    if meta.len() > FILE_MAX {
        return Err(format!("{} is larger than {FILE_MAX} bytes", path.display()));
    }
    let mut text = std::fs::read_to_string(path).map_err(|e| format!("{} ({})", path.display(), e.kind()))?;
    let kept = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).map_or(text.len(), str::len);
    text.truncate(kept);
    if text.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok((text.into(), meta.permissions().mode() & 0o004 != 0))
}

/// Reads a span of time; `None` when it is not one.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis_per = match unit.trim() {
        "ms" => 1,
        "s" | "" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis_per).map(Duration::from_millis)
}

/// Writes a span of time the way [`parse_duration`] reads it.
#[must_use]
pub fn show_duration(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let whole = units.iter().find(|(size, _)| millis != 0 && millis.is_multiple_of(*size));
    whole.map_or_else(|| format!("{millis}ms"), |(size, unit)| format!("{}{unit}", millis / size))
}

/// A line of an environment file that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// Counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Reads the text of an environment file: `NAME=value` lines, `#` comments, optional `export`, values bare, in single
/// quotes (literal, may span lines) or in double quotes (`\n`, `\t`, `\"`, `\\`, may span lines).
///
/// Nothing is substituted: a `$` in a secret is a `$`. Readers of this format differ on ` #` inside a bare value, so
/// that is refused instead of cutting a secret short.
///
/// # Errors
/// [`BadLine`] for the first line that cannot be read.
pub fn parse_dotenv(text: &str) -> Result<Vec<(String, String)>, BadLine> {
    let mut pairs = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (taken, pair) = next_entry(rest).map_err(|problem| BadLine { line, problem })?;
        pairs.extend(pair);
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    Ok(pairs)
}

type Entry = (usize, Option<(String, String)>);

fn next_entry(text: &str) -> Result<Entry, &'static str> {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let line = text[..end].trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((end, None));
    }
    let equals = text[..end].find('=').ok_or("there is no `=`")?;
    let name = text[..equals].trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let sound =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || !sound {
        return Err("the name is not letters, digits and `_`");
    }
    let (used, value) = dotenv_value(&text[equals + 1..])?;
    Ok((equals + 1 + used, Some((name.to_owned(), value))))
}

fn dotenv_value(text: &str) -> Result<(usize, String), &'static str> {
    let end = text.find('\n').map_or(text.len(), |at| at + 1);
    let start = text[..end].len() - text[..end].trim_start().len();
    match text[start..].chars().next() {
        Some(quote @ ('"' | '\'')) if start < end => quoted(&text[start + 1..], quote).map(|(n, v)| (start + 1 + n, v)),
        _ => {
            let bare = text[..end].trim();
            let ambiguous = bare.contains(" #") || bare.contains("\t#");
            if ambiguous { Err("` #` in a bare value: put the value in quotes") } else { Ok((end, bare.to_owned())) }
        }
    }
}

fn quoted(text: &str, quote: char) -> Result<(usize, String), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return after_quote(&text[at + 1..]).map(|tail| (at + 1 + tail, value)),
            '\\' if quote == '"' => value.push(match chars.next().map(|(_, c)| c) {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(c @ ('"' | '\\' | '$')) => c,
                _ => return Err("unknown escape in a double-quoted value"),
            }),
            c => value.push(c),
        }
    }
    Err("the quote is never closed")
}

fn after_quote(tail: &str) -> Result<usize, &'static str> {
    let end = tail.find('\n').map_or(tail.len(), |at| at + 1);
    let left = tail[..end].trim();
    if left.is_empty() || left.starts_with('#') { Ok(end) } else { Err("text after the closing quote") }
}
