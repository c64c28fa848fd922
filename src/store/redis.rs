//! State in Redis or Valkey: for several replicas. Rows end by themselves there, so there is nothing to sweep.

use std::fmt;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError, cmd, pipe};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};

use crate::base::clock::UnixTime;
use crate::store::{Backend, Down, Key, Row, Tags};

/// Less than the store's own deadline, so that a lost connection is noticed and replaced.
const ANSWER: Duration = Duration::from_millis(1500);

/// A connection that is made when it is first needed, and again whenever it breaks.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    prefix: String,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Redis {
    /// Prepares the connection. Nothing is sent yet: a server that is still starting must not keep us from starting.
    ///
    /// # Errors
    /// A sentence for the operator when the address cannot be read.
    pub fn new(url: &SecretString, password: Option<&SecretString>, prefix: &str) -> Result<Self, String> {
        Ok(Self { connection: connection(url, password)?, prefix: prefix.to_owned() })
    }

    fn name(&self, kind: char, key: &Key) -> String {
        format!("{}{kind}:{}", self.prefix, HEXLOWER.encode(key.as_bytes()))
    }

    fn row(&self, key: &Key) -> String {
        self.name('s', key)
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Down> {
        command.query_async(&mut self.connection.clone()).await.map_err(|e| down(&e))
    }

    async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Down> {
        commands.query_async(&mut self.connection.clone()).await.map_err(|e| down(&e))
    }

    /// Removes rows, and their belonging to a tag: what was added to the tag meanwhile stays.
    async fn remove_members(&self, tag: &str, rows: &[String]) -> Result<u64, Down> {
        let mut commands = pipe();
        for row in rows {
            commands.del(row);
        }
        commands.srem(tag, rows).ignore();
        let removed: Vec<u64> = self.ask_all(&commands).await?;
        Ok(removed.iter().sum())
    }
}

/// A connection to this address that makes itself.
///
/// # Errors
/// A sentence for the operator when the address cannot be read.
pub fn connection(url: &SecretString, password: Option<&SecretString>) -> Result<ConnectionManager, String> {
    const WRONG: &str = "is not a Redis address such as redis://host:6379/0 or rediss://host";
    let info = url.expose_secret().into_connection_info().map_err(|_| WRONG)?;
    let info = match password {
        Some(password) => {
            let settings = info.redis_settings().clone().set_password(password.expose_secret());
            info.set_redis_settings(settings)
        }
        None => info,
    };
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(ANSWER))
        .set_connection_timeout(Some(ANSWER))
        .set_number_of_retries(1);
    let client = Client::open(info).map_err(|_| WRONG)?;
    ConnectionManager::new_lazy_with_config(client, config).map_err(|_| WRONG.to_owned())
}

/// Milliseconds from now: a span, because the server's clock is its own. Redis refuses zero.
fn left(now: UnixTime, until: UnixTime) -> u64 {
    u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX).max(1)
}

#[async_trait]
impl Backend for Redis {
    async fn insert(&self, row: Row<'_>, tags: &Tags) -> Result<bool, Down> {
        let name = self.row(row.key);
        let mut commands = pipe();
        commands.atomic();
        commands.cmd("SET").arg(&name).arg(row.text).arg("NX").arg("PX").arg(left(row.now, row.expires_at));
        for tag in &tags.keys {
            let tag = self.name('t', tag);
            commands.sadd(&tag, &name).ignore();
            commands.cmd("PEXPIRE").arg(&tag).arg(left(row.now, tags.until)).ignore();
        }
        let (done,): (Option<String>,) = self.ask_all(&commands).await?;
        Ok(done.is_some())
    }

    async fn update(&self, row: Row<'_>) -> Result<bool, Down> {
        let mut set = cmd("SET");
        set.arg(self.row(row.key)).arg(row.text).arg("XX").arg("PX").arg(left(row.now, row.expires_at));
        self.ask::<Option<String>>(&set).await.map(|done| done.is_some())
    }

    async fn find(&self, key: &Key) -> Result<Option<String>, Down> {
        self.ask(cmd("GET").arg(self.row(key))).await
    }

    async fn remove(&self, key: &Key) -> Result<(), Down> {
        self.ask(cmd("DEL").arg(self.row(key))).await
    }

    async fn remove_tagged(&self, tag: &Key) -> Result<u64, Down> {
        let tag = self.name('t', tag);
        let rows: Vec<String> = self.ask(cmd("SMEMBERS").arg(&tag)).await?;
        if rows.is_empty() { Ok(0) } else { self.remove_members(&tag, &rows).await }
    }

    async fn mark(&self, key: &Key, now: UnixTime, until: UnixTime) -> Result<bool, Down> {
        let mut set = cmd("SET");
        set.arg(self.name('m', key)).arg(until.0).arg("NX").arg("PX").arg(left(now, until));
        self.ask::<Option<String>>(&set).await.map(|done| done.is_some())
    }

    async fn is_marked(&self, key: &Key, now: UnixTime) -> Result<bool, Down> {
        let until: Option<u64> = self.ask(cmd("GET").arg(self.name('m', key))).await?;
        Ok(until.is_some_and(|until| now.0 < until))
    }

    async fn ping(&self) -> Result<(), Down> {
        self.ask::<String>(&cmd("PING")).await.map(drop)
    }

    async fn sweep(&self, _now: UnixTime, _most: u32) -> Result<u64, Down> {
        Ok(0)
    }
}

/// The client's error in our words. Its own text can quote what was sent.
pub(crate) fn down(error: &RedisError) -> Down {
    if error.is_timeout() {
        return Down::Deadline;
    }
    if error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal() {
        return Down::NoConnection;
    }
    if error.kind() == ErrorKind::UnexpectedReturnType { Down::Unreadable } else { Down::Refused }
}
