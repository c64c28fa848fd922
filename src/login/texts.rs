//! What the login's pages say, in each visitor's language.

use serde_json::{Map, Value};

/// The languages that are built in. The first has every text there is, and is spoken where no other fits.
const BUILT_IN: [(&str, &str); 11] = [
    ("en", include_str!("texts/en.json")),
    ("ar", include_str!("texts/ar.json")),
    ("de", include_str!("texts/de.json")),
    ("es", include_str!("texts/es.json")),
    ("fr", include_str!("texts/fr.json")),
    ("it", include_str!("texts/it.json")),
    ("nl", include_str!("texts/nl.json")),
    ("pl", include_str!("texts/pl.json")),
    ("pt", include_str!("texts/pt.json")),
    ("sv", include_str!("texts/sv.json")),
    ("tr", include_str!("texts/tr.json")),
];
/// Languages written from right to left.
const RIGHT_TO_LEFT: [&str; 8] = ["ar", "ckb", "dv", "fa", "he", "ps", "ur", "yi"];
/// Longest text: a paragraph.
const LONGEST: usize = 1000;

/// The texts of one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// Its tag (BCP 47), such as `de` or `pt-BR`.
    pub language: String,
    texts: Map<String, Value>,
}

impl Texts {
    /// The text of this name; empty when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.texts.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> &Map<String, Value> {
        &self.texts
    }

    /// `ltr` or `rtl`.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        let primary = self.language.split('-').next().unwrap_or_default().to_ascii_lowercase();
        if RIGHT_TO_LEFT.contains(&primary.as_str()) { "rtl" } else { "ltr" }
    }
}

/// Every language there is; the first is spoken to whoever reads none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue(Vec<Texts>);

impl Catalogue {
    /// The built-in languages, changed by `own`: a JSON object of languages, each an object of texts by their names. A language
    /// that is built in needs only the texts that are to be others; one that is not needs all of them.
    ///
    /// # Errors
    /// A sentence that says what is wrong with `own`.
    pub fn new(own: Option<&str>) -> Result<Self, String> {
        let mut languages = Vec::with_capacity(BUILT_IN.len());
        for (language, text) in BUILT_IN {
            let texts = serde_json::from_str(text).map_err(|problem| format!("the texts of {language}: {problem}"))?;
            languages.push(Texts { language: language.to_owned(), texts });
        }
        let mut catalogue = Self(languages);
        let own: Map<String, Value> = own
            .map_or(Ok(Map::new()), serde_json::from_str)
            .map_err(|_| "takes a JSON object, such as {\"en\": {\"log_in\": \"Sign in\"}}".to_owned())?;
        for (language, texts) in own {
            let Value::Object(texts) = texts else { return Err(format!("`{language}` must hold an object of texts")) };
            catalogue.change(&language, texts)?;
        }
        Ok(catalogue)
    }

    fn change(&mut self, language: &str, texts: Map<String, Value>) -> Result<(), String> {
        if !is_tag(language) {
            return Err(format!("`{}` is no language tag, such as de or pt-BR", language.escape_default()));
        }
        let known = self.0[0].texts.clone();
        for (name, text) in &texts {
            if !known.contains_key(name) {
                let all: Vec<&str> = known.keys().map(String::as_str).collect();
                return Err(format!(
                    "{language}: there is no text `{}`; there are {}",
                    name.escape_default(),
                    all.join(", ")
                ));
            }
            if !text.as_str().is_some_and(|text| !text.trim_ascii().is_empty() && text.len() <= LONGEST) {
                return Err(format!("{language}: `{name}` must be a text of 1 to {LONGEST} bytes"));
            }
        }
        if let Some(there) = self.0.iter_mut().find(|there| there.language.eq_ignore_ascii_case(language)) {
            there.texts.extend(texts);
            return Ok(());
        }
        let missing: Vec<&str> = known.keys().filter(|name| !texts.contains_key(*name)).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(format!("{language} is not built in and lacks {}", missing.join(", ")));
        }
        self.0.push(Texts { language: language.to_owned(), texts });
        Ok(())
    }

    /// The same, with this language for whoever reads none of them; `None` when it is not there.
    #[must_use]
    pub fn led_by(mut self, language: &str) -> Option<Self> {
        let at = self.0.iter().position(|texts| texts.language.eq_ignore_ascii_case(language))?;
        self.0[..=at].rotate_right(1);
        Some(self)
    }

    /// The tags of all languages.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|texts| texts.language.as_str())
    }

    /// The language that fits an `Accept-Language` best: RFC 9110 section 12.5.4, looked up as in RFC 4647 section 3.4.
    #[must_use]
    pub fn choose(&self, accepted: &str) -> &Texts {
        ranges(accepted).into_iter().find_map(|range| self.look_up(range)).unwrap_or(&self.0[0])
    }

    fn look_up(&self, range: &str) -> Option<&Texts> {
        if range == "*" {
            return self.0.first();
        }
        let mut range = range;
        loop {
            if let Some(found) = self.0.iter().find(|texts| texts.language.eq_ignore_ascii_case(range)) {
                return Some(found);
            }
            range = range.rsplit_once('-')?.0;
        }
    }
}

/// The ranges of an `Accept-Language`, best first; what is malformed is passed over.
fn ranges(header: &str) -> Vec<&str> {
    let mut ranges: Vec<(f32, &str)> = header.split(',').filter_map(weighted).collect();
    ranges.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    ranges.into_iter().map(|(_, range)| range).collect()
}

fn weighted(item: &str) -> Option<(f32, &str)> {
    let (range, weight) = item.split_once(';').unwrap_or((item, "q=1"));
    let (name, weight) = weight.split_once('=')?;
    let weight: f32 = weight.trim_ascii().parse().ok()?;
    let range = range.trim_ascii();
    let fits = name.trim_ascii().eq_ignore_ascii_case("q") && weight > 0.0 && weight <= 1.0;
    (fits && (range == "*" || is_tag(range))).then_some((weight, range))
}

fn is_tag(text: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 35 && text.split('-').all(part)
}
