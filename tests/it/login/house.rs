//! A login in memory: settings in, pages out, time in the test's hands.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use countersign::base::clock::{Clock, ManualClock};
use countersign::config::env::Env;
use countersign::http::login as pages;
use countersign::http::login::route::LoginRoute;
use countersign::http::login::visitor::Context;
use countersign::http::origin::OriginRules;
use countersign::http::problem::Problem;
use countersign::login::sessions::LoginSessions;
use countersign::login::{Event, LoginLimits, LoginService, Settings};
use countersign::net::origin::Origin;
use countersign::net::outbound::Outbound;
use countersign::net::peer::Peer;
use countersign::session::{Authenticator as _, Outage, Session};
use countersign::sources::login::LoginSource;
use countersign::store::Store;
use http::Request;
use url::Url;

use super::browser::{Browser, From};
use crate::kit::START;

/// Our address in these tests.
pub const BASE: &str = "https://www.example.org/chat-identity";
/// Another origin whose pages may fetch tokens.
pub const LISTED: &str = "https://app.example.org";
/// The session cookie.
pub const COOKIE: &str = "__Host-countersign";

pub struct House {
    door: Arc<Mutex<Arc<LoginService>>>,
    limits: Arc<LoginLimits>,
    pub router: Router,
    pub store: Store,
    pub sessions: LoginSessions,
    pub hands: ManualClock,
    pub clock: Clock,
    events: Arc<Mutex<Vec<String>>>,
}

/// Reads settings, and names what is wrong with them.
pub fn read(vars: &[(&str, &str)]) -> Result<Settings, String> {
    let mut env = Env::new(vars.iter().map(|(name, value)| (*name, *value)));
    let url: Url = BASE.parse().unwrap();
    let settings = Settings::read(&mut env, Some(&url), &Outbound::default());
    let mistakes = env.finish(&std::collections::BTreeSet::new(), &[]).err().map(|m| m.to_string());
    match (settings, mistakes) {
        (Some(settings), None) => Ok(settings),
        (_, mistakes) => Err(mistakes.unwrap_or_default()),
    }
}

/// The login's routes at the root and under its mount.
fn router(door: &Arc<Mutex<Arc<LoginService>>>, events: &Arc<Mutex<Vec<String>>>) -> Router {
    let (door, events) = (door.clone(), events.clone());
    Router::new().fallback(async move |request: Request<Body>| {
        let path = request.uri().path().trim_start_matches("/chat-identity");
        let (_, route) = *LoginRoute::PATHS.iter().find(|(known, _)| *known == path).expect("a path of the login");
        let service = door.lock().unwrap().clone();
        let origins = OriginRules {
            own: Some(BASE.parse().map(|url| Origin::of(&url).unwrap()).unwrap()),
            ..OriginRules::default()
        };
        let listed = [(LISTED.parse().unwrap(), LISTED.parse().unwrap())];
        let context = Context {
            request_id: "r",
            service: &service,
            origins: &origins,
            listed: &listed,
            client: request.extensions().get::<Peer>().map(|peer| match peer {
                Peer::Tcp(address) | Peer::Certified(address) => *address,
                Peer::Unix => unreachable!(),
            }),
            unnamed_proxy: true,
            mount: "/chat-identity",
            logged_out: &|_, _| (),
            report: &|event: &Event<'_>| {
                let line = format!("{} {} {}", event.what, event.outcome, event.reason);
                events.lock().unwrap().push(line.trim_end().to_owned());
            },
        };
        if !route.methods().split(", ").any(|method| method == request.method().as_str()) {
            return Problem::Method(route.methods()).response();
        }
        pages::answer(context, route, request).await
    })
}

impl House {
    pub fn of(vars: &[(&str, &str)]) -> Self {
        let (clock, hands) = Clock::manual(START);
        Self::over(vars, Store::memory(clock.clone()), clock, hands)
    }

    pub fn over(vars: &[(&str, &str)], store: Store, clock: Clock, hands: ManualClock) -> Self {
        let settings = read(vars).unwrap();
        let sessions = settings.sessions(store.clone(), clock.clone());
        let events = Arc::new(Mutex::new(Vec::new()));
        let limits = Arc::new(LoginLimits::new(&clock));
        let service = LoginService::new(settings, sessions.clone(), &limits, &clock).unwrap();
        let door = Arc::new(Mutex::new(Arc::new(service)));
        let router = router(&door, &events);
        Self { door, limits, router, store, sessions, hands, clock, events }
    }

    /// Puts other settings in force.
    pub fn replace(&self, settings: Settings) {
        let service = LoginService::new(settings, self.sessions.clone(), &self.limits, &self.clock).unwrap();
        *self.door.lock().unwrap() = Arc::new(service);
    }

    /// What was recorded since the last look.
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// Who the session source says this browser's visitor is.
    pub async fn asks(&self, browser: &Browser) -> Result<Option<Session>, Outage> {
        self.asks_with(&browser.line(From::Own)).await
    }

    pub async fn asks_with(&self, cookie: &str) -> Result<Option<Session>, Outage> {
        let request = Request::get("/token").header("cookie", cookie).body(Body::empty()).unwrap();
        let found = LoginSource::new(self.sessions.clone()).authenticate(&request.into_parts().0).await;
        found.map(Result::ok)
    }

    pub async fn subject(&self, browser: &Browser) -> Option<String> {
        self.asks(browser).await.unwrap().map(|session| session.identity.subject.as_str().to_owned())
    }
}
