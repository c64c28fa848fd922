//! How often something may happen.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// A count per span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In which span.
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "takes a count and a unit, such as 60/m, or off";
        let (count, unit) = text.split_once('/').ok_or(WRONG)?;
        let per = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return Err(WRONG),
        };
        Ok(Self { count: count.parse().map_err(|_| WRONG)?, per })
    }
}
