//! What the clinic's site is made of.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tower_sessions::MemoryStore;

use super::Addresses;
use super::downgrade::Downgrade;
use super::events::Events;
use crate::base::clock::{Clock, Forward};
use crate::http::service::HttpService;
use crate::http::state::AppState;

/// The site, as its handlers see it.
#[derive(Debug)]
pub struct Site {
    /// Where everything is.
    pub at: Addresses,
    /// Name of the session cookie.
    pub cookie: String,
    /// The widget that is shown first.
    pub widget: String,
    /// Microsoft's Web Chat, when it is there.
    pub web_chat: Option<Bytes>,
    /// Who is signed in.
    pub store: MemoryStore,
    /// countersign.
    pub service: HttpService,
    /// Its widgets, for the page's snippets.
    pub public: Arc<AppState>,
    /// The issuer that plain HTTP is tried on.
    pub downgrade: Downgrade,
    /// What happens.
    pub events: Events,
    /// Time.
    pub clock: Clock,
    /// Puts it forward.
    pub forward: Forward,
    /// True when the demo ends.
    pub stopped: watch::Receiver<bool>,
}
