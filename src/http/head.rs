//! A request's head as it came, before anybody has understood it: how large it may be, and what no two readers may
//! understand differently (RFC 9112 sections 2.2, 3.2, 5 and 6.3).
//!
//! The HTTP library repairs some of this in silence: of a length beside an encoding only the encoding is left when a handler
//! sees the request. A proxy in front may have repaired it in another way, and then both see different requests.

use http::Uri;
use memchr::memchr_iter;

use crate::base::byte_set::ByteSet;
use crate::config::read::number;
use crate::net::field::{is_token, split_token, trim};

crate::settings! {
    /// How much a request may carry before its body.
    #[derive(Copy, PartialEq, Eq)]
    pub struct HeadLimits {
        bytes: usize = REQUEST_HEAD_MAX("65536", "131072"; at_start()), number(8 * 1024..=1024 * 1024),
            "Most bytes of a request's head: its first line and all headers, cookies among them. A larger one is answered 431 (head_too_large).";
        headers: usize = REQUEST_HEADERS_MAX("256", "500"; at_start()), number(32..=4096),
            "Most header lines of a request. More are answered 431 (too_many_headers).";
        cookies: usize = REQUEST_COOKIES_MAX("200", "400"), number(32..=4096),
            "Most cookies of a request; no browser keeps more than 180 for one site. More are answered 431 (too_many_cookies): none is ever passed over.";
    }
}

impl HeadLimits {
    /// What holds where nobody sets anything.
    pub const DEFAULT: Self = Self { bytes: 64 * 1024, headers: 256, cookies: 200 };
}

/// Why a request is refused for its head alone. The sentences hold nothing of the request but sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// More bytes than are read.
    #[error("the head of the request has {size} bytes or more, and REQUEST_HEAD_MAX is {limit}")]
    TooLarge {
        /// So many had come.
        size: usize,
        /// So many may.
        limit: usize,
    },
    /// The first line alone is larger than a head may be.
    #[error("the address asked for has {size} bytes or more, and REQUEST_HEAD_MAX is {limit}")]
    UriTooLong {
        /// So many had come.
        size: usize,
        /// So many may.
        limit: usize,
    },
    /// More lines than are read.
    #[error("the request has {count} header lines, and REQUEST_HEADERS_MAX is {limit}")]
    TooManyHeaders {
        /// So many there are.
        count: usize,
        /// So many may be.
        limit: usize,
    },
    /// More cookies than are looked through.
    #[error("the request has {count} cookies, and REQUEST_COOKIES_MAX is {limit}")]
    TooManyCookies {
        /// So many there are.
        count: usize,
        /// So many may be.
        limit: usize,
    },
    /// Unfinished heads take as much memory as they may.
    #[error("there is no room for another head that comes in pieces (REQUEST_HEADS_MEMORY)")]
    NoRoom,
    /// It is not HTTP/1.
    #[error("{}", .0.says())]
    Ambiguous(Ambiguity),
}

/// What two readers may understand differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ambiguity {
    /// A TLS handshake on a plain listener.
    Tls,
    /// Method, target or what is between them.
    RequestLine,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    Version,
    /// LF without CR, or CR without LF.
    LineEnd,
    /// A header that goes on in the next line.
    Folded,
    /// White space between a name and its colon.
    SpaceBeforeColon,
    /// A header whose name is no token.
    Name,
    /// NUL or another control character in a value.
    Value,
    /// HTTP/1.1 without `Host`.
    NoHost,
    /// Several `Host`.
    SeveralHosts,
    /// A `Host` that is none.
    BadHost,
    /// A target that names another host than `Host`.
    OtherHost,
    /// `Content-Length` beside `Transfer-Encoding`.
    LengthAndEncoding,
    /// Several lengths that differ.
    Lengths,
    /// A length that is no number.
    BadLength,
    /// An encoding other than chunked.
    Encoding,
    /// An encoding before HTTP/1.1.
    OldEncoding,
}

