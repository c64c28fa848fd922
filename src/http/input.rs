//! The few things a page may say about itself: not identity, and only where the operator lets it (T-6).

use super::form::only;
use crate::claims::PageInput;
use crate::widget::{PageMay, Widget};

/// Longest language tag that is read (RFC 5646 section 4.4.1).
const TAG_MAX: usize = 35;

/// Reads what the query says and this widget lets a page say. Whatever is not exactly what it should be is left out, as is
/// a name that stands there twice.
#[must_use]
pub fn read(widget: &Widget, query: Option<&str>) -> PageInput {
    let silent = widget.page_may == PageMay::default() && widget.page_values.is_empty();
    let Some(query) = query.filter(|_| !silent).map(str::as_bytes) else { return PageInput::default() };
    let locale = widget.page_may.locale.then(|| only(query, "locale")).flatten().filter(|tag| is_language_tag(tag));
    let degrees = |name, most: f64| only(query, name).and_then(|t| t.parse::<f64>().ok()).filter(|d| d.abs() <= most);
    let location = widget.page_may.location.then(|| degrees("lat", 90.0).zip(degrees("long", 180.0))).flatten();
    let values = widget.page_values.iter().filter_map(|value| {
        let text = only(query, &value.name).filter(|text| value.shape.fits(text))?;
        Some((value.name.clone(), text))
    });
    PageInput { locale, location, untrusted: values.collect() }
}

/// The shape of a language tag (RFC 5646 section 2.1): letters, then subtags of up to eight letters and digits.
fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language =
        parts.next().is_some_and(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let subtag = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    language && tag.len() <= TAG_MAX && parts.all(subtag)
}
