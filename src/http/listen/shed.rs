//! Turning connections away fast: an answer that waits for nothing, so that who is turned away knows and comes again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_LENGTH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::gate::Stream;
use crate::http::problem::Problem;

/// How many may take their time to read the answer.
const LINGERING: usize = 128;
/// How many more are told at once. Beyond that they are closed without a word; all of their descriptors come out of the reserve.
const AT_ONCE: usize = 256;
/// How long somebody may take to read the answer. Closing while a request is still coming in could take it back.
const LINGER: Duration = Duration::from_secs(1);
/// Most bytes of our own answer.
const MOST: usize = 64 * 1024;

/// Tells newcomers that there is no place for them.
pub(super) struct Shedder {
    answer: Arc<[u8]>,
    lingering: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

impl Shedder {
    pub(super) async fn new() -> Self {
        let (lingering, at_once) = (Semaphore::new(LINGERING), Semaphore::new(AT_ONCE));
        Self { answer: answer().await.into(), lingering: lingering.into(), at_once: at_once.into() }
    }

    /// Answers and closes, beside everything else.
    pub(super) fn turn_away(&self, stream: Stream) {
        let (lingering, at_once) =
            (self.lingering.clone().try_acquire_owned(), self.at_once.clone().try_acquire_owned());
        let answer = self.answer.clone();
        let (turn, lingers) = match (lingering, at_once) {
            (Ok(turn), _) => (turn, true),
            (_, Ok(turn)) => (turn, false),
            _ => return,
        };
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LINGER, tell(stream, &answer, lingers)).await;
            drop(turn);
        });
    }
}

async fn tell(mut stream: Stream, answer: &[u8], lingers: bool) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let mut away = [0; 2048];
    while lingers && stream.read(&mut away).await? > 0 {}
    Ok(())
}

/// The same answer as anywhere else, in bytes.
async fn answer() -> Vec<u8> {
    let (mut head, body) = Problem::Overloaded.response().into_parts();
    let body = to_bytes(body, MOST).await.unwrap_or_default();
    head.headers.insert(CONTENT_LENGTH, body.len().into());
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    [bytes.as_slice(), b"\r\n", &body].concat()
}
