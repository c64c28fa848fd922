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

impl Site {
    /// What the site's pages may do. Web Chat writes styles into the page and draws pictures of its own; only where it is
    /// shown is that allowed.
    #[must_use]
    pub fn policy(&self, server: &str, more: &str) -> String {
        let (styles, images) = if self.web_chat.is_some() { (" 'unsafe-inline'", " blob: data:") } else { ("", "") };
        let direct_line = &self.at.direct_line;
        let socket = direct_line.replacen("http", "ws", 1);
        format!(
            "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self'{images}; \
             connect-src 'self' {server} {direct_line} {socket}; {more}; base-uri 'none'; frame-ancestors 'none'"
        )
    }
}
