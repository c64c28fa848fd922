//! Notices that the time of day was set: by hand, by a time server after an outage, by a machine that slept.

use std::time::Duration;

/// Compares how far the time of day has run with how far time has.
#[derive(Debug, Clone, Copy)]
pub struct StepWatch {
    ahead: i128,
}

impl StepWatch {
    /// Begins with the time of day since the epoch, and a time that never steps.
    #[must_use]
    pub fn new(wall: Duration, monotonic: Duration) -> Self {
        Self { ahead: ahead(wall, monotonic) }
    }

    /// By how many milliseconds the time of day was set since the last look: forward when positive.
    pub fn look(&mut self, wall: Duration, monotonic: Duration) -> i128 {
        let now = ahead(wall, monotonic);
        now - std::mem::replace(&mut self.ahead, now)
    }
}

fn ahead(wall: Duration, monotonic: Duration) -> i128 {
    // Spans of a process's life are far from the ends of i128.
    let millis = |span: Duration| i128::try_from(span.as_millis()).unwrap_or(i128::MAX / 2);
    millis(wall) - millis(monotonic)
}
