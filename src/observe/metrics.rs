//! Counters and histograms, in the Prometheus text format (OpenMetrics). No label ever holds a subject, an origin or a path.

mod connections;
mod labels;
mod live;
mod plain;
pub mod recent;
mod requests;
mod tally;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

pub use self::connections::{Connections, Shed};
pub use self::labels::{IssuedLabels, KeyLabels, LoginLabels, RefusedLabels, ReloadLabels, SettingLabels, TaskLabels};
use self::live::{Build, Dependencies, Process, Sources};
use self::plain::plain;
use self::recent::{Look, Recent};
use self::requests::Requests;
use self::tally::Tally;
use crate::base::clock::UnixTime;
use crate::base::latency::Latency;
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
    /// Connections of the public listener.
    pub connections: Connections,
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
    requests: Arc<Requests>,
    sources: Sources,
    /// When the settings were last read anew, since 1970; 0 when never.
    pub last_reload: Gauge,
    /// Whether that took effect.
    pub last_reload_success: Gauge,
    started: AtomicU64,
    keys: Family<KeyLabels, Gauge>,
    certificates: Family<SettingLabels, Gauge>,
    pulse: Mutex<Recent>,
}

/// Upper bounds of the latency buckets in seconds: from a local decision to a slow upstream.
const BUCKETS: [f64; 12] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

const CONTRADICTIONS: &str = "Requests whose Forwarded and X-Forwarded-For differ";
const LAST_RELOAD: &str = "When the settings were last read anew; 0 when never";
const LAST_RELOAD_SUCCESS: &str = "Whether the last reload took effect; 1 when there was none";

/// A new series, in this registry.
fn added<M: Metric + Clone + Default>(to: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    to.register(name, help, metric.clone());
    metric
}

/// What the audit log and the log count themselves.
fn register_of_others(to: &mut Registry, audit: &AuditCounts) {
    to.register("audit_records_lost", "Audit records that could not be written", audit.lost.clone());
    to.register("audit_records_summed", "Audit records written as part of a sum", audit.summed.clone());
    to.register("audit_records_waiting", "Grants whose records wait", audit.waiting.clone());
    to.register("audit_up", "Whether the audit log takes records", audit.up.clone());
    to.register("audit_sequence", "Number of the latest audit record in its chain", audit.sequence.clone());
    to.register("log_lines_lost", "Log lines that nobody took", COUNTS.lost.clone());
    to.register("log_lines_left_out", "Log lines like many others", COUNTS.left_out.clone());
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(&AuditCounts::default())
    }
}

impl Metrics {
    /// Everything at nought, but for what the audit log counts.
    #[must_use]
    pub fn new(audit: &AuditCounts) -> Self {
        let mut all = Registry::default();
        all.sub_registry_with_prefix("process").register_collector(Box::new(Process));
        let to = all.sub_registry_with_prefix("countersign");
        let (requests, sources, took) = (Arc::new(Requests::default()), Sources::default(), Histogram::new(BUCKETS));
        let collectors: [Box<dyn Collector>; 4] =
            [Box::new(Build), Box::new(Dependencies), Box::new(sources.clone()), Box::new(requests.clone())];
        for collector in collectors {
            to.register_collector(collector);
        }
        to.register("token_decision_seconds", "Time to decide about a token request", took.clone());
        register_of_others(to, audit);
        let metrics = Self {
            issued: Tally::of(added(to, "tokens_issued", "Tokens issued")),
            refused: Tally::of(added(to, "tokens_refused", "Requests that got no token")),
            took,
            decisions: AtomicU64::default(),
            decisions_ns: AtomicU64::default(),
            connections: Connections::added(to),
            in_flight: added(to, "http_in_flight", "Requests being answered"),
            fetch_metadata_absent: added(to, "fetch_metadata_absent", "Token requests without Sec-Fetch-Site"),
            forwarded_contradictions: added(to, "forwarded_contradictions", CONTRADICTIONS),
            reloads: added(to, "config_reloads", "Reloads of changed files"),
            task_heartbeats: added(to, "task_heartbeat_seconds", "When a background task was last alive"),
            task_restarts: added(to, "task_restarts", "Background tasks that ended and began anew"),
            logins: added(to, "logins", "Logins and logouts of our own login"),
            requests,
            sources,
            last_reload: added(to, "config_last_reload_timestamp_seconds", LAST_RELOAD),
            last_reload_success: added(to, "config_last_reload_success", LAST_RELOAD_SUCCESS),
            started: AtomicU64::default(),
            keys: added(to, "key_changed_timestamp_seconds", "When a key was last changed, by its fingerprint"),
            certificates: added(
                to,
                "certificate_not_after_timestamp_seconds",
                "When the first certificate of a setting ends",
            ),
            pulse: Mutex::default(),
            registry: all,
        };
        metrics.last_reload_success.set(1);
        for outcome in ["applied", "refused"] {
            metrics.reloads.get_or_create_owned(&ReloadLabels { outcome });
        }
        metrics
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

    /// Counts one answer of a route.
    pub fn answered(&self, route: &str, status: StatusCode) {
        self.requests.count(route, status);
    }

    /// Notes how long a session source took.
    pub fn source_took(&self, source: &str, span: Duration) {
        self.sources.note(source, span);
    }

    /// How long each source took, where it named somebody.
    #[must_use]
    pub fn source_times(&self) -> Vec<(&'static str, Arc<Latency>)> {
        self.sources.all()
    }

    /// Since when keys have been watched, which is since the start.
    #[must_use]
    pub fn started(&self) -> UnixTime {
        UnixTime(self.started.load(Ordering::Relaxed))
    }

    /// Puts series at nought for what there is.
    pub fn know(&self, widgets: &[&str], sources: &[&'static str]) {
        self.sources.know(sources);
        for widget in widgets {
            for source in sources {
                self.issued.know(widget, source);
            }
        }
    }

    /// Says which keys there are, by setting and fingerprint, and since when. What has no time of its own has been so from the
    /// start.
    pub fn set_keys(&self, keys: &[(&str, &str, Option<u64>)], now: UnixTime) {
        let started = match self.started.compare_exchange(0, now.0, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => now.0,
            Err(started) => started,
        };
        self.keys.clear();
        for (setting, fingerprint, since) in keys {
            let labels = KeyLabels { setting: (*setting).to_owned(), fingerprint: (*fingerprint).to_owned() };
            let since = since.unwrap_or(started).try_into().unwrap_or(i64::MAX);
            self.keys.get_or_create(&labels).set(since);
        }
    }

    /// Says by setting when the first of its certificates ends.
    pub fn set_certificates(&self, ends: &[(&'static str, UnixTime)]) {
        self.certificates.clear();
        for (setting, end) in ends {
            let end = end.0.try_into().unwrap_or(i64::MAX);
            self.certificates.get_or_create(&SettingLabels { setting }).set(end);
        }
    }

    /// The same in the older text format.
    #[must_use]
    pub fn render_plain(&self) -> String {
        plain(&self.render())
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
