//! The whole flow on one machine: a clinic's site with a login, countersign behind it, a chat vendor's server that checks
//! what it is told, and a foreign site that would like to be told too. Everything listens on loopback only, nothing reads
//! the environment, and every secret is made at start.

pub mod assets;
pub mod attacks;
pub mod clinic;
pub mod desk;
pub mod directline;
pub mod downgrade;
pub mod events;
pub mod gallery;
pub mod patients;
pub mod proof;
pub mod settings;
pub mod site;
pub mod stranger;
pub mod vendor_desk;
pub mod vendors;
pub mod widget_server;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_sessions::MemoryStore;

use crate::app::StartError;
use crate::base::clock::Clock;
use crate::http::admin::Admin;
use crate::http::listen::{ConnectionLimits, Listener, ListenerOptions, ReceivedRequest, serve};
use crate::http::state::AppState;
use clinic::Clinic;
use directline::Double;
use downgrade::Downgrade;
use events::Events;
pub use settings::WIDGETS;
use settings::{MOUNT, Secrets};
use site::Site;
use stranger::ForeignSite;
use vendor_desk::VendorDesk;
use widget_server::WidgetServer;

/// Where the clinic is found when nothing else is asked for.
pub const PORT: u16 = 8080;

/// How often the console's curves get a new point.
const BEAT: Duration = Duration::from_secs(5);

/// What to show.
#[derive(Debug, Clone)]
pub struct Options {
    /// The widget that is shown first, one of [`WIDGETS`].
    pub widget: String,
    /// The clinic's port: 0 is any free one; [`PORT`], or any free one, when not given.
    pub port: Option<u16>,
    /// Microsoft's Web Chat: its `webchat.js`, or a folder that holds it. The demo's own small client stands in for it
    /// when not given.
    pub web_chat: Option<PathBuf>,
}

/// Where everything is, as origins.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The clinic's site, and countersign on it.
    pub clinic: String,
    /// The chat vendor's server.
    pub widget_server: String,
    /// The double of Direct Line.
    pub direct_line: String,
    /// The foreign site.
    pub stranger: String,
    /// The operations console.
    pub console: String,
}

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is no such widget.
    #[error("the demo has no widget `{0}`; there are {list}", list = WIDGETS.join(", "))]
    Widget(String),
    /// The port that was asked for is taken.
    #[error("port {0} cannot be used ({1}); --port 0 takes any free one")]
    Port(u16, std::io::Error),
    /// Web Chat is not there.
    #[error(
        "{0} cannot be read as Web Chat's script ({1}); it is dist/webchat.js of the npm package botframework-webchat"
    )]
    WebChat(PathBuf, std::io::Error),
    /// No port at all.
    #[error("no loopback port can be listened on: {0}")]
    Listen(#[from] std::io::Error),
    /// The library makes no key.
    #[error("no key could be made")]
    Key,
    /// The issuer does not start.
    #[error(transparent)]
    Issuer(#[from] StartError),
}

/// A demo that is ready to be looked at.
#[derive(Debug)]
pub struct Demo {
    /// Where everything is.
    pub at: Addresses,
    /// Whether the usual port was taken, so that another one is used.
    pub moved: bool,
    clinic: (Listener, Clinic),
    widget_server: (Listener, WidgetServer),
    direct_line: (TcpListener, Double),
    stranger: (Listener, ForeignSite),
    console: (Listener, Admin),
    public: Arc<AppState>,
    clock: Clock,
    stopping: watch::Sender<bool>,
}

impl Demo {
    /// Binds every port and puts everything together.
    ///
    /// # Errors
    /// [`DemoError`] when a widget is unknown or a port is taken.
    pub async fn start(options: &Options, clock: &Clock) -> Result<Self, DemoError> {
        if !WIDGETS.contains(&options.widget.as_str()) {
            return Err(DemoError::Widget(options.widget.clone()));
        }
        let web_chat = options.web_chat.as_deref().map(read_web_chat).transpose()?;
        // One clock for everybody here, so that a page may put all of them forward at once.
        let (clock, forward) = &clock.with_forward();
        let doors = Doors::open(options.port).await?;
        let (port, at) = (doors.port()?, doors.addresses()?);
        // Cookies are kept by host, not by port: two demos side by side must not sign each other out.
        let cookie = format!("harbour_session_{port}");
        let secrets = Secrets::fresh().ok_or(DemoError::Key)?;
        let events = Events::new(clock.clone());
        let (stopping, stopped) = watch::channel(false);
        let vars = settings::vars(&at, &cookie, &secrets, &options.widget);
        let app = settings::issuer(&vars, &events, clock)?;
        app.admin.set_ready(true);
        let authority = |origin: &str| origin.trim_start_matches("http://").to_owned();
        let widget_server = WidgetServer::new(
            authority(&at.widget_server),
            at.clinic.clone(),
            settings::checks(&at, &secrets, &events),
            VendorDesk::new(secrets.vendors.clone(), clock.clone()),
            events.clone(),
            clock.clone(),
        );
        let double = settings::direct_line(&secrets, &events, clock);
        let stranger = ForeignSite {
            authority: authority(&at.stranger),
            clinic: at.clinic.clone(),
            token_url: format!("{}{MOUNT}/token", at.clinic),
            widget_server: at.widget_server.clone(),
        };
        let clinic = Clinic::new(Site {
            at: at.clone(),
            cookie,
            widget: options.widget.clone(),
            web_chat,
            store: MemoryStore::default(),
            service: app.service,
            public: app.state.clone(),
            downgrade: Downgrade::new(&vars, &events, clock)?,
            events,
            clock: clock.clone(),
            forward: forward.clone(),
            stopped,
        });
        Ok(Self {
            at,
            moved: doors.moved,
            clinic: (Listener::Tcp(doors.clinic), clinic),
            widget_server: (Listener::Tcp(doors.widget_server), widget_server),
            direct_line: (doors.direct_line, double),
            stranger: (Listener::Tcp(doors.stranger), stranger),
            console: (Listener::Tcp(doors.console), app.admin),
            public: app.state,
            clock: clock.clone(),
            stopping,
        })
    }

    /// Serves until `stop` completes.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        // Event streams stay open for as long as a page is looked at.
        let (idle, grace) = (Duration::from_hours(24), Duration::from_secs(2));
        let options = ListenerOptions {
            limits: ConnectionLimits { idle, grace, ..ConnectionLimits::DEFAULT },
            ..ListenerOptions::default()
        };
        let stopping = self.stopping;
        let stopped = || {
            let mut told = stopping.subscribe();
            async move {
                let _ = told.wait_for(|stop| *stop).await;
            }
        };
        macro_rules! site {
            ($site:expr) => {{
                let (listener, site) = $site;
                let answer = move |received: ReceivedRequest| {
                    let site = site.clone();
                    async move {
                        match received {
                            Ok(request) => site.handle(request).await,
                            Err(refused) => refused.response(),
                        }
                    }
                };
                tokio::spawn(serve(listener, options.clone(), answer, stopped()))
            }};
        }
        let (clinic, vendor) = (site!(self.clinic), site!(self.widget_server));
        let (stranger, console) = (site!(self.stranger), site!(self.console));
        let (listener, double) = self.direct_line;
        let told = stopped();
        let direct_line = tokio::spawn(async move {
            if let Err(problem) = double.serve(listener, told).await {
                tracing::error!(%problem, "the double of Direct Line has stopped");
            }
        });
        let beats = tokio::spawn(beat(self.public, self.clock));
        stop.await;
        beats.abort();
        let _ = stopping.send(true);
        let _ = tokio::join!(clinic, vendor, stranger, console, direct_line);
    }
}

