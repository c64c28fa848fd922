//! The operational log: nobody waits for it, and nobody fills it.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use countersign::base::clock::{Clock, ManualClock};
use countersign::observe::logs::throttle::{LINES, Throttle, WINDOW};
use countersign::observe::logs::{self, writer::LogWriter};
use prometheus_client::metrics::counter::Counter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::kit::START;
use crate::logs::{Log, listen};

/// A service's log in memory, by a clock in the test's hands.
fn log() -> (Arc<Throttle>, Counter, ManualClock, Log, DefaultGuard) {
    let (clock, hands) = Clock::manual(START);
    let (left_out, log) = (Counter::default(), Log::default());
    let throttle = Arc::new(Throttle::new(clock, left_out.clone()));
    let (filter, writer) = (Targets::new().with_default(LevelFilter::INFO), log.clone());
    let guard = listen(logs::subscriber(filter, false, throttle.clone(), move || writer.clone()));
    (throttle, left_out, hands, log, guard)
}

fn lines_of(log: &Log, word: &str) -> u64 {
    log.text().lines().filter(|line| line.contains(word)).count() as u64
}

#[test]
fn a_line_that_visitors_repeat_is_written_a_few_times_and_counted() {
    let (throttle, left_out, hands, log, _guard) = log();
    for request in 0..5000 {
        tracing::info!(request, reason = "header_alias", "request refused");
    }
    assert_eq!(lines_of(&log, "request refused"), LINES);
    assert_eq!(left_out.get(), 5000 - LINES);
    throttle.say_left_out();
    assert_eq!(lines_of(&log, "left_out="), 0, "not before its time is over");
    hands.advance(WINDOW);
    throttle.say_left_out();
    assert_eq!(lines_of(&log, &format!("left_out={}", 5000 - LINES)), 1, "{}", log.text());
    assert_eq!(lines_of(&log, "request refused header_alias"), 0);
    tracing::info!(request = 5000, reason = "header_alias", "request refused");
    assert_eq!(lines_of(&log, "request=5000"), 1, "and begins anew");
}

#[test]
fn a_flood_of_one_kind_hides_no_other_kind() {
    let (_, _, _, log, _guard) = log();
    for reason in ["flood", "other"] {
        for _ in 0..if reason == "flood" { 5000 } else { 1 } {
            tracing::warn!(reason, "request refused");
        }
    }
    assert_eq!(lines_of(&log, "other"), 1);
}

/// As in a running service, and unlike the other tests: one subscriber, that every thread logs to.
#[test]
fn a_flood_of_lines_ends_no_process() {
    let (clock, _) = Clock::manual(START);
    let log = Log::default();
    let (filter, writer) = (Targets::new().with_default(LevelFilter::INFO), log.clone());
    let subscriber =
        logs::subscriber(filter, false, Arc::new(Throttle::new(clock, Counter::default())), move || writer.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for _ in 0..3 * LINES {
        tracing::info!("a line of a flood");
    }
    assert_eq!(lines_of(&log, "a line of a flood"), LINES);
}

#[test]
fn kinds_without_end_are_held_back_too() {
    let (throttle, left_out, hands, log, _guard) = log();
    for number in 0..20_000 {
        tracing::warn!("line {number}");
    }
    assert!(lines_of(&log, "line ") < 500, "{}", lines_of(&log, "line "));
    assert!(left_out.get() > 19_000);
    hands.advance(WINDOW);
    throttle.say_left_out();
    assert_eq!(lines_of(&log, "left_out="), 1);
}

#[test]
fn what_an_operator_asks_for_is_not_left_out() {
    let (clock, _) = Clock::manual(START);
    let log = Log::default();
    let throttle = Arc::new(Throttle::new(clock, Counter::default()));
    let (filter, writer) = (Targets::new().with_default(LevelFilter::DEBUG), log.clone());
    let _guard = listen(logs::subscriber(filter, true, throttle, move || writer.clone()));
    for _ in 0..LINES * 3 {
        tracing::debug!("detail");
    }
    assert_eq!(lines_of(&log, "detail"), LINES * 3);
}

/// A pipe that nobody reads until the test says so.
struct Stuck {
    opened: Receiver<()>,
    open: bool,
    log: Log,
}

impl Stuck {
    fn new() -> (Self, Sender<()>, Log) {
        let (open, opened) = channel();
        let log = Log::default();
        (Self { opened, open: false, log: log.clone() }, open, log)
    }
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.open {
            self.opened.recv().map_err(|_| std::io::ErrorKind::BrokenPipe)?;
            self.open = true;
        }
        self.log.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const SOON: Duration = Duration::from_mins(1);

#[test]
fn nobody_waits_for_a_log_that_nobody_reads() {
    let (sink, open, log) = Stuck::new();
    let lost = Counter::default();
    let mut writer = LogWriter::new(lost.clone());
    writer.start(sink, || {});
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    for _ in 0..5000 {
        writer.write_all(&line).unwrap();
    }
    let before = lost.get();
    assert!(before > 2000, "what finds no place is counted: {before}");
    writer.flush(Duration::ZERO);
    open.send(()).unwrap();
    writer.flush(SOON);
    assert_eq!(log.text().lines().count() as u64 + before, 5000, "and nothing else is lost");
}

#[test]
fn a_dead_log_takes_nobody_with_it() {
    let (sink, open, _) = Stuck::new();
    drop(open);
    let lost = Counter::default();
    let mut writer = LogWriter::new(lost.clone());
    writer.start(sink, || {});
    for _ in 0..100 {
        writeln!(writer, "a line").unwrap();
        writer.flush(SOON);
    }
    assert_eq!(lost.get(), 100);
}
