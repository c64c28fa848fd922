//! Counters and histograms, in the Prometheus text format (OpenMetrics). No label ever holds a subject, an origin or a path.

mod labels;
pub mod recent;
mod tally;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use self::labels::{IssuedLabels, LoginLabels, RefusedLabels, ReloadLabels, TaskLabels};
use self::recent::{Look, Recent};
use self::tally::Tally;
use crate::base::clock::UnixTime;
use crate::observe::audit::AuditCounts;
use crate::observe::logs::COUNTS;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    issued: Tally<&'static str, IssuedLabels>,
    refused: Tally<(&'static str, &'static str), RefusedLabels>,
    took: Histogram,
    decisions: AtomicU64,
    decisions_ns: AtomicU64,
    /// Requests that are being answered.
    pub in_flight: Gauge,
    /// Requests without Fetch Metadata: an old browser, or a proxy that strips it.
    pub fetch_metadata_absent: Counter,
    /// `Forwarded` and `X-Forwarded-For` contradicted each other.
    pub forwarded_contradictions: Counter,
    /// Reloads of changed files, by whether they took effect.
    pub reloads: Family<ReloadLabels, Counter>,
    /// When each background task was last known to be alive, in seconds since 1970.
    pub task_heartbeats: Family<TaskLabels, Gauge>,
    /// Background tasks that ended and began anew.
    pub task_restarts: Family<TaskLabels, Counter>,
    /// Logins and logouts of our own login.
    pub logins: Family<LoginLabels, Counter>,
    pulse: Mutex<Recent>,
}

/// Upper bounds of the latency buckets in seconds: from a local decision to a slow upstream.
const BUCKETS: [f64; 12] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

impl Default for Metrics {
    fn default() -> Self {
        Self::new(&AuditCounts::default())
    }
}

impl Metrics {
    /// Everything at nought, but for what the audit log counts.
    #[must_use]
    pub fn new(audit: &AuditCounts) -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let issued = Family::default();
        registry.register("tokens_issued", "Tokens issued", issued.clone());
        let refused = Family::default();
        registry.register("tokens_refused", "Requests that got no token", refused.clone());
        let took = Histogram::new(BUCKETS);
        registry.register("token_decision_seconds", "Time to decide about a token request", took.clone());
        let in_flight = Gauge::default();
        registry.register("http_in_flight", "Requests being answered", in_flight.clone());
        let fetch_metadata_absent = Counter::default();
        registry.register(
            "fetch_metadata_absent",
            "Token requests without Sec-Fetch-Site",
            fetch_metadata_absent.clone(),
        );
        let forwarded_contradictions = Counter::default();
        registry.register(
            "forwarded_contradictions",
            "Requests whose Forwarded and X-Forwarded-For differ",
            forwarded_contradictions.clone(),
        );
        registry.register("audit_records_lost", "Audit records that could not be written", audit.lost.clone());
        registry.register("audit_records_summed", "Audit records written as part of a sum", audit.summed.clone());
        registry.register("audit_records_waiting", "Grants whose records wait", audit.waiting.clone());
        registry.register("log_lines_lost", "Log lines that nobody took", COUNTS.lost.clone());
        registry.register("log_lines_left_out", "Log lines like many others", COUNTS.left_out.clone());
        let reloads = Family::default();
        registry.register("config_reloads", "Reloads of changed files", reloads.clone());
        let task_heartbeats = Family::default();
        registry.register("task_heartbeat_seconds", "When a background task was last alive", task_heartbeats.clone());
        let task_restarts = Family::default();
        registry.register("task_restarts", "Background tasks that ended and began anew", task_restarts.clone());
        let logins = Family::default();
        registry.register("logins", "Logins and logouts of our own login", logins.clone());
        Self {
            registry,
            issued: Tally::of(issued),
            refused: Tally::of(refused),
            took,
            decisions: AtomicU64::default(),
            decisions_ns: AtomicU64::default(),
            in_flight,
            fetch_metadata_absent,
            forwarded_contradictions,
            reloads,
            task_heartbeats,
            task_restarts,
            logins,
            pulse: Mutex::default(),
        }
    }

    /// Counts one token of this widget by this source.
    pub fn issued(&self, widget: &str, source: &'static str) {
        self.issued.count(widget, source);
    }

    /// Counts one refusal.
    pub fn refused(&self, widget: &str, code: &'static str, reason: &'static str) {
        self.refused.count(widget, (code, reason));
    }

    /// How many tokens each widget has got, and how many requests it has refused.
    #[must_use]
    pub fn totals(&self) -> (HashMap<String, u64>, HashMap<String, u64>) {
        (self.issued.by_widget(), self.refused.by_widget())
    }

    /// Notes how long a decision took.
    pub fn took(&self, span: Duration) {
        self.took.observe(span.as_secs_f64());
        self.decisions.fetch_add(1, Ordering::Relaxed);
        self.decisions_ns.fetch_add(u64::try_from(span.as_nanos()).unwrap_or_default(), Ordering::Relaxed);
    }

    /// The whole exposition.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail; an empty exposition would show at once.
        encode(&mut text, &self.registry).map_or_else(|_| String::new(), |()| text)
    }

    /// Looks at the counters and remembers what has happened since the last look. To be called every few seconds.
    pub fn beat(&self, now: UnixTime) {
        let mut look = Look::default();
        self.issued.each(|_, _, count| look.issued += count);
        self.refused.each(|widget, kind, count| look.refused.push(((widget.to_owned(), kind).into(), count)));
        look.decisions = self.decisions.load(Ordering::Relaxed);
        look.took = Duration::from_nanos(self.decisions_ns.load(Ordering::Relaxed));
        self.pulse().beat(now, look);
    }

    /// What the looks so far have seen.
    pub fn pulse(&self) -> MutexGuard<'_, Recent> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
