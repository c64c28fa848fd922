//! Every answer by route and status: those to requests that came to no route too.

use std::fmt::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

/// Kinds of routes; the last is none.
pub(super) const ROUTES: [&str; 7] = ["token", "refresh", "session", "jwks", "script", "login", "none"];
/// What we answer with. Anything else is counted as `other`.
const STATUSES: [u16; 27] = [
    200, 204, 302, 303, 304, 400, 401, 403, 404, 405, 408, 410, 411, 413, 414, 415, 417, 421, 422, 429, 431, 500, 501,
    502, 503, 504, 505,
];
const COLUMNS: usize = STATUSES.len() + 1;

/// The counters.
#[derive(Debug)]
pub(super) struct Requests([[AtomicU64; COLUMNS]; ROUTES.len()]);

impl Default for Requests {
    fn default() -> Self {
        Self(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl Requests {
    pub(super) fn count(&self, route: &str, status: StatusCode) {
        let row = ROUTES.iter().position(|known| *known == route).unwrap_or(ROUTES.len() - 1);
        let column = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len());
        self.0[row][column].fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Requests by route and status of the answer";
        let mut metric = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
        for (route, row) in ROUTES.iter().zip(&self.0) {
            for (column, count) in row.iter().enumerate() {
                let status = STATUSES.get(column).map_or_else(|| "other".to_owned(), u16::to_string);
                let labels = [("route", *route), ("status", &status)];
                ConstCounter::new(count.load(Ordering::Relaxed)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
