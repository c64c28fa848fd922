//! How the text of a setting becomes its value. Every reader answers `None` after naming what is wrong.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::base::secret;
use crate::config::duration::{parse_duration, show_duration};
use crate::config::env::{Env, Found, Seen};
use crate::config::var::{Var, nearest};
use crate::config::{file, list};

/// What stands for yes and no.
const TRUTH: [(&str, bool); 8] = [
    ("true", true),
    ("false", false),
    ("yes", true),
    ("no", false),
    ("on", true),
    ("off", false),
    ("1", true),
    ("0", false),
];

impl Env {
    /// The value as text, or the default; `None` when there is neither.
    pub fn text(&mut self, var: &Var) -> Option<String> {
        self.value(var).map(|found| found.value.expose_secret().to_owned())
    }

    /// The value as a secret of one line. Two settings with the same secret, stand-ins from sample files, and what an editor
    /// or a copy has left around it are mistakes (T-7).
    pub fn secret(&mut self, var: &Var) -> Option<SecretString> {
        let Found { name, value, .. } = self.value(var)?;
        let value = SecretString::from(file::tidied(value.expose_secret()));
        if let Some(problem) = odd(value.expose_secret()) {
            self.mistake(&name, problem);
            return None;
        }
        self.own_secret(var, name, value)
    }

    /// The same for a secret that takes several lines.
    pub fn secret_lines(&mut self, var: &Var) -> Option<SecretString> {
        let Found { name, value, .. } = self.value(var)?;
        let value = SecretString::from(file::tidied(value.expose_secret()));
        self.own_secret(var, name, value)
    }

    /// The secret, unless it is no secret or another setting's. The settings of one rotation may be equal: while it goes on
    /// there is a moment in which the next one is in its place already. A public key is nobody's secret, and may be several settings'.
    fn own_secret(&mut self, var: &Var, name: String, value: SecretString) -> Option<SecretString> {
        if secret::is_placeholder(value.expose_secret()) {
            self.mistake(&name, "is a placeholder, not a secret. `countersign keygen` makes a strong one");
            return None;
        }
        let rotation = self.rotation(var);
        let same = |seen: &&Seen| seen.name != name && seen.value.expose_secret() == value.expose_secret();
        let twin = self.secrets_seen.iter().find(same).map(|twin| (twin.name.clone(), twin.rotation == rotation));
        if let Some((twin, false)) = twin {
            self.mistake(&name, &format!("has the same value as {twin}; every secret must be its own"));
            return None;
        }
        if !value.expose_secret().contains("PUBLIC KEY-----") {
            self.secrets_seen.push(Seen { name, rotation, value: value.clone() });
        }
        Some(value)
    }

    /// The name of the setting around which this one's rotation goes.
    fn rotation(&self, var: &Var) -> String {
        let around = if var.succeeds.is_empty() { var.name } else { var.succeeds };
        self.name_of(&Var { name: around, ..*var })
    }

    /// The value in a type of its own; a value that does not parse is a mistake.
    pub fn parse<T: FromStr>(&mut self, var: &Var) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let Found { name, value, .. } = self.value(var)?;
        self.parsed(&name, value.expose_secret())
    }

    /// The values between commas, on lines, or in a JSON array, each in a type of its own; blank ones are passed over.
    pub fn list<T: FromStr>(&mut self, var: &Var) -> Vec<T>
    where
        T::Err: fmt::Display,
    {
        let Some(Found { name, value, .. }) = self.value(var) else { return Vec::new() };
        let items = list::items(value.expose_secret()).unwrap_or_else(|problem| {
            self.mistake(&name, &problem);
            Vec::new()
        });
        items.iter().filter_map(|item| self.parsed(&name, item)).collect()
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
        self.choice(var, &TRUTH).unwrap_or(false)
    }

    /// A span of time: a whole number with `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
    pub fn duration(&mut self, var: &Var) -> Option<Duration> {
        let Found { name, value, .. } = self.value(var)?;
        let text = value.expose_secret();
        let span = parse_duration(text);
        match span {
            None => self.mistake(&name, "takes a whole number with a unit, such as 30s, 5m, 4h"),
            Some(span) if !span.is_zero() && text.bytes().all(|b| b.is_ascii_digit()) => {
                self.warn(&name, &format!("has no unit and is read as {}; write the unit", show_duration(span)));
            }
            Some(_) => {}
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
}

/// What a secret of one line holds that nobody meant: whether it belongs to it cannot be told.
fn odd(text: &str) -> Option<&'static str> {
    let invisible = |c: char| matches!(c, '\u{A0}' | '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}' | '\u{FEFF}');
    if text.contains('\n') {
        return Some("holds more than one line");
    }
    if text.len() > 1
        && (text.starts_with('"') && text.ends_with('"') || text.starts_with('\'') && text.ends_with('\''))
    {
        return Some("is in quotes, which would belong to it; remove them");
    }
    if text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']) {
        return Some("begins or ends with a space or a tab; remove it");
    }
    text.contains(invisible).then_some("holds an invisible character, as copying from a web page leaves; type it anew")
}

