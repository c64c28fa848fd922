//! The same line, again and again: the first few are written, the others are counted, and the count is said.
//!
//! Every line of the log passes here, because there is hardly one that no visitor can cause. What is asked for (debug and
//! trace) is not held back.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use crate::base::clock::Clock;

/// How many lines of one kind are written in one [`WINDOW`].
pub const LINES: u64 = 10;
/// How long lines of one kind are counted together.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Most kinds that are told apart by more than the place they come from.
const KINDS_MAX: usize = 256;
/// Fields that make lines of one place different kinds. Their values are our own words and names of what is configured.
const TELLING: [&str; 8] = ["message", "code", "reason", "widget", "source", "setting", "call", "host"];

/// Counts lines by kind.
#[derive(Debug)]
pub struct Throttle {
    clock: Clock,
    kinds: Mutex<HashMap<(Identifier, String), Kind>>,
    left_out: Counter,
}

#[derive(Debug, Clone, Copy)]
struct Kind {
    since: Duration,
    seen: u64,
    level: Level,
}

impl Throttle {
    /// Counts by this clock; `counter` counts every line that is left out.
    #[must_use]
    pub fn new(clock: Clock, counter: Counter) -> Self {
        Self { clock, kinds: Mutex::default(), left_out: counter }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Identifier, String), Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admits(&self, event: &Event<'_>) -> bool {
        let mut telling = Telling::default();
        event.record(&mut telling);
        let (now, level) = (self.clock.monotonic(), *event.metadata().level());
        let mut key = (event.metadata().callsite(), telling.0);
        let mut kinds = self.lock();
        if kinds.len() >= KINDS_MAX && !kinds.contains_key(&key) {
            key.1.clear();
        }
        let kind = kinds.entry(key).or_insert(Kind { since: now, seen: 0, level });
        kind.seen += 1;
        let admitted = kind.seen <= LINES;
        drop(kinds);
        if !admitted {
            self.left_out.inc();
        }
        admitted
    }

    /// Says how many lines were left out of every kind whose time is over, and begins to count anew.
    pub fn say_left_out(&self) {
        let now = self.clock.monotonic();
        let mut over = Vec::new();
        self.lock().retain(|(_, line), kind| {
            let open = now.saturating_sub(kind.since) < WINDOW;
            if !open && kind.seen > LINES {
                over.push((line.clone(), kind.level, kind.seen - LINES));
            }
            open
        });
        for (line, level, left_out) in over {
            if level == Level::ERROR {
                tracing::error!(left_out, line, "lines like this were left out");
            } else {
                tracing::warn!(left_out, line, "lines like this were left out");
            }
        }
    }
}

impl<S> Filter<S> for Throttle {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    /// Never `always`: a line that is left out after `enabled` was skipped breaks an assertion of tracing-subscriber, which ends
    /// a development build.
    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::INFO || metadata.target() == module_path!() || self.admits(event)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

/// What tells a line from others of its place, in words.
#[derive(Default)]
struct Telling(String);

impl Visit for Telling {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if TELLING.contains(&field.name()) {
            // Writing to a String does not fail.
            let _ = write!(self.0, "{}{value:?}", if self.0.is_empty() { "" } else { " " });
        }
    }
}
