//! What everything stands on: time, chance, secret text, strict JSON. Imports nothing of the project.

pub mod availability;
pub mod byte_set;
pub mod clock;
pub mod clock_step;
pub mod json;
pub mod latency;
pub mod moment;
pub mod rate;
pub mod request;
pub mod secret;
pub mod siv;
