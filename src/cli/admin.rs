//! One request to the operations listener. HTTP by hand: it must work without a certificate store, and over a Unix socket.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::http::listen::Address;

/// Longest answer in bytes that is read.
const ANSWER_MAX: u64 = 256 * 1024;

/// The status, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Three digits; empty when it was not HTTP.
    pub status: String,
    /// The whole body.
    pub body: String,
}

/// Asks the listener at `address`.
///
/// # Errors
/// The system's.
pub async fn ask(address: &Address, method: &str, path: &str) -> std::io::Result<Answer> {
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let answer = match address {
        Address::Tcp(address) => exchange(TcpStream::connect(address).await?, &request).await?,
        Address::Unix(path) => exchange(UnixStream::connect(path).await?, &request).await?,
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    Ok(Answer { status: status.to_owned(), body: body.to_owned() })
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer).await?;
    Ok(answer)
}
