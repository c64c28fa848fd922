//! Lines on their way to a sink that may not take them. Whoever logs never waits; what finds no place is counted, and said as
//! soon as somebody reads again.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait for a sink that does not take them.
const QUEUE_MAX: usize = 1024 * 1024;
/// How often the thread looks whether there is something to say of its own.
const EVERY: Duration = Duration::from_secs(1);

/// Where formatted lines go. Writing to it never fails and never waits.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    lost: Counter,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    writing: bool,
    /// Lines lost of which nothing has been said yet.
    unsaid: u64,
}

impl LogWriter {
    /// A queue that nobody empties yet; `lost` counts the lines that find no place in it.
    #[must_use]
    pub fn new(lost: Counter) -> Self {
        let (state, filled, emptied) = Default::default();
        Self(Arc::new(Queue { state, filled, emptied, lost }))
    }

    /// Begins to empty it into `sink`, and calls `regularly` every second.
    pub fn start(&self, sink: impl Write + Send + 'static, regularly: impl Fn() + Send + 'static) {
        let queue = self.0.clone();
        std::thread::spawn(move || queue.write_forever(sink, regularly));
    }

    /// Waits until the sink has taken everything, but no longer than `within`.
    pub fn flush(&self, within: Duration) {
        let state = self.0.lock();
        let waited = self.0.emptied.wait_timeout_while(state, within, |s| s.writing || !s.lines.is_empty());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + line.len() > QUEUE_MAX {
            self.lose(&mut state, 1);
            return;
        }
        state.lines.extend_from_slice(line);
        drop(state);
        self.filled.notify_one();
    }

    fn lose(&self, state: &mut State, lines: u64) {
        state.unsaid += lines;
        self.lost.inc_by(lines);
    }

    /// What has gathered; nothing after a second without any.
    fn take(&self, spare: Vec<u8>) -> Vec<u8> {
        let state = self.lock();
        let waited = self.filled.wait_timeout_while(state, EVERY, |s| s.lines.is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.writing = true;
        std::mem::replace(&mut state.lines, spare)
    }

    /// Ends a write; how many lines have been lost so far, when the sink takes lines again.
    fn written(&self, left: usize) -> u64 {
        let mut state = self.lock();
        state.writing = false;
        self.emptied.notify_all();
        if left > 0 {
            self.lose(&mut state, left as u64);
            return 0;
        }
        std::mem::take(&mut state.unsaid)
    }

    fn write_forever(&self, mut sink: impl Write, regularly: impl Fn()) {
        let mut lines = Vec::new();
        loop {
            lines.clear();
            lines = self.take(lines);
            let rest = write_some(&mut sink, &lines);
            let lost = self.written(rest.split(|b| *b == b'\n').count() - 1);
            if lost > 0 {
                tracing::warn!(lost, "log lines were lost because nobody read the log");
            }
            regularly();
        }
    }
}

/// Writes as much as the sink takes; what is left when it takes no more.
fn write_some<'a>(sink: &mut impl Write, mut bytes: &'a [u8]) -> &'a [u8] {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => break,
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(problem) if problem.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let _ = sink.flush();
    bytes
}