/// Gives the console's curves their points, for as long as it is let.
async fn beat(public: Arc<AppState>, clock: Clock) {
    loop {
        public.metrics.beat(clock.now());
        tokio::time::sleep(BEAT).await;
    }
}

/// Reads Web Chat's script: the file itself, or from the folder or npm package that holds it.
fn read_web_chat(path: &Path) -> Result<Bytes, DemoError> {
    let inside = ["webchat.js", "dist/webchat.js"].map(|name| path.join(name));
    let file = inside.iter().find(|file| file.is_file()).map_or(path, PathBuf::as_path);
    std::fs::read(file).map(Bytes::from).map_err(|problem| DemoError::WebChat(path.to_owned(), problem))
}

/// Everything that is listened on.
struct Doors {
    clinic: TcpListener,
    widget_server: TcpListener,
    stranger: TcpListener,
    console: TcpListener,
    direct_line: TcpListener,
    moved: bool,
}

impl Doors {
    async fn open(asked: Option<u16>) -> Result<Self, DemoError> {
        let (clinic, moved) = bind_clinic(asked).await?;
        let port = clinic.local_addr()?.port();
        Ok(Self {
            widget_server: bind_near(port, 1).await?,
            stranger: bind_near(port, 2).await?,
            console: bind_near(port, 3).await?,
            direct_line: bind_near(port, 4).await?,
            clinic,
            moved,
        })
    }

    fn port(&self) -> std::io::Result<u16> {
        self.clinic.local_addr().map(|address| address.port())
    }

    fn addresses(&self) -> std::io::Result<Addresses> {
        let origin = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
        Ok(Addresses {
            clinic: origin(&self.clinic)?,
            widget_server: origin(&self.widget_server)?,
            direct_line: origin(&self.direct_line)?,
            // Another name, not only another port: to a browser this is another site.
            stranger: format!("http://localhost:{}", self.stranger.local_addr()?.port()),
            console: origin(&self.console)?,
        })
    }
}

/// The port that was asked for, or the usual one, or any when the usual one is taken.
async fn bind_clinic(asked: Option<u16>) -> Result<(TcpListener, bool), DemoError> {
    let port = asked.unwrap_or(PORT);
    match (bind(port).await, asked) {
        (Ok(listener), _) => Ok((listener, false)),
        (Err(problem), Some(_)) => Err(DemoError::Port(port, problem)),
        (Err(_), None) => Ok((bind(0).await?, true)),
    }
}

/// The port that many above, so that the addresses look alike; any other when it is taken.
async fn bind_near(port: u16, above: u16) -> std::io::Result<TcpListener> {
    match port.checked_add(above) {
        Some(near) => match bind(near).await {
            Ok(listener) => Ok(listener),
            Err(_) => bind(0).await,
        },
        None => bind(0).await,
    }
}

async fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}
