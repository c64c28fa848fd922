//! What became of records.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What became of records; shared with the metrics.
#[derive(Debug, Clone, Default)]
pub struct AuditCounts {
    /// Records that were lost.
    pub lost: Gauge,
    /// Records that were written as part of a sum.
    pub summed: Counter,
    /// Records of grants that wait to be written.
    pub waiting: Gauge,
}
