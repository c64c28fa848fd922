//! How it has been going: the beats of the last quarter of an hour as bars and a line.

use serde_json::{Value, json};

use super::words::in_ms;
use crate::observe::metrics::recent::Minute;

/// Size of the drawing area of the two curves.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 60;

/// The beats as bars and a line, with what they mean in words.
pub(super) fn drawn(beats: &[Minute]) -> Value {
    let step = WIDTH / 180;
    let most = beats.iter().map(|b| b.issued + b.refused).max().unwrap_or_default();
    let slowest = beats.iter().map(|b| b.mean_us).max().unwrap_or_default();
    let scale = |n: u64, most: u64| (n * HEIGHT).checked_div(most).unwrap_or_default();
    let left = WIDTH - step * u64::try_from(beats.len()).unwrap_or_default().min(180);
    let placed = beats.iter().zip(0u64..).map(|(beat, i)| (beat, left + i * step));
    let bars: Vec<Value> = placed
        .clone()
        .filter(|(beat, _)| beat.issued + beat.refused > 0)
        .map(|(beat, x)| {
            let (issued, refused) = (scale(beat.issued, most), scale(beat.refused, most));
            json!({
                "x": x, "w": step - 1, "issued": issued, "issued_y": HEIGHT - issued,
                "refused": refused, "refused_y": HEIGHT - issued - refused,
            })
        })
        .collect();
    let line = placed
        .filter(|(beat, _)| beat.mean_us > 0)
        .map(|(beat, x)| format!("{x},{}", HEIGHT - scale(beat.mean_us, slowest)));
    let busy: Vec<&Minute> = beats.iter().filter(|beat| beat.mean_us > 0).collect();
    let mean = busy.iter().map(|b| b.mean_us).sum::<u64>().checked_div(busy.len() as u64).unwrap_or_default();
    json!({
        "width": WIDTH, "height": HEIGHT, "bars": bars, "line": line.collect::<Vec<_>>().join(" "),
        "most": most, "slowest": in_ms(slowest), "mean": in_ms(mean), "any": !busy.is_empty(),
        "issued": beats.iter().map(|b| b.issued).sum::<u64>(), "refused": beats.iter().map(|b| b.refused).sum::<u64>(),
    })
}
