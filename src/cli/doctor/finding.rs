//! What the doctor finds.

use serde_json::{Value, json};

use crate::cli::paint::Paint;

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// Not so: somebody has to act.
    Bad,
    /// It could not be found out.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    /// A stable word for scripts.
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    /// What was seen.
    pub(super) told: String,
    /// What to change, or how to find out.
    pub(super) advice: String,
}

impl Finding {
    pub(super) fn good(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, told: told.into(), advice: String::new() }
    }

    pub(super) fn bad(check: &'static str, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Bad, told: told.into(), advice: advice.into() }
    }

    pub(super) fn unknown(check: &'static str, told: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unknown, told: told.into(), advice: advice.into() }
    }

    pub(super) fn described(&self) -> Value {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Bad => "bad",
            Verdict::Unknown => "unknown",
        };
        json!({ "check": self.check, "verdict": verdict, "told": self.told, "advice": self.advice })
    }

    pub(super) fn lines(&self, paint: Paint) -> String {
        let word = match self.verdict {
            Verdict::Good => paint.good("good"),
            Verdict::Bad => paint.bad("BAD "),
            Verdict::Unknown => paint.warning("?   "),
        };
        let advice = if self.advice.is_empty() { String::new() } else { format!("\n        -> {}", self.advice) };
        format!("{word}    {}: {}{advice}\n", paint.strong(self.check), self.told)
    }
}
