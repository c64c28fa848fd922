//! Refusals that flood: the first of a kind are written one by one, the others as a sum with the addresses they came from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::entry::{Entry, address, begin, moment, number, text};

/// How many refusals of one kind are written one by one in one [`WINDOW`].
pub(super) const EACH: u64 = 500;
/// How long refusals of one kind are counted together.
pub(super) const WINDOW: Duration = Duration::from_secs(5);
/// Most addresses that a sum names.
const CLIENTS: usize = 16;

/// What was done, what came of it, and why: all of them our own words.
type Kind = (&'static str, &'static str, &'static str);

/// The kinds of refusals that are being counted.
#[derive(Debug, Default)]
pub(super) struct Floods(HashMap<(Kind, String), Flood>);

#[derive(Debug, Default)]
struct Flood {
    since: Duration,
    seen: u64,
    sum: Option<Sum>,
}

/// Refusals of one kind that are not written one by one.
#[derive(Debug)]
pub(super) struct Sum {
    kind: Kind,
    widget: String,
    from: Duration,
    until: Duration,
    pub(super) count: u64,
    clients: Vec<IpAddr>,
    /// Whether there were more addresses than are named.
    more: bool,
}

impl Floods {
    /// Whether this refusal is written for itself; it is added to the sum of its kind when not.
    pub(super) fn admit(&mut self, entry: &Entry, room: bool) -> bool {
        let kind = (entry.what, entry.outcome, entry.reason);
        let flood = self.0.entry((kind, entry.widget().to_owned())).or_default();
        if flood.seen == 0 || entry.at.saturating_sub(flood.since) >= WINDOW && flood.sum.is_none() {
            (flood.since, flood.seen) = (entry.at, 0);
        }
        flood.seen += 1;
        if flood.seen <= EACH && room && flood.sum.is_none() {
            return true;
        }
        let begun = || Sum {
            kind,
            widget: entry.widget().to_owned(),
            from: entry.at,
            until: entry.at,
            count: 0,
            clients: Vec::new(),
            more: false,
        };
        flood.sum.get_or_insert_with(begun).add(entry);
        false
    }

    /// Whether there are sums to be written, sooner or later.
    pub(super) fn any(&self) -> bool {
        self.0.values().any(|flood| flood.sum.is_some())
    }

    /// The sums that are to be written now; all of them when there is no time to wait.
    pub(super) fn take(&mut self, now: Duration, all: bool) -> Vec<Sum> {
        let mut sums = Vec::new();
        self.0.retain(|_, flood| {
            let over = now.saturating_sub(flood.since) >= WINDOW;
            if over || all {
                sums.extend(flood.sum.take());
            }
            !over
        });
        sums
    }
}

impl Sum {
    fn add(&mut self, entry: &Entry) {
        self.count += 1;
        self.until = entry.at;
        let Some(client) = entry.client.filter(|client| !self.clients.contains(client)) else { return };
        if self.clients.len() < CLIENTS {
            self.clients.push(client);
        } else {
            self.more = true;
        }
    }

    /// Appends the sum's line, but for its place in the chain.
    pub(super) fn write(&self, line: &mut String) {
        let (what, outcome, reason) = self.kind;
        begin(line, what, self.from);
        line.push_str(",\"until\":");
        moment(line, self.until);
        text(line, "outcome", outcome);
        text(line, "reason", reason);
        text(line, "widget", &self.widget);
        line.push_str(",\"sum\":");
        number(line, self.count);
        line.push_str(",\"clients\":[");
        for (i, client) in self.clients.iter().enumerate() {
            line.push_str(if i == 0 { "\"" } else { ",\"" });
            address(line, Some(*client));
            line.push('"');
        }
        line.push_str(if self.more { "],\"more_clients\":true" } else { "]" });
    }
}
