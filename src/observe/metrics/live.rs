//! What is looked up when somebody asks: whom we depend on, how long the sources took, the build, and the process as the system
//! sees it.

use std::fmt::Error;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::base::availability::{self, Availability, Look};
use crate::base::latency::Latency;

/// A series' name, what it means, and where its value is.
type Series<T> = (&'static str, &'static str, fn(&Look) -> T);
type Labels<'a> = [(&'a str, &'a str); 2];

/// Whom we depend on.
#[derive(Debug)]
pub(super) struct Dependencies;

impl Collector for Dependencies {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let all: Vec<(Arc<Availability>, Look)> =
            availability::all().into_iter().map(|one| (one.clone(), one.look())).collect();
        let gauges: [Series<i64>; 5] = [
            ("dependency_up", "Whether it answered the last time", |look| look.up.into()),
            ("dependency_breaker_open", "Whether it is left alone after repeated failure", |look| look.resting.into()),
            ("dependency_calls", "Calls that are open or wait", |look| look.calls),
            ("dependency_clock_skew_seconds", "By how much its clock is ahead of ours", |look| look.skew),
            ("dependency_last_error_timestamp_seconds", "When it failed last; 0 when never", |look| {
                look.last_error.as_ref().map_or(0, |(at, _)| i64::try_from(at.0).unwrap_or(i64::MAX))
            }),
        ];
        for (name, help, value) in gauges {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (one, look) in &all {
                ConstGauge::new(value(look)).encode(metric.encode_family(&labels(one))?)?;
            }
        }
        let counters: [Series<u64>; 2] = [
            ("dependency_failures", "Calls that failed", |look| look.failures),
            ("dependency_turned_away", "Requests that were turned away for it", |look| look.turned_away),
        ];
        for (name, help, value) in counters {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (one, look) in &all {
                ConstCounter::new(value(look)).encode(metric.encode_family(&labels(one))?)?;
            }
        }
        let help = "Why it failed last";
        let mut metric = encoder.encode_descriptor("dependency_last_error_info", help, None, MetricType::Gauge)?;
        for (one, look) in &all {
            let cause = look.last_error.as_ref().map_or("", |(_, cause)| cause);
            let [kind, host] = labels(one);
            ConstGauge::new(1_i64).encode(metric.encode_family(&[kind, host, ("cause", cause)])?)?;
        }
        let help = "Time that calls took";
        let mut metric = encoder.encode_descriptor("dependency_call_seconds", help, None, MetricType::Histogram)?;
        for (one, _) in &all {
            histogram(metric.encode_family(&labels(one))?, &one.took)?;
        }
        Ok(())
    }
}

fn labels(one: &Availability) -> Labels<'_> {
    [("dependency", one.kind.name), ("host", &one.host)]
}

fn histogram(mut metric: MetricEncoder<'_>, latency: &Latency) -> Result<(), Error> {
    let (sum, count, buckets) = latency.look();
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

/// How long the session sources took to say who somebody is.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(Arc<RwLock<Vec<Timed>>>);

type Timed = (&'static str, Arc<Latency>);

impl Sources {
    pub(super) fn know(&self, names: &[&'static str]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            if !known.iter().any(|(other, _)| other == name) {
                known.push((*name, Arc::default()));
            }
        }
    }

    pub(super) fn all(&self) -> Vec<(&'static str, Arc<Latency>)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, name: &str, span: Duration) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, latency)) = known.iter().find(|(other, _)| *other == name) {
            latency.note(span);
        }
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Time a session source took to say who somebody is";
        let mut metric = encoder.encode_descriptor("source_seconds", help, None, MetricType::Histogram)?;
        for (name, latency) in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            histogram(metric.encode_family(&[("source", *name)])?, latency)?;
        }
        Ok(())
    }
}

/// What runs.
#[derive(Debug)]
pub(super) struct Build;

impl Collector for Build {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut metric = encoder.encode_descriptor("build_info", "What runs", None, MetricType::Gauge)?;
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("arch", std::env::consts::ARCH)];
        ConstGauge::new(1_i64).encode(metric.encode_family(&labels)?)
    }
}

/// The process as the system sees it, under the names that every client library uses.
#[derive(Debug)]
pub(super) struct Process;

/// Clock ticks in a second, as `/proc` counts them on every Linux (`USER_HZ`).
const TICKS: f64 = 100.0;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // What stands before the last bracket is the command's name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |at: usize| fields.get(at - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        let cpu = (field(14) + field(15)) / TICKS;
        let metric = encoder.encode_descriptor("cpu_seconds", "Processor time", None, MetricType::Counter)?;
        ConstCounter::new(cpu).encode(metric)?;
        let boot = number_in(Path::new("/proc/stat"), "btime");
        let status = Path::new("/proc/self/status");
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let gauges = [
            ("start_time_seconds", "When it was started, since 1970", boot + field(22) / TICKS),
            ("resident_memory_bytes", "Memory in use", number_in(status, "VmRSS:") * 1024.0),
            ("virtual_memory_bytes", "Memory that is mapped", field(23)),
            ("threads", "Threads", field(20)),
            ("open_fds", "Open file descriptors", f64::from(u32::try_from(open).unwrap_or(u32::MAX))),
            ("max_fds", "Most file descriptors", number_in(Path::new("/proc/self/limits"), "Max open files")),
        ];
        for (name, help, value) in gauges {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

/// The first number in the line that begins so.
fn number_in(file: &Path, beginning: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let rest = text.lines().find_map(|line| line.strip_prefix(beginning));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
