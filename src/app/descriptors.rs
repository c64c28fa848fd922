//! File descriptors: as many as the system lets us have, of which visitors' connections never take the last.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What stays for everything but visitors: the admin listener, stores, vendors, logs, and those who are turned away.
const RESERVED: usize = 512;

/// Raises the limit that a process may raise by itself. Programs that use `select` need it low; we do not.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(problem) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%problem, "the limit of open files stays as it is");
    }
}

/// How many connections of visitors there may be, of as many as are wanted.
#[must_use]
pub fn places(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    let places = shared(limit.unwrap_or(usize::MAX), wanted);
    if places < wanted {
        let limit = limit.unwrap_or_default();
        tracing::warn!(
            limit,
            connections = places,
            wanted,
            "CONNECTIONS_MAX does not fit into the limit of open files: there are fewer places (LimitNOFILE, ulimit -n)"
        );
    }
    places
}

/// How many of so many descriptors visitors may have, where so many are wanted. With few the reserve is half of them.
#[must_use]
pub fn shared(limit: usize, wanted: usize) -> usize {
    wanted.min(limit - RESERVED.min(limit / 2))
}
