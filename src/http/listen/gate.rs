//! What stands between a connection and the HTTP library: it lets whole, sound heads and their bodies pass, and puts a plain
//! stand-in in the place of a head that is refused, so that the refusal is answered like every other one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::phase::Phase;
use super::places::Room;
use crate::http::head::{self, Framing, HeadFault, HeadLimits};

/// How much is read at once where a head comes in pieces.
const PIECE: usize = 8 * 1024;

pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What the next bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// A head.
    Head,
    /// So many bytes of a body.
    Body(u64),
    /// Chunks. Where they end is not ours to find, so that nothing follows them.
    Chunks,
    /// Nothing any more.
    Nothing,
}

/// What a connection has sent and may be seen of it.
#[derive(Debug)]
struct Gate {
    limits: HeadLimits,
    expects: Expects,
    heads: u64,
    /// Bytes that are not passed on yet, of which the first `cleared` may be; empty as long as heads come whole.
    held: BytesMut,
    cleared: usize,
    /// Where the search for a head's end goes on in `held`.
    searched: usize,
}

/// How much of some bytes may pass, and why the rest never will.
type Cleared = (usize, Option<HeadFault>);

impl Gate {
    fn new(limits: HeadLimits) -> Self {
        Self { limits, expects: Expects::Head, heads: 0, held: BytesMut::new(), cleared: 0, searched: 0 }
    }

    /// Looks through bytes that have come, the first `searched` of which are known to hold no end of a head.
    fn clear(&mut self, bytes: &[u8], mut searched: usize) -> Cleared {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.expects {
                Expects::Head => match self.head(rest, searched) {
                    Ok(Some(len)) => at += len,
                    Ok(None) => break,
                    Err(fault) => return (at, Some(fault)),
                },
                Expects::Body(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - here as u64;
                    self.expects = if left == 0 { Expects::Head } else { Expects::Body(left) };
                    at += here;
                }
                Expects::Chunks => return (bytes.len(), None),
                Expects::Nothing => break,
            }
            searched = 0;
        }
        self.searched = bytes.len().saturating_sub(at + 2);
        (at, None)
    }

    /// The length of the head that begins here, when it is whole.
    fn head(&mut self, bytes: &[u8], searched: usize) -> Result<Option<usize>, HeadFault> {
        // An empty line before a request is some clients' habit (RFC 9112 section 2.2).
        if bytes.starts_with(b"\r\n") || bytes == b"\r" {
            return Ok((bytes.len() > 1).then_some(2));
        }
        let Some(end) = head::end(bytes, searched) else {
            return head::check_beginning(bytes, self.limits.bytes).map(|()| None);
        };
        let framing = head::read(&bytes[..end], &self.limits)?;
        self.heads += 1;
        self.expects = match framing {
            Framing::Length(0) => Expects::Head,
            Framing::Length(length) => Expects::Body(length),
            Framing::Chunked => Expects::Chunks,
        };
        Ok(Some(end))
    }

    /// Puts a stand-in in the place of the head that `bad` begins with, after what is sound before it.
    fn refuse(&mut self, sound: &[u8], bad: &[u8]) {
        let (method, target) = head::request_line(bad).unwrap_or((b"GET", b"/"));
        let passed = [sound, method, b" ", target, b" HTTP/1.1\r\nhost: -\r\n\r\n"].concat();
        self.heads += 1;
        self.expects = Expects::Nothing;
        self.cleared = passed.len();
        self.held = BytesMut::from(passed.as_slice());
    }

    fn pass(&mut self, buf: &mut ReadBuf<'_>) {
        let most = self.cleared.min(buf.remaining());
        buf.put_slice(&self.held[..most]);
        self.held.advance(most);
        self.cleared -= most;
    }
}

/// A stream that lets only whole heads pass, and tells its phase when bytes come in.
pub(super) struct Watched {
    stream: Stream,
    gate: Gate,
    /// For what is held of a head.
    room: Room,
    phase: Arc<Phase>,
}

impl Watched {
    pub(super) fn new(stream: Stream, limits: HeadLimits, room: Room, phase: Arc<Phase>) -> Self {
        Self { stream, gate: Gate::new(limits), room, phase }
    }

    /// Reads straight into the library's buffer, as heads nearly always come whole; what may not pass is taken out again.
    fn read_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        if came.is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.phase.bytes_came();
        let (passed, fault) = self.gate.clear(came, 0);
        let rest = came.get(passed..).unwrap_or_default();
        match fault {
            Some(fault) => self.refuse(&[], rest, fault),
            None => self.gate.held.extend_from_slice(rest),
        }
        self.check_room();
        self.note_the_last();
        buf.set_filled(before + passed);
        Poll::Ready(Ok(true))
    }

    /// Reads more of what is held already.
    fn read_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut held = std::mem::take(&mut self.gate.held);
        let before = held.len();
        held.resize(before + PIECE, 0);
        let mut piece = ReadBuf::new(held.get_mut(before..).unwrap_or_default());
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut piece);
        let came = piece.filled().len();
        held.truncate(before + came);
        self.gate.held = held;
        ready!(polled)?;
        if came > 0 {
            self.phase.bytes_came();
            self.look_again();
        }
        Poll::Ready(Ok(came > 0))
    }

    fn look_again(&mut self) {
        let (held, searched) = (std::mem::take(&mut self.gate.held), self.gate.searched);
        let (passed, fault) = self.gate.clear(&held, searched);
        let (sound, bad) = held.split_at(passed);
        if let Some(fault) = fault {
            self.refuse(sound, bad, fault);
        } else {
            self.gate.cleared = passed;
            self.gate.held = held;
            self.check_room();
        }
        self.note_the_last();
    }

    /// Reads what nobody wants any more: who has not said all it has to say does not listen to the answer.
    fn read_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; 2048];
        loop {
            let mut piece = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    fn refuse(&mut self, sound: &[u8], bad: &[u8], fault: HeadFault) {
        self.gate.refuse(sound, bad);
        self.phase.refuses(self.gate.heads, fault);
    }

    /// What is held of a head must find room among what others hold.
    fn check_room(&mut self) {
        if !self.room.set(self.gate.held.capacity()) && self.gate.cleared == 0 {
            let held = std::mem::take(&mut self.gate.held);
            self.refuse(&[], &held, HeadFault::NoRoom);
            self.room.set(0);
        }
    }

    /// Passes on what may pass, and gives back the memory of what is held no more.
    fn pass(&mut self, buf: &mut ReadBuf<'_>) {
        self.gate.pass(buf);
        if self.gate.held.is_empty() {
            self.gate.held = BytesMut::new();
            self.room.set(0);
        }
    }

    fn note_the_last(&self) {
        if self.gate.expects == Expects::Chunks {
            self.phase.ends_with(self.gate.heads);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if this.gate.cleared > 0 {
                this.pass(buf);
                return Poll::Ready(Ok(()));
            }
            if this.gate.expects == Expects::Nothing {
                let _ = this.read_away(cx);
                return Poll::Pending;
            }
            let more = if this.gate.held.is_empty() { this.read_through(cx, buf) } else { this.read_on(cx) };
            // Nothing more comes, or something may pass.
            if !ready!(more)? || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// With a refused request half read, closing at once would take the answer back before it is read.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        if this.gate.expects == Expects::Nothing {
            this.phase.bytes_came();
            ready!(this.read_away(cx));
        }
        Poll::Ready(Ok(()))
    }
}
