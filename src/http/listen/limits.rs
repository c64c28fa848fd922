//! How many connections there may be, and how long they may wait.

use std::time::Duration;

use crate::config::read::{number, within};

crate::settings! {
    /// How many connections there may be, and how long they may wait.
    #[derive(Copy, PartialEq, Eq)]
    pub struct ConnectionLimits {
        most: usize = CONNECTIONS_MAX("4096", "16384"; at_start()), number(1..=1_000_000),
            "Most connections at once. Further ones are answered 503 (overloaded) with Retry-After and closed. Each takes a file descriptor (LimitNOFILE); the admin listener has places of its own.";
        per_address: usize = CONNECTIONS_PER_ADDRESS("1024", "256"; at_start()), number(1..=1_000_000),
            "Most connections at once from one address, or from one IPv6 network of 64 bits; further ones are answered 503 (overloaded). Not for TRUSTED_PROXIES and Unix sockets, whose connections are many visitors', nor for this machine and private networks where no proxy is named.";
        idle: Duration = CONNECTION_IDLE("2m", "75s"; at_start()), within("1s", "1h"),
            "How long a connection may rest between requests, at most 1h: longer than the proxy keeps its own. When more than half of the places are taken it is shorter, down to a second.";
        headers: Duration = REQUEST_HEAD_TIMEOUT("10s", "5s"; at_start()), within("1s", "1m"),
            "How long a request's head may take to come in, at most 1m; shorter when places are scarce, as CONNECTION_IDLE is.";
        memory: usize = REQUEST_HEADS_MEMORY("33554432", "67108864"; at_start()), number(1024 * 1024..=4 * 1024 * 1024 * 1024),
            "Most bytes that unfinished heads take together. A request whose head finds no room is answered 503 (overloaded).";
        grace: Duration = SHUTDOWN_GRACE("30s", "10s"; at_start()), within("0s", "5m"),
            "How long requests in flight get to finish after SHUTDOWN_DELAY, at most 5m; what is not answered then is cut off.";
    }
}

impl ConnectionLimits {
    /// What holds where nobody sets anything.
    pub const DEFAULT: Self = Self {
        most: 4096,
        per_address: 1024,
        idle: Duration::from_mins(2),
        headers: Duration::from_secs(10),
        memory: 32 * 1024 * 1024,
        grace: Duration::from_secs(30),
    };
}
