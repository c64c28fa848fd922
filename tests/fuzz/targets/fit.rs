//! What every identity is like, whatever it came from.

use countersign::session::identity::{EMAIL_MAX, GROUPS_MAX, Identity, NAME_MAX, SUBJECT_MAX};

/// Fit to be a claim: bounded, and text that means the same to everybody who reads it.
pub fn is_fit(who: &Identity) {
    let texts = [Some(who.subject.as_str()), who.name.as_deref(), who.email.as_deref(), who.locale.as_deref()];
    for text in texts.into_iter().flatten().chain(who.groups.iter().map(String::as_str)) {
        assert!(!text.is_empty() && text.trim() == text && !text.chars().any(char::is_control), "{text:?}");
    }
    assert!(who.subject.as_str().chars().count() <= SUBJECT_MAX);
    assert!(who.name.as_ref().is_none_or(|name| name.chars().count() <= NAME_MAX));
    assert!(who.email.as_ref().is_none_or(|email| email.chars().count() <= EMAIL_MAX));
    assert!(who.groups.len() <= GROUPS_MAX);
}
