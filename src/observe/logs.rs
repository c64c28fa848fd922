//! The operational log: what happened to the service, on standard error. (What happened to visitors is `audit.rs`.)

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::env::{Env, Var};

/// How much is logged.
pub const LOG_LEVEL: Var = Var::new(
    "LOG_LEVEL",
    "info",
    "debug",
    "How much is logged: error, warn, info, debug, trace, or a filter such as countersign=debug,hyper=warn.",
);
/// In which form.
pub const LOG_FORMAT: Var = Var::new("LOG_FORMAT", "text", "json", "Form of the log lines: text or json.");

/// The settings of this room.
pub const VARS: &[&Var] = &[&LOG_LEVEL, &LOG_FORMAT];

/// Names what is wrong with the log's settings.
pub fn check(env: &mut Env) {
    if env.text(&LOG_LEVEL).is_some_and(|filter| filter.parse::<Targets>().is_err()) {
        env.mistake_in(&LOG_LEVEL, "is not a level or a filter");
    }
    let _ = env.choice(&LOG_FORMAT, &[("text", ()), ("json", ())]);
}

/// Starts logging to `writer`. The first call in a process wins; a second one changes nothing.
pub fn start<W>(env: &mut Env, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = env.text(&LOG_LEVEL).unwrap_or_default();
    let filter = level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let json = env.text(&LOG_FORMAT).is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    drop(tracing_subscriber::registry().with(lines.with_filter(filter)).try_init());
}
