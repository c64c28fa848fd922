//! A running double of Direct Line, and connectors that call it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign::base::clock::{Clock, ManualClock, UnixTime};
use countersign::config::env::{Env, Mistakes};
use countersign::connector::{self, Connector, Kind, TicketAsk};
use countersign::demo::directline::{Double, Settings};
use countersign::demo::events::Events;
use countersign::net::outbound::{Call, Limits, Outbound, Reply, Target};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

pub const SECRET: &str = "canary-channel-secret.one";
pub const SECRET_TWO: &str = "canary-channel-secret.two";
pub const APP_SECRET: &str = "canary-app-secret-of-32-characters";
pub const NOON: UnixTime = UnixTime(1_800_000_000);
pub const TOKEN_LIFE: Duration = Duration::from_hours(1);

pub const JANE: TicketAsk<'static> =
    TicketAsk { widget: "clinic", user_id: "dl_canary-jane", user_name: Some("Canary Jane") };
pub const JOE: TicketAsk<'static> = TicketAsk { user_id: "dl_canary-joe", ..JANE };

/// A double on a port of its own, and the hands of the clock that it and its callers share.
pub struct Stage {
    pub double: Double,
    pub address: SocketAddr,
    pub clock: Clock,
    pub hands: ManualClock,
    client: Target,
}

impl Stage {
    pub async fn set() -> Self {
        let (clock, hands) = Clock::manual(NOON);
        let double = Double::new(Settings {
            secrets: vec![SECRET.to_owned()],
            app_secret: APP_SECRET.into(),
            token_life: TOKEN_LIFE,
            events: Events::new(clock.clone()),
            clock: clock.clone(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = double.clone();
        tokio::spawn(async move { served.serve(listener, std::future::pending()).await });
        let base = Url::parse(&format!("http://{address}")).unwrap();
        let client = Target::new(&Outbound::default(), &base, Limits::DEFAULT, clock.clone()).unwrap();
        Self { double, address, clock, hands, client }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A Direct Line connector with further settings laid over the usual ones.
    pub fn direct_line(&self, more: &[(&str, &str)]) -> Arc<dyn Connector> {
        let base = self.base();
        let usual = [("WIDGET_WEBCHAT_SECRET", SECRET), ("WIDGET_DIRECTLINE_ENDPOINT", &base)];
        read(Kind::DirectLine, &usual, more, &self.clock).unwrap()
    }

    /// A Copilot Studio connector.
    pub fn copilot_studio(&self, more: &[(&str, &str)]) -> Arc<dyn Connector> {
        let endpoint = format!("{}/powervirtualagents/botsbyschema/cr1/directline/token?api-version=7", self.base());
        read(Kind::CopilotStudio, &[("WIDGET_TOKEN_ENDPOINT", &endpoint)], more, &self.clock).unwrap()
    }

    /// What a page's client, or a forgetful host, would send.
    pub async fn call(&self, method: Method, path: &str, bearer: Option<&str>, body: Option<Value>) -> Reply {
        let mut headers = HeaderMap::new();
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {bearer}")).unwrap());
        }
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let url = Url::parse(&format!("{}{path}", self.base())).unwrap();
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.client.call(Call { method, url, headers, body }).await.unwrap()
    }
}

/// Reads a connector from settings; later ones take the place of earlier ones.
pub fn read(
    kind: Kind,
    usual: &[(&str, &str)],
    more: &[(&str, &str)],
    clock: &Clock,
) -> Result<Arc<dyn Connector>, Mistakes> {
    let usual = usual.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let mut env = Env::new(usual.chain(more).copied());
    let settings = connector::read(&mut env, kind, &Outbound::default());
    env.finish(&BTreeSet::new(), &[])?;
    Ok(settings.unwrap().build(&Outbound::default(), clock).unwrap())
}

pub fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}
