//! A server on this machine that publishes documents, remembers who asked for what, and can hold its answers back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it says at one path.
#[derive(Clone)]
pub struct Page {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Page {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: String::new(), body: body.into() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, headers: String::new(), body: Vec::new() }
    }

    pub fn answering(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        use std::fmt::Write as _;
        write!(self.headers, "{name}: {value}\r\n").unwrap();
        self
    }
}

/// What somebody asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub struct Publisher {
    address: SocketAddr,
    desk: Arc<Desk>,
}

struct Desk {
    pages: Mutex<BTreeMap<String, Page>>,
    asked: Mutex<Vec<Asked>>,
    count: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Publisher {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk {
            pages: Mutex::default(),
            asked: Mutex::default(),
            count: watch::Sender::new(0),
            open: watch::Sender::new(true),
        });
        let behind = desk.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(attend(stream, behind.clone()));
            }
        });
        Self { address, desk }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn put(&self, path: &str, page: Page) {
        self.desk.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    pub fn remove(&self, path: &str) {
        self.desk.pages.lock().unwrap().remove(path);
    }

    /// Answers 500 everywhere from now on.
    pub fn fail(&self) {
        for page in self.desk.pages.lock().unwrap().values_mut() {
            *page = Page::status(500);
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.desk.asked.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        *self.desk.count.borrow()
    }

    /// Waits until so many have asked since the start.
    pub async fn has_been_asked(&self, times: usize) {
        let mut count = self.desk.count.subscribe();
        let asked = count.wait_for(|count| *count >= times);
        tokio::time::timeout(Duration::from_secs(10), asked).await.expect("somebody asks").unwrap();
    }

    /// Holds answers back until [`Publisher::open`].
    pub fn close(&self) {
        self.desk.open.send_replace(false);
    }

    pub fn open(&self) {
        self.desk.open.send_replace(true);
    }
}

async fn attend(mut stream: TcpStream, desk: Arc<Desk>) {
    while let Some(asked) = read(&mut stream).await {
        let path = asked.line.split(' ').nth(1).unwrap_or_default().to_owned();
        desk.asked.lock().unwrap().push(asked);
        desk.count.send_modify(|count| *count += 1);
        desk.open.subscribe().wait_for(|open| *open).await.unwrap();
        let page = desk.pages.lock().unwrap().get(&path).cloned().unwrap_or_else(|| Page::status(404));
        let Page { status, headers, body } = page;
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let line = lines.next()?.to_owned();
    let split = lines.filter_map(|line| line.split_once(':'));
    let headers: BTreeMap<String, String> =
        split.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < head + 4 + length {
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    }
    let body = String::from_utf8_lossy(&bytes[head + 4..head + 4 + length]).into_owned();
    Some(Asked { line, headers, body })
}
