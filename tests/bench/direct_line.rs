//! What waiting for a chat vendor costs: a vendor that takes 100 ms, up to 1,000 visitors at once, and another widget's visitors
//! beside them. Vendor, service and visitors are one process with sockets on loopback between them, so that whatever else the
//! machine does falls on all alike: the ratios are the figures to look at.
//!
//! `cargo bench --bench direct_line` measures; `-- --strict` fails when an aim is missed. Under `cargo test` it runs for a moment.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that cannot run ends, and prints what it found")]

use std::future::pending;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::app::App;
use countersign::app::config;
use countersign::base::clock::Clock;
use countersign::config::env::Env;
use countersign::demo::directline::fault::Fault;
use countersign::demo::directline::{Double, Settings};
use countersign::demo::events::Events;
use countersign::http::listen::{Listener, ListenerOptions, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long the vendor takes.
const VENDOR: Duration = Duration::from_millis(100);
/// How many calls to it may be open at once: the connector's default.
const AT_ONCE: u32 = 64;
const VISITORS: usize = 1000;
/// So few that nobody waits for a place.
const FEW: usize = 32;
const SECRET: &str = "a-channel-secret.of-the-bench";
const APP_SECRET: &str = "an-app-secret-of-32-characters-or-more";
const PROOF: &str = "kX4vQm8Zt2Lr6Wp0Jd3Hn7Bs5Yc1Gf9A";

/// Share of the vendor's pace that must be reached.
const AIM_PACE: f64 = 0.95;
/// What we may add to the median.
const AIM_ADDED_MS: f64 = 2.0;

fn settings(base: &str) -> Env {
    let pairs = [
        ("PUBLIC_URL", "https://www.example.org"),
        ("RATE_LIMIT_VISITOR", "1000000/s"),
        ("AUDIT_LOG", "off"),
        ("SESSION_SOURCES", "forwarded"),
        ("FORWARDED_CONVENTION", "oauth2-proxy"),
        ("FORWARDED_PROOF_SECRET", PROOF),
        ("PSEUDONYM_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw"),
        ("WIDGETS", "support,clinic"),
        ("WIDGET_SUPPORT_PRESET", "medchat"),
        ("WIDGET_SUPPORT_SECRET", "c29tZS1tZWRjaGF0LXNlY3JldC1vZi0zMi1ieXRlcyE"),
        ("WIDGET_CLINIC_PRESET", "healthcare-agent"),
        ("WIDGET_CLINIC_APP_SECRET", APP_SECRET),
        ("WIDGET_CLINIC_WEBCHAT_SECRET", SECRET),
        ("WIDGET_CLINIC_DIRECTLINE_ENDPOINT", base),
    ];
    Env::new(pairs)
}

async fn vendor(clock: &Clock) -> SocketAddr {
    let double = Double::new(Settings {
        secrets: vec![SECRET.to_owned()],
        app_secret: APP_SECRET.into(),
        token_life: Duration::from_hours(1),
        events: Events::new(clock.clone()),
        clock: clock.clone(),
    });
    double.set_fault(Some(Fault::Delay(VENDOR)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { double.serve(listener, pending()).await });
    address
}

async fn service(vendor: SocketAddr, clock: &Clock) -> SocketAddr {
    let config = config::Settings::read(settings(&format!("http://{vendor}"))).unwrap();
    let service = App::new(config, clock).unwrap().service;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |received| {
        let service = service.clone();
        async move { service.answer(received).await }
    };
    tokio::spawn(serve(Listener::Tcp(listener), ListenerOptions::default(), answer, pending()));
    address
}

/// Whom a visitor asks, and how.
#[derive(Clone)]
struct Ask {
    to: SocketAddr,
    head: String,
}

impl Ask {
    /// A widget's token, as a proxy passes on a page's request.
    fn token(to: SocketAddr, widget: &str) -> Self {
        let head = format!(
            "POST /token/{widget} HTTP/1.1\r\nHost: www.example.org\r\nSec-Fetch-Site: same-origin\r\nX-Countersign-Proof: \
             {PROOF}\r\nX-Forwarded-Preferred-Username: Zoe Mueller\r\nContent-Length: 0\r\n"
        );
        Self { to, head }
    }

    /// The vendor itself, without us.
    fn vendor(to: SocketAddr) -> Self {
        let head = format!(
            "POST /v3/directline/tokens/generate HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 0\r\n"
        );
        Self { to, head }
    }

    /// One visitor, who asks again and again over one connection until told to stop, with a pause in between. What each
    /// answer took, if it began after `from`.
    async fn repeat(
        self,
        n: usize,
        pause: Duration,
        from: Duration,
        clock: Clock,
        stop: Arc<AtomicBool>,
    ) -> Vec<Duration> {
        let request = format!("{}X-Forwarded-User: patient{n:05}\r\n\r\n", self.head);
        let mut stream = TcpStream::connect(self.to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut times = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let began = clock.monotonic();
            stream.write_all(request.as_bytes()).await.unwrap();
            read_success(&mut stream).await;
            if began >= from {
                times.push(clock.monotonic().saturating_sub(began));
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        times
    }
}

/// Reads one answer to its end; anything but 200 ends the bench.
async fn read_success(stream: &mut TcpStream) {
    let mut answer = Vec::with_capacity(4096);
    loop {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the connection was closed");
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
        if answer.len() >= end + 4 + length.parse::<usize>().unwrap() {
            return;
        }
    }
}

/// So many visitors for so long, after a third of that to warm up; what every answer took, shortest first.
async fn crowd(ask: &Ask, visitors: usize, pause: Duration, span: Duration, clock: &Clock) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let from = clock.monotonic() + span / 3;
    let mut set = JoinSet::new();
    for n in 0..visitors {
        set.spawn(ask.clone().repeat(n, pause, from, clock.clone(), stop.clone()));
    }
    sleep(span / 3 + span).await;
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = set.join_all().await.into_iter().flatten().collect();
    times.sort_unstable();
    times
}

fn ms(times: &[Duration], percentile: usize) -> f64 {
    let at = (times.len() * percentile / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

fn row(what: &str, times: &[Duration]) {
    println!("  {what:34} p50 {:7.2} ms   p99 {:7.2} ms   {:6} answers", ms(times, 50), ms(times, 99), times.len());
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn verdict(text: &str, met: bool, aim: &str) -> bool {
    println!("{text}{}", if met { String::new() } else { format!("   MISSED (aim {aim})") });
    met
}

/// What we add to a vendor's answer when nobody has to wait for a place. The two take turns.
async fn added(ours: &Ask, theirs: &Ask, rounds: usize, span: Duration, clock: &Clock) -> bool {
    println!("{FEW} visitors at once, a vendor that takes {VENDOR:?}");
    let mut differences = Vec::new();
    for _ in 0..rounds {
        let direct = crowd(theirs, FEW, Duration::ZERO, span, clock).await;
        let through = crowd(ours, FEW, Duration::ZERO, span, clock).await;
        row("the vendor itself", &direct);
        row("through countersign", &through);
        differences.push(ms(&through, 50) - ms(&direct, 50));
    }
    let added = median(differences);
    verdict(&format!("added to the median: {added:.2} ms"), added < AIM_ADDED_MS, "under 2 ms")
}

/// A rush on one widget, and what the visitors of another notice of it.
async fn rush(clinic: &Ask, support: &Ask, span: Duration, clock: &Clock) -> bool {
    let pause = Duration::from_millis(5);
    println!("{VISITORS} visitors at once, {AT_ONCE} calls to the vendor at once");
    let calm = crowd(support, 8, pause, span, clock).await;
    let (times, beside) = tokio::join!(crowd(clinic, VISITORS, Duration::ZERO, span * 2, clock), async {
        // Once the rush has settled.
        sleep(span).await;
        crowd(support, 8, pause, span, clock).await
    },);
    row("the clinic's visitors", &times);
    row("another widget's, before", &calm);
    row("another widget's, meanwhile", &beside);
    let pace = f64::from(AT_ONCE) / VENDOR.as_secs_f64();
    // Those that began within the span, a full queue before and after it.
    let rate = f64::from(u32::try_from(times.len()).unwrap()) / (span * 2).as_secs_f64();
    let ratio = rate / pace;
    let (p50, p99) = (ms(&beside, 50) / ms(&calm, 50), ms(&beside, 99) / ms(&calm, 99));
    println!("another widget's latency, meanwhile to before: p50 x{p50:.2}, p99 x{p99:.2}");
    let text = format!("{rate:.0} tokens a second, of {pace:.0} that the vendor can give: ratio {ratio:.3}");
    verdict(&text, ratio >= AIM_PACE, "0.95")
}

async fn measure(rounds: usize, span: Duration) -> bool {
    let clock = Clock::system();
    let vendor = vendor(&clock).await;
    let ours = service(vendor, &clock).await;
    let (clinic, support) = (Ask::token(ours, "clinic"), Ask::token(ours, "support"));
    let quick = added(&clinic, &Ask::vendor(vendor), rounds, span, &clock).await;
    let full = rush(&clinic, &support, span, &clock).await;
    quick && full
}

fn main() -> ExitCode {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let (rounds, span) = if asked("--bench") { (5, Duration::from_secs(6)) } else { (1, Duration::from_millis(600)) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let met = runtime.block_on(measure(rounds, span));
    ExitCode::from(u8::from(asked("--strict") && !met))
}
