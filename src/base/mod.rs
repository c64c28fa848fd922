//! What everything stands on: time, chance, secret text, strict JSON. Imports nothing of the project.

pub mod clock;
pub mod json;
pub mod moment;
pub mod secret;
pub mod siv;
