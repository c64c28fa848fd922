//! Where connections come in: an address and a port, or a Unix socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use data_encoding::HEXLOWER;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::gate::Stream;
use crate::base::clock::random_bytes;
use crate::net::peer::Peer;

/// How many connections the kernel keeps for us until they are accepted, as far as `net.core.somaxconn` lets it.
const BACKLOG: u32 = 4096;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err("a Unix socket needs an absolute path: unix:/run/countersign/http.sock".to_owned()),
            None => text.parse().map(Self::Tcp).map_err(|_| format!("`{text}` is neither address:port nor unix:/path")),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix, with the path to remove at the end; none when it is somebody else's to remove.
    Unix(UnixListener, Option<PathBuf>),
}

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// The system's, with the address.
    pub fn bind(address: &Address) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}"));
        match address {
            Address::Tcp(address) => bind_tcp(*address).map(Self::Tcp).map_err(named),
            Address::Unix(path) => bind_unix(path).map(|l| Self::Unix(l, Some(path.clone()))).map_err(named),
        }
    }

    /// Takes over a socket that the service manager has opened for this address.
    ///
    /// # Errors
    /// When it is a socket of another kind than the setting says: which headers are believed depends on the kind.
    pub fn inherit(socket: OwnedFd, address: &Address) -> io::Result<Self> {
        let unix = std::os::unix::net::UnixListener::from(socket.try_clone()?);
        // Asked for its address, a socket of another family has none.
        let is_unix = unix.local_addr().is_ok();
        match address {
            Address::Unix(_) if is_unix => {
                unix.set_nonblocking(true)?;
                UnixListener::from_std(unix).map(|listener| Self::Unix(listener, None))
            }
            Address::Tcp(_) if !is_unix => {
                let tcp = std::net::TcpListener::from(socket);
                tcp.set_nonblocking(true)?;
                tcp.local_addr()?;
                TcpListener::from_std(tcp).map(Self::Tcp)
            }
            _ => {
                let kind = if is_unix { "a Unix socket" } else { "a TCP socket" };
                Err(io::Error::other(format!(
                    "the service manager hands over {kind}, and the setting says {address}: make ListenStream= and LISTEN (ADMIN_LISTEN) the same"
                )))
            }
        }
    }

    /// The TCP address that was bound, port 0 resolved; `None` for a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, from)| {
                // A token is one small answer: waiting to fill a packet would only add latency.
                let _ = stream.set_nodelay(true);
                (Stream::Tcp(stream), Peer::Tcp(from.ip()))
            }),
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), Peer::Unix)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, Some(path)) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the process before it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Only the owner and the group may connect: who may open the socket is who is believed about identity.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    bind_in_private(path)
}

/// Made in a folder that is ours alone, and moved to its place when its rights are set: bound in its place, it would be open
/// to everybody for a moment, as far as the umask says.
fn bind_in_private(path: &Path) -> io::Result<UnixListener> {
    let folder = path.with_file_name(format!(".{}", HEXLOWER.encode(random_bytes::<4>().as_ref())));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let inside = folder.join("s");
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o660))?;
        std::fs::rename(&inside, path)?;
        Ok(listener)
    });
    let _ = std::fs::remove_file(&inside);
    let _ = std::fs::remove_dir(&folder);
    bound
}