impl Ambiguity {
    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Tls => (
                "tls",
                "this listener speaks plain HTTP and was sent a TLS handshake: the proxy must ask it with http://",
            ),
            Self::RequestLine => ("request_line", "the request's first line is not method, target and version"),
            Self::Version => ("http_version", "this listener speaks HTTP/1.1 and HTTP/1.0 alone"),
            Self::LineEnd => ("line_end", "a line of the head does not end with CR LF, or holds another CR"),
            Self::Folded => ("folded_header", "a header goes on in the next line"),
            Self::SpaceBeforeColon => {
                ("space_before_colon", "white space stands between a header's name and its colon")
            }
            Self::Name => ("header_name", "a header's name is no token"),
            Self::Value => ("header_value", "a header's value holds a control character"),
            Self::NoHost => ("no_host", "HTTP/1.1 without Host"),
            Self::SeveralHosts => ("several_hosts", "Host is there more than once"),
            Self::BadHost => ("bad_host", "Host is no name with an optional port"),
            Self::OtherHost => ("other_host", "the target names another host than Host does"),
            Self::LengthAndEncoding => ("length_and_encoding", "Content-Length stands beside Transfer-Encoding"),
            Self::Lengths => ("several_lengths", "Content-Length is there with different values"),
            Self::BadLength => ("bad_length", "Content-Length is no number"),
            Self::Encoding => ("transfer_encoding", "Transfer-Encoding is not chunked alone"),
            Self::OldEncoding => ("old_encoding", "HTTP/1.0 with Transfer-Encoding"),
        }
    }

    fn says(self) -> &'static str {
        self.row().1
    }
}

impl HeadFault {
    /// The word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::UriTooLong { .. } => "REQUEST_HEAD_MAX",
            Self::TooManyHeaders { .. } => "REQUEST_HEADERS_MAX",
            Self::TooManyCookies { .. } => "REQUEST_COOKIES_MAX",
            Self::NoRoom => "REQUEST_HEADS_MEMORY",
            Self::Ambiguous(what) => what.row().0,
        }
    }
}

impl From<Ambiguity> for HeadFault {
    fn from(what: Ambiguity) -> Self {
        Self::Ambiguous(what)
    }
}

/// How a body is told from the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// It has so many bytes.
    Length(u64),
    /// It comes in chunks.
    Chunked,
}

/// Where the head that begins here ends, once its end has come. The search goes on at `from`.
#[must_use]
pub fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut lines = memchr_iter(b'\n', bytes.get(from..)?).map(|at| from + at + 1);
    lines.find_map(|next| match bytes.get(next..)? {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

/// Whether what has come so far can become a head at all, and within its size.
///
/// # Errors
/// [`HeadFault`] when it cannot.
pub fn check_beginning(bytes: &[u8], limit: usize) -> Result<(), HeadFault> {
    match bytes {
        [0x16, ..] => return Err(Ambiguity::Tls.into()),
        [first, ..] if !is_token(&[*first]) => return Err(Ambiguity::RequestLine.into()),
        _ => {}
    }
    let size = bytes.len();
    match bytes.contains(&b'\n') {
        _ if size <= limit => Ok(()),
        true => Err(HeadFault::TooLarge { size, limit }),
        false => Err(HeadFault::UriTooLong { size, limit }),
    }
}

/// How the body after a whole head is framed.
///
/// # Errors
/// [`HeadFault`] when the head is larger than it may be, or means one thing to one reader and another to the next.
pub fn read(head: &[u8], limits: &HeadLimits) -> Result<Framing, HeadFault> {
    check_beginning(head, limits.bytes)?;
    let mut lines = lines(head);
    let first = lines.next().unwrap_or(Err(Ambiguity::LineEnd))?;
    let line = Line::read(first).map_err(|fault| nearest_cause(first, fault))?;
    let mut telling = Telling::default();
    let mut count = 0;
    for header in lines {
        match header? {
            [] => break,
            header => telling.add(header).map_err(|fault| nearest_cause(header, fault))?,
        }
        count += 1;
    }
    if count > limits.headers {
        return Err(HeadFault::TooManyHeaders { count, limit: limits.headers });
    }
    telling.check_host(&line)?;
    Ok(telling.framing(line.is_new)?)
}

/// The first line again, when it is sound: what a refused request is remembered by.
#[must_use]
pub fn request_line(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = Line::read(lines(head).next()?.ok()?).ok()?;
    line.target.starts_with(b"/").then_some((line.method, line.target))
}

/// Every line without its end; what follows the last one is none.
fn lines(head: &[u8]) -> impl Iterator<Item = Result<&[u8], Ambiguity>> {
    let mut start = 0;
    memchr_iter(b'\n', head).map(move |end| {
        let line = head[start..end].strip_suffix(b"\r").ok_or(Ambiguity::LineEnd);
        start = end + 1;
        line
    })
}

/// Where a line holds a CR, that is what is wrong with it, whatever it makes of the rest.
fn nearest_cause(line: &[u8], fault: Ambiguity) -> Ambiguity {
    if line.contains(&b'\r') { Ambiguity::LineEnd } else { fault }
}

struct Line<'a> {
    method: &'a [u8],
    target: &'a [u8],
    /// Whether it is HTTP/1.1.
    is_new: bool,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Result<Self, Ambiguity> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Ambiguity::RequestLine);
        };
        if !is_token(method) || !is_target(target) {
            return Err(Ambiguity::RequestLine);
        }
        match version {
            b"HTTP/1.1" => Ok(Self { method, target, is_new: true }),
            b"HTTP/1.0" => Ok(Self { method, target, is_new: false }),
            _ => Err(Ambiguity::Version),
        }
    }

    /// The host that an absolute target names.
    fn authority(&self) -> Option<&'a [u8]> {
        if self.target.starts_with(b"/") || self.target == b"*" {
            return None;
        }
        let scheme = self.target.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
        let rest = self.target.get(scheme..)?;
        rest.split(|byte| matches!(byte, b'/' | b'?')).next()
    }
}

