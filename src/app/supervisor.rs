//! The service manager that started us: it is told how things stand, and may have opened our listeners (`sd_notify(3)`,
//! `sd_listen_fds(3)`).

use std::collections::HashMap;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::base::clock::monotonic_micros;

/// The first descriptor that is handed over (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;
/// What the admin listener's socket is called (`FileDescriptorName=`).
const ADMIN: &str = "admin";

/// Who started us, if anybody wants to know.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// As the environment tells.
    #[must_use]
    pub fn of(environment: &HashMap<&str, &str>) -> Self {
        let number = |name: &str| environment.get(name).and_then(|text| text.parse::<u64>().ok());
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0).map(Duration::from_micros);
        let socket = environment.get("NOTIFY_SOCKET").and_then(|path| {
            let address = match path.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(path),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A service manager that does not listen must not keep visitors waiting.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        Self { socket, watchdog }
    }

    /// Visitors are served.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    /// Settings are read anew; [`Self::ready`] says that they were.
    pub fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the settings anew", monotonic_micros()));
    }

    /// The service ends, within this time.
    pub fn stopping(&self, within: Duration) {
        let micros = within.as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=finishing the requests in flight"));
    }

    /// Says again and again that we are alive, twice as often as is asked for. Never ends.
    pub async fn stay_alive(&self) {
        let Some(watchdog) = self.watchdog else { return std::future::pending().await };
        loop {
            self.tell("WATCHDOG=1");
            tokio::time::sleep(watchdog / 2).await;
        }
    }

    fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.socket else { return };
        if let Err(problem) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!(%problem, "the service manager could not be told how things stand (NOTIFY_SOCKET)");
        }
    }
}

/// Sockets that the service manager opened for us.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For visitors.
    pub public: Option<OwnedFd>,
    /// For operations.
    pub admin: Option<OwnedFd>,
}

impl Inherited {
    /// As the environment tells: the one that is called `admin` is the operations side's.
    ///
    /// # Errors
    /// When there is more than one of a kind, or the system does not hand one over.
    pub fn of(environment: &HashMap<&str, &str>) -> io::Result<Self> {
        let mut all = Self::default();
        let ours = environment.get("LISTEN_PID").and_then(|pid| pid.parse().ok()) == Some(std::process::id());
        let Some(count) = environment.get("LISTEN_FDS").and_then(|count| count.parse::<u8>().ok()).filter(|_| ours)
        else {
            return Ok(all);
        };
        let mut names = environment.get("LISTEN_FDNAMES").unwrap_or(&"").split(':');
        for at in 0..count {
            let is_admin = names.next() == Some(ADMIN);
            let place = if is_admin { &mut all.admin } else { &mut all.public };
            if place.replace(taken(FIRST + RawFd::from(at))?).is_some() {
                return Err(io::Error::other(
                    "LISTEN_FDS: one socket for visitors, and one with FileDescriptorName=admin",
                ));
            }
        }
        Ok(all)
    }
}

/// Our own copy of a descriptor that we were started with. The kernel checks that it is open, which makes it safe.
fn taken(number: RawFd) -> io::Result<OwnedFd> {
    let ourselves = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(ourselves, number, PidfdGetfdFlags::empty()).map_err(|problem| {
        let problem = io::Error::from(problem);
        io::Error::new(problem.kind(), format!("LISTEN_FDS: descriptor {number} cannot be taken over: {problem}; the calls pidfd_open and pidfd_getfd must be allowed"))
    })
}
