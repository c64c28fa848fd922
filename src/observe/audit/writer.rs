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
    let (mut text, mut spare) = (String::new(), Vec::new());
    loop {
        let batch = lanes.take(spare, || clock.since_epoch());
        if batch.reopen {
            sink.reopen();
        }
        text.clear();
        text.shrink_to(KEPT);
        for entry in &batch.entries {
            entry.write(&mut text, &mut hashes);
        }
        for sum in &batch.sums {
            sum.write(&mut text);
        }
        write(lanes, &mut sink, text.as_bytes());
        lanes.done(&batch);
        spare = batch.entries;
        spare.clear();
        lanes.rest();
    }
}

/// Writes all of it, however long that takes.
fn write(lanes: &Lanes, sink: &mut Sink, text: &[u8]) {
    let mut taken = 0;
    while let Err(problem) = sink.write(text, &mut taken, lanes.required) {
        lanes.fail();
        tracing::error!(kind = %problem.kind(), "the audit log takes no records; they wait");
        if lanes.rest_after_failure() && sink.reopen() {
            // A line that was begun in the old file is written whole into the new one.
            taken = text[..taken].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        }
    }
}
