//! What became of records.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What became of records; shared with the metrics.
#[derive(Debug, Clone, Default)]
pub struct AuditCounts {
    /// Records that were lost.
    pub lost: Counter,
    /// Records that were written as part of a sum.
    pub summed: Counter,
    /// Records of grants that wait to be written.
    pub waiting: Gauge,
    /// The number of the latest record in its chain.
    pub sequence: Gauge,
    /// Whether the sink takes records.
    pub up: Gauge,
}
