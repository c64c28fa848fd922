//! How long the sources of sessions, and those we depend on, take to answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::words::{ago, in_ms};
use crate::base::availability;
use crate::base::clock::UnixTime;
use crate::base::latency::Latency;
use crate::http::state::AppState;

/// Each source in the order they are asked, with how often it named somebody and how long that took.
pub(super) fn sources(state: &AppState) -> Vec<Value> {
    let times = state.metrics.source_times();
    let shown = |(name, resting): (&'static str, bool)| {
        let took = times.iter().find(|(other, _)| *other == name).map(|(_, took)| times_of(took));
        json!({ "name": name, "resting": resting, "took": took })
    };
    state.snapshot().issuer.chain().health().map(shown).collect()
}

/// Everybody who is called, whether they answer, and how long that takes.
pub(super) fn dependencies(now: UnixTime) -> Vec<Value> {
    let shown = |one: &availability::Availability| {
        let look = one.look();
        let error = look.last_error.map(|(at, cause)| json!({ "cause": cause, "ago": ago(now.since(at)) }));
        json!({
            "kind": one.kind.name, "host": one.host, "up": look.up, "resting": look.resting,
            "failures": look.failures, "error": error, "took": times_of(&one.took),
        })
    };
    availability::all().iter().map(|one| shown(one)).collect()
}

/// The count, the mean, and under what 95 of a hundred stay.
fn times_of(took: &Latency) -> Value {
    let (count, mean) = took.mean();
    let bound = took.bound_of(95);
    let most = if bound.is_finite() { in_ms(micros(Duration::from_secs_f64(bound))) } else { "over 10 s".to_owned() };
    json!({ "count": count, "mean": in_ms(micros(mean)), "most": most })
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
