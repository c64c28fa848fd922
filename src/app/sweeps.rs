//! Forgetting what is over: sessions that have ended, attempts that are long past. A task of its own, so that a store with a
//! million ended sessions holds up no reload.

use std::time::Duration;

use super::background::beat;
use crate::base::clock::UnixTime;
use crate::base::clock_step::StepWatch;
use crate::http::state::AppState;

/// Its name in metrics and in the log.
pub(super) const SWEEPS: &str = "sweeps";
/// How often.
const EVERY: Duration = Duration::from_mins(1);
/// How often a certificate that ends is spoken of.
const DAILY: Duration = Duration::from_hours(24);
/// What a clock may be corrected by between two looks without anybody having set it.
const STEP: i128 = 10_000;
/// How long nothing is forgotten after the clock was set: if it was set wrongly, whoever seems to have ended has not.
const HELD: Duration = Duration::from_hours(1);

pub(super) async fn sweeps(state: &AppState) {
    let look = || (state.clock.since_epoch(), state.clock.monotonic());
    let (wall, monotonic) = look();
    let mut watch = StepWatch::new(wall, monotonic);
    let mut held_until = Duration::ZERO;
    let mut certificates = Certificates { told: Vec::new(), silent_until: UnixTime(0) };
    loop {
        beat(state, SWEEPS);
        look_for_losses(state).await;
        certificates.look(state);
        tokio::time::sleep(EVERY).await;
        let (wall, monotonic) = look();
        let stepped = watch.look(wall, monotonic);
        if stepped.abs() > STEP {
            held_until = monotonic + HELD;
            tracing::warn!(
                by_seconds = i64::try_from(stepped / 1000).unwrap_or_default(),
                "the machine's clock was set (or the machine slept): sessions and tokens end by the new time; nothing that has ended is deleted for an hour"
            );
        }
        state.limiter.forget_idle();
        state.login_limits.forget_idle();
        if monotonic >= held_until {
            sweep(state).await;
        }
    }
}

/// Certificates that end are spoken of once a day, and at once when they are others.
struct Certificates {
    told: Vec<(&'static str, UnixTime)>,
    silent_until: UnixTime,
}

impl Certificates {
    fn look(&mut self, state: &AppState) {
        let Some(tls) = state.snapshot().tls.clone() else { return };
        let now = state.clock.now();
        if self.told == tls.ends && now < self.silent_until {
            return;
        }
        for (setting, problem) in tls.ending(now) {
            tracing::warn!(setting, "{setting} {problem}");
        }
        self.told.clone_from(&tls.ends);
        self.silent_until = now.plus(DAILY);
    }
}

/// What it cannot be asked now it is asked in a minute; that it is down was said.
async fn look_for_losses(state: &AppState) {
    let Some(store) = state.snapshot().store.clone() else { return };
    let _ = store.has_lost().await;
}

async fn sweep(state: &AppState) {
    let Some(store) = state.snapshot().store.clone() else { return };
    if let Err(down) = store.sweep().await {
        tracing::warn!(reason = down.reason(), "ended sessions could not be swept");
    }
}
