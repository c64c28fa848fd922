//! The operational log: what happened to the service, on standard error. (What happened to visitors is `audit.rs`.)
//!
//! A request never waits for it: lines go through a bounded queue to a thread of their own. And visitors never fill it:
//! what they can repeat is left out after a few lines, and counted.

mod request;
pub mod throttle;
pub mod writer;

use std::io::Write;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::Subscriber;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::{MakeWriter, format};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use self::request::WithRequest;
use self::throttle::Throttle;
use self::writer::LogWriter;
use crate::base::clock::Clock;
use crate::config::env::Env;

crate::settings! {
    pub vars VARS {
        LOG_LEVEL("info", "debug"; at_start()),
            "How much is logged: error, warn, info, debug, trace, or a filter such as countersign=debug,hyper=warn.";
        LOG_FORMAT("text", "json"; at_start()),
            "Form of the log lines: text or json.";
    }
}

/// What became of log lines that were not written. One log per process, so one count per process.
#[derive(Debug, Default)]
pub struct LogCounts {
    /// Lines that nobody took in time.
    pub lost: Counter,
    /// Lines that were like many others.
    pub left_out: Counter,
}

/// The counts of this process.
pub static COUNTS: LazyLock<LogCounts> = LazyLock::new(LogCounts::default);

static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Names what is wrong with the log's settings.
pub fn check(env: &mut Env) {
    if env.text(&LOG_LEVEL).is_some_and(|filter| filter.parse::<Targets>().is_err()) {
        env.mistake_in(&LOG_LEVEL, "is not a level or a filter");
    }
    let _ = env.choice(&LOG_FORMAT, &[("text", ()), ("json", ())]);
}

/// Starts logging to `sink`, which may be slow, full or dead. The first call in a process wins; a second one changes nothing.
pub fn start(env: &mut Env, sink: impl Write + Send + 'static) {
    let level = env.text(&LOG_LEVEL).unwrap_or_default();
    let filter = level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let json = env.text(&LOG_FORMAT).is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let throttle = Arc::new(Throttle::new(Clock::system(), COUNTS.left_out.clone()));
    let writer = LogWriter::new(COUNTS.lost.clone());
    if subscriber(filter, json, throttle.clone(), writer.clone()).try_init().is_err() {
        return;
    }
    std::panic::set_hook(Box::new(log_panic));
    writer.start(sink, move || throttle.say_left_out());
    let _ = WRITER.set(writer);
}

/// What formats the lines: those that `filter` wants and `throttle` admits.
pub fn subscriber<W>(filter: Targets, json: bool, throttle: Arc<Throttle>, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The layer would say on standard error, and panic where that is dead, what it could not write.
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false).log_internal_errors(false);
    let lines = if json {
        let format = WithRequest { format: format().json(), json: true };
        lines.fmt_fields(JsonFields::new()).event_format(format).boxed()
    } else {
        lines.event_format(WithRequest { format: format().with_ansi(false), json: false }).boxed()
    };
    let throttle: Arc<dyn Filter<Registry> + Send + Sync> = throttle;
    tracing_subscriber::registry().with(lines.with_filter(filter.and(throttle)))
}

/// Warnings on standard error, for what a command does.
pub fn of_command() -> impl Subscriber + Send + Sync {
    let throttle = Arc::new(Throttle::new(Clock::system(), COUNTS.left_out.clone()));
    subscriber(Targets::new().with_default(LevelFilter::WARN), false, throttle, std::io::stderr)
}

/// Waits until everything logged so far has been taken, but no longer than `within`.
pub fn flush(within: Duration) {
    if let Some(writer) = WRITER.get() {
        writer.flush(within);
    }
}

/// Standard error may be full or dead, and what a panic says may hold what a visitor sent.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a part of the service panicked");
}
