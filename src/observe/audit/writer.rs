//! The thread that writes the log. What the sink does not take is offered again until it does.

use std::sync::Arc;

use super::lanes::Lanes;
use super::sink::Sink;
use super::subject::Hashes;
use crate::base::clock::Clock;

/// A buffer that once held a burst is not kept for ever; one that a busy service fills each time is.
const KEPT: usize = 512 * 1024;

pub(super) fn start(lanes: Arc<Lanes>, sink: Sink, hashes: Hashes, clock: Clock) {
    std::thread::spawn(move || write_forever(&lanes, sink, hashes, &clock));
}

fn write_forever(lanes: &Lanes, mut sink: Sink, mut hashes: Hashes, clock: &Clock) {
    let (mut lines, mut spare) = (String::new(), Vec::new());
    loop {
        let batch = lanes.take(spare, || clock.since_epoch());
        if batch.reopen {
            sink.reopen();
        }
        lines.clear();
        lines.shrink_to(KEPT);
        for entry in &batch.entries {
            entry.write(&mut lines, &mut hashes);
        }
        for sum in &batch.sums {
            sum.write(&mut lines);
        }
        write(lanes, &mut sink, lines.as_bytes());
        lanes.done(&batch);
        spare = batch.entries;
        spare.clear();
        lanes.rest();
    }
}

/// Writes all of it, however long that takes.
fn write(lanes: &Lanes, sink: &mut Sink, lines: &[u8]) {
    let mut taken = 0;
    while let Err(problem) = sink.write(lines, &mut taken, lanes.required) {
        lanes.fail();
        tracing::error!(kind = %problem.kind(), "the audit log takes no records; they wait");
        if lanes.rest_after_failure() && sink.reopen() {
            // A line that was begun in the old file is written whole into the new one.
            taken = lines[..taken].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        }
    }
}