/// A fragment never travels; who sees one cuts it off or does not.
fn is_target(target: &[u8]) -> bool {
    const PLAIN: ByteSet = ByteSet::alphanumeric_and(b"/-._~%?=&+:@!$'()*,;");
    !target.is_empty() && (PLAIN.has_all_of(target) || !target.contains(&b'#') && Uri::try_from(target).is_ok())
}

/// Name, or address, and an optional port.
fn is_host(host: &[u8]) -> bool {
    const PLAIN: ByteSet = ByteSet::alphanumeric_and(b"-._~%!$&'()*+;=:[]");
    !host.is_empty() && PLAIN.has_all_of(host)
}

/// Control characters but HTAB. All bytes are looked at, whatever the first ones are, which goes by sixteens.
fn has_control(value: &[u8]) -> bool {
    value.iter().fold(false, |found, byte| found | (byte.is_ascii_control() && *byte != b'\t'))
}

/// The headers that say where a request goes and where it ends.
#[derive(Default)]
struct Telling<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    encoding: Option<&'a [u8]>,
}

impl<'a> Telling<'a> {
    fn add(&mut self, line: &'a [u8]) -> Result<(), Ambiguity> {
        if let [b' ' | b'\t', ..] = line {
            return Err(Ambiguity::Folded);
        }
        let (name, rest) = split_token(line);
        let value = match rest {
            [b':', value @ ..] if !name.is_empty() => trim(value),
            [b' ' | b'\t', ..] if trim(rest).starts_with(b":") => return Err(Ambiguity::SpaceBeforeColon),
            _ => return Err(Ambiguity::Name),
        };
        if has_control(value) {
            return Err(Ambiguity::Value);
        }
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"host") && self.host.replace(value).is_some() {
            return Err(Ambiguity::SeveralHosts);
        }
        if is(b"content-length") && self.length.replace(value).is_some_and(|other| other != value) {
            return Err(Ambiguity::Lengths);
        }
        if is(b"transfer-encoding") && self.encoding.replace(value).is_some() {
            return Err(Ambiguity::Encoding);
        }
        Ok(())
    }

    fn check_host(&self, line: &Line<'_>) -> Result<(), Ambiguity> {
        match (self.host, line.authority()) {
            (None, _) if line.is_new => Err(Ambiguity::NoHost),
            (Some(host), _) if !is_host(host) => Err(Ambiguity::BadHost),
            (host, Some(named)) if !host.is_some_and(|host| host.eq_ignore_ascii_case(named)) => {
                Err(Ambiguity::OtherHost)
            }
            _ => Ok(()),
        }
    }

    fn framing(&self, is_new: bool) -> Result<Framing, Ambiguity> {
        match (self.length, self.encoding) {
            (Some(_), Some(_)) => Err(Ambiguity::LengthAndEncoding),
            (None, Some(_)) if !is_new => Err(Ambiguity::OldEncoding),
            (None, Some(encoding)) if encoding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (None, Some(_)) => Err(Ambiguity::Encoding),
            (Some(length), None) => length_of(length).map(Framing::Length).ok_or(Ambiguity::BadLength),
            (None, None) => Ok(Framing::Length(0)),
        }
    }
}

/// Digits alone: the language's own reader also takes a sign.
fn length_of(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}
