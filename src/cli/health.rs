//! `countersign health`.

use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::{CliContext, Exit};
use crate::app::config::ADMIN_LISTEN;
use crate::http::listen::Address;

/// Which listener to ask.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address of the operations listener (default: that of the configuration).
    #[arg(long)]
    admin: Option<Address>,
}

/// Asks `/ready` of the running service. Speaks HTTP by hand: a health check must not need a certificate store.
///
/// # Errors
/// Never ready is exit code 1, not an error; a configuration without an operations listener is one.
pub async fn run(args: &HealthArgs, context: &mut CliContext<'_>) -> anyhow::Result<Exit> {
    let configured = context.env().parse(&ADMIN_LISTEN);
    let address =
        args.admin.clone().or(configured).ok_or_else(|| anyhow::anyhow!("ADMIN_LISTEN is off: nothing to ask"))?;
    let asked = tokio::time::timeout(Duration::from_secs(3), ask(&address)).await;
    let ready = asked.is_ok_and(|answer| answer.is_ok_and(|text| text.starts_with("HTTP/1.1 200")));
    writeln!(context.out, "{}", if ready { "ready" } else { "not ready" })?;
    Ok(if ready { Exit::Well } else { Exit::Failed })
}

async fn ask(address: &Address) -> std::io::Result<String> {
    match address {
        Address::Tcp(address) => exchange(TcpStream::connect(address).await?).await,
        Address::Unix(path) => exchange(UnixStream::connect(path).await?).await,
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: countersign\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer).await?;
    Ok(answer)
}
