//! Why did this visitor get no token? Answered from the refusals in memory, by the id that every answer carries.

use serde_json::{Value, json};

use super::words::{ago, in_ms, reason, remedy};
use crate::base::clock::UnixTime;
use crate::base::moment;
use crate::http::refusals::Refused;
use crate::http::state::AppState;

/// Longest text that can be an id.
const ID_MAX: usize = 64;

/// What is known about the request of this id.
pub(super) fn answer(state: &AppState, id: &str, now: UnixTime) -> Value {
    let id: String = id.trim().chars().take(ID_MAX).collect();
    let found: Vec<Value> = state.refusals.of(&id).iter().map(|refused| told(refused, now)).collect();
    let (kept, oldest) = state.refusals.extent();
    json!({ "id": id, "found": found, "kept": kept, "back": oldest.map(|at| ago(now.since(at))) })
}

fn told(refused: &Refused, now: UnixTime) -> Value {
    let why = if refused.why.is_empty() { reason(refused.reason).into_owned() } else { refused.why.clone() };
    json!({
        "at": moment::show(refused.at), "ago": ago(now.since(refused.at)), "widget": refused.widget,
        "source": refused.source, "status": refused.status, "code": refused.code, "reason": refused.reason,
        "why": why, "remedy": remedy(refused.code),
        "took": in_ms(u64::try_from(refused.took.as_micros()).unwrap_or(u64::MAX)),
    })
}