/// A text that must be there.
pub fn text(env: &mut Env, var: &Var) -> Option<String> {
    needed("", Env::text)(env, var)
}

/// A value in a type of its own that must be there.
pub fn parsed<T: FromStr>(env: &mut Env, var: &Var) -> Option<T>
where
    T::Err: fmt::Display,
{
    needed("", Env::parse)(env, var)
}

/// A list, empty when it is not set.
pub fn list<T: FromStr>(env: &mut Env, var: &Var) -> Option<Vec<T>>
where
    T::Err: fmt::Display,
{
    Some(env.list(var))
}

/// A list of names that may hold commas, empty when it is not set. What looks like names that were cut at their commas is
/// a mistake.
pub fn names(env: &mut Env, var: &Var) -> Option<Vec<String>> {
    let Some(Found { name, value, .. }) = env.value(var) else { return Some(Vec::new()) };
    list::names(value.expose_secret()).map_err(|problem| env.mistake(&name, &problem)).ok()
}

/// Words between blanks, none when it is not set.
pub fn words(env: &mut Env, var: &Var) -> Option<Vec<String>> {
    Some(env.text(var).unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect())
}

/// Yes or no; no when it is not set.
pub fn flag(env: &mut Env, var: &Var) -> Option<bool> {
    Some(env.flag(var))
}

/// A span of time, given as people write it, between two that are given likewise, both inclusive.
pub fn within(least: &'static str, most: &'static str) -> impl Fn(&mut Env, &Var) -> Option<Duration> {
    let bound = |text| parse_duration(text).unwrap_or_default();
    move |env, var| env.duration_within(var, bound(least), bound(most))
}

/// A whole number within bounds.
pub fn number(bounds: RangeInclusive<usize>) -> impl Fn(&mut Env, &Var) -> Option<usize> {
    move |env, var| {
        let number = env.parse(var)?;
        if !bounds.contains(&number) {
            env.mistake_in(var, &format!("must be between {} and {}", bounds.start(), bounds.end()));
        }
        bounds.contains(&number).then_some(number)
    }
}

/// One of these words.
pub fn choice<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&mut Env, &Var) -> Option<T> {
    move |env, var| env.choice(var, words)
}

/// A value that need not be there.
pub fn optional<T>(read: impl Fn(&mut Env, &Var) -> Option<T>) -> impl Fn(&mut Env, &Var) -> Option<Option<T>> {
    move |env, var| {
        let before = env.mistakes_so_far();
        let value = read(env, var);
        (value.is_some() || env.mistakes_so_far() == before).then_some(value)
    }
}

/// The same, where this word means that there is none although there is a default.
pub fn unless<T>(
    word: &'static str,
    read: impl Fn(&mut Env, &Var) -> Option<T>,
) -> impl Fn(&mut Env, &Var) -> Option<Option<T>> {
    move |env, var| {
        if env.text(var).is_some_and(|text| text.eq_ignore_ascii_case(word)) {
            return Some(None);
        }
        optional(&read)(env, var)
    }
}

/// A value that must be there; `why` goes on after "is required".
pub fn needed<T>(
    why: &'static str,
    read: impl Fn(&mut Env, &Var) -> Option<T>,
) -> impl Fn(&mut Env, &Var) -> Option<T> {
    move |env, var| {
        let before = env.mistakes_so_far();
        let value = read(env, var);
        if value.is_none() && env.mistakes_so_far() == before {
            env.mistake_in(var, &format!("is required{why}"));
        }
        value
    }
}

/// A secret that is sent in a header: at least 32 characters, all of which a header can carry; `None` after naming what is wrong.
pub fn header_secret(env: &mut Env, var: &Var) -> Option<SecretString> {
    let secret = env.secret(var)?;
    let text = secret.expose_secret();
    if text.len() < 32 {
        env.mistake_in(
            var,
            &format!("has {} characters; at least 32 are needed. `countersign keygen` makes one", text.len()),
        );
        return None;
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        env.mistake_in(var, "holds a space or a character that a header cannot carry");
        return None;
    }
    Some(secret)
}
