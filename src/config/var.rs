//! What a setting is: its name, its meaning, and what it is when nobody sets it.

/// One setting: its name, what it means, and what it is when nobody sets it.
#[derive(Debug, Clone, Copy)]
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
    /// The setting whose place this one takes in a rotation, empty when none: such a setting may equal it for a while, and
    /// its file may be empty or missing, so that a rotation is walked with files alone.
    pub succeeds: &'static str,
    /// Whether it is read once, when the process starts: what it says is bound or opened then, and a change needs a restart.
    pub at_start: bool,
    /// One or two sentences for the settings table.
    pub doc: &'static str,
}

impl Var {
    /// A setting that may be shown.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static str, example: &'static str, doc: &'static str) -> Self {
        Self { name, aliases: &[], default, example, secret: false, succeeds: "", at_start: false, doc }
    }

    /// A setting that holds a secret.
    #[must_use]
    pub const fn secret(name: &'static str, doc: &'static str) -> Self {
        Self { name, aliases: &[], default: "", example: "", secret: true, succeeds: "", at_start: false, doc }
    }

    /// The same, taking the place of `name` in a rotation.
    #[must_use]
    pub const fn after(mut self, name: &'static str) -> Self {
        self.succeeds = name;
        self
    }

    /// The same, with a value to show in the sample file.
    #[must_use]
    pub const fn such_as(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    /// The same, read once when the process starts.
    #[must_use]
    pub const fn at_start(mut self) -> Self {
        self.at_start = true;
        self
    }

    /// The same, with a value that it has when nobody sets it.
    #[must_use]
    pub const fn by_default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// The same, also known by other names.
    #[must_use]
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

/// Both lists in one, which is `N` long.
#[must_use]
pub const fn join<const N: usize>(one: &[&'static Var], other: &[&'static Var]) -> [&'static Var; N] {
    let mut all = [one[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < one.len() { one[at] } else { other[at - one.len()] };
        at += 1;
    }
    all
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

/// The known word nearest to `word`, if any is near.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let alike = known.iter().filter(|known| may_be_like(word, known));
    let scored = alike.map(|k| (strsim::normalized_damerau_levenshtein(word, k), *k));
    scored.filter(|(score, _)| *score > 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| k)
}

/// Whether their lengths alone let two words be like each other: every character that one of them has more is one change, and
/// comparing all of an environment's names with all settings is most of what a start costs.
fn may_be_like(word: &str, known: &str) -> bool {
    let (short, long) = (word.len().min(known.len()), word.len().max(known.len()));
    short * 10 > long * 6
}

/// Names that others put under our prefixes: desktop sessions, and the service links that Kubernetes adds to every pod.
pub(super) fn is_foreign(name: &str) -> bool {
    const LINKS: [&str; 3] = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    name == "SESSION_MANAGER"
        || LINKS.iter().any(|end| name.ends_with(end))
        || name.contains("_SERVICE_PORT_")
        || name.contains("_PORT_") && (name.contains("_TCP") || name.contains("_UDP"))
}

/// Whether the name begins as names of many other programs do, too (`SESSION_SECRET`, `ADMIN_PASSWORD`).
pub(super) fn is_common(name: &str) -> bool {
    const COMMON: [&str; 7] = ["SESSION_", "TOKEN_", "LOGIN_", "LOGOUT_", "STORE_", "ADMIN_", "ACCOUNTS_"];
    COMMON.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether this is the other name with a slip of the finger in it.
pub(super) fn is_nearly(word: &str, known: &str) -> bool {
    word.len() > 5 && strsim::normalized_damerau_levenshtein(word, known) >= 0.8
}
