//! Counters and histograms, in the Prometheus text format (OpenMetrics). No label ever holds a subject, an origin or a path.

pub mod recent;
mod tally;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::recent::{Look, Recent};
use self::tally::Tally;
use crate::base::clock::UnixTime;
use crate::observe::logs::COUNTS;

/// Which widget, by which source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct IssuedLabels {
    /// Widget name.
    pub widget: String,
    /// Source name.
    pub source: &'static str,
}

/// Which widget, with which code, for which reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabels {
    /// Widget name; empty when none was found.
    pub widget: String,
    /// Stable code of the answer.
    pub code: &'static str,
    /// Our own word for why.
    pub reason: &'static str,
}

impl From<(String, &'static str)> for IssuedLabels {
    fn from((widget, source): (String, &'static str)) -> Self {
        Self { widget, source }
    }
}

impl From<(String, (&'static str, &'static str))> for RefusedLabels {
    fn from((widget, (code, reason)): (String, (&'static str, &'static str))) -> Self {
        Self { widget, code, reason }
    }
}

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
    /// Audit records that could not be kept.
    pub audit_lost: Gauge,
    /// Reloads of changed files, by whether they took effect.
    pub reloads: Family<ReloadLabels, Counter>,
    /// Logins and logouts of our own login.
    pub logins: Family<LoginLabels, Counter>,
    pulse: Mutex<Recent>,
}

/// What happened at our own login.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LoginLabels {
    /// `login`, `logout` or `back_channel_logout`.
    pub what: &'static str,
    /// `granted`, `refused` or `unavailable`.
    pub outcome: &'static str,
    /// Our own word for why.
    pub reason: &'static str,
}

/// How a reload ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadLabels {
    /// `applied` or `refused`.
    pub outcome: &'static str,
}

/// Upper bounds of the latency buckets in seconds: from a local decision to a slow upstream.
const BUCKETS: [f64; 12] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

impl Default for Metrics {
    fn default() -> Self {
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
        let audit_lost = Gauge::default();
        registry.register("audit_records_lost", "Audit records that could not be written", audit_lost.clone());
        registry.register("log_lines_lost", "Log lines that nobody took", COUNTS.lost.clone());
        registry.register("log_lines_left_out", "Log lines like many others", COUNTS.left_out.clone());
        let reloads = Family::default();
        registry.register("config_reloads", "Reloads of changed files", reloads.clone());
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
            audit_lost,
            reloads,
            logins,
            pulse: Mutex::default(),
        }
    }
}

impl Metrics {
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
