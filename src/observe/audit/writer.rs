//! The thread that writes the log. What the sink does not take is offered again until it does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::chain::Chain;
use super::entry::{begin, number, text};
use super::lanes::{Batch, Lanes};
use super::sink::Sink;
use super::subject::Hashes;
use crate::base::clock::Clock;

/// A buffer that once held a burst is not kept for ever; one that a busy service fills each time is.
const KEPT: usize = 512 * 1024;

/// Writes a log.
pub(super) struct Writer {
    pub(super) sink: Sink,
    pub(super) chain: Chain,
    pub(super) hashes: Hashes,
    pub(super) clock: Clock,
    text: String,
    /// Bytes of a torn line that were cut off and are not recorded yet.
    torn: u64,
}

impl Writer {
    pub(super) fn new(sink: Sink, chain: Chain, hashes: Hashes, clock: Clock) -> Self {
        Self { sink, chain, hashes, clock, text: String::new(), torn: 0 }
    }

    pub(super) fn start(self, lanes: Arc<Lanes>) {
        std::thread::spawn(move || self.write_forever(&lanes));
    }

    fn write_forever(mut self, lanes: &Lanes) {
        let mut spare = Vec::new();
        loop {
            let mut batch = lanes.take(spare, || self.clock.since_epoch());
            if batch.reopen {
                self.sink.reopen();
            }
            self.write(lanes, &mut batch);
            lanes.counts.sequence.set(self.chain.head.seq.try_into().unwrap_or(i64::MAX));
            lanes.done(&batch);
            lanes.rest();
            spare = batch.entries;
            spare.clear();
        }
    }

    /// Writes all of it, however long that takes. What has been withheld meanwhile is left out, as long as nothing of the
    /// batch is written.
    fn write(&mut self, lanes: &Lanes, batch: &mut Batch) {
        let mut taken = 0;
        while let Err(problem) = self.attempt(batch, &mut taken, lanes.required) {
            lanes.fail(batch, problem.kind());
            if lanes.rest_after_failure() {
                self.sink.reopen();
            }
            if taken == 0 {
                lanes.leave_out_withheld(batch);
            }
        }
    }

    fn attempt(&mut self, batch: &Batch, taken: &mut usize, sync: bool) -> io::Result<()> {
        let now = self.clock.since_epoch();
        if let Sink::File(file) = &mut self.sink {
            let found = file.begin(now)?;
            self.torn += found.torn;
            if let Some(head) = found.head {
                self.chain.head = head;
            }
            return self.append(batch, found.empty, sync, now);
        }
        let before = self.chain.head.clone();
        if *taken == 0 {
            self.text.clear();
            self.text.shrink_to(KEPT);
            self.render(batch, now);
        }
        let written = self.sink.stream(self.text.as_bytes(), taken);
        if written.is_err() && *taken == 0 {
            self.chain.head = before;
        }
        written
    }

    fn append(&mut self, batch: &Batch, empty: bool, sync: bool, now: Duration) -> io::Result<()> {
        let before = self.chain.head.clone();
        self.text.clear();
        self.text.shrink_to(KEPT);
        if empty && before.seq > 0 {
            self.note("file", now, 0);
        }
        if self.torn > 0 {
            self.note("recovered", now, self.torn);
        }
        self.render(batch, now);
        let Sink::File(file) = &mut self.sink else { return Ok(()) };
        let written = file.append(self.text.as_bytes(), sync, now);
        match &written {
            Ok(()) => self.torn = 0,
            Err(_) => self.chain.head = before,
        }
        written
    }

    fn render(&mut self, batch: &Batch, now: Duration) {
        for entry in &batch.entries {
            let start = self.text.len();
            entry.write(&mut self.text, &mut self.hashes);
            self.chain.end_line(&mut self.text, start);
        }
        for sum in &batch.sums {
            let start = self.text.len();
            sum.write(&mut self.text);
            self.chain.end_line(&mut self.text, start);
        }
        if batch.lost > 0 {
            self.note("lost", now, batch.lost);
        }
    }

    /// A line of the log about itself.
    fn note(&mut self, what: &str, now: Duration, count: u64) {
        let start = self.text.len();
        begin(&mut self.text, what, now);
        if what == "file" {
            let name = self.chain.seal.name();
            text(&mut self.text, "chain", name);
        } else {
            self.text.push_str(",\"count\":");
            number(&mut self.text, count);
        }
        self.chain.end_line(&mut self.text, start);
    }
}
