//! The one form of an account's name: what is looked up, compared and counted.

use unicode_normalization::UnicodeNormalization as _;

use crate::session::identity::{NAME_MAX, Unfit, tidy};

/// The name as it is known, however it was typed: spellings that mean one account have one form, and the form of a form is
/// itself. Composed again after the letters became small, because some come apart by that.
///
/// # Errors
/// [`Unfit`] when it can be no name.
pub fn canonical(typed: &str) -> Result<String, Unfit> {
    let tidied = tidy(typed, NAME_MAX)?.ok_or(Unfit::Empty)?;
    Ok(tidied.to_lowercase().nfc().collect())
}
