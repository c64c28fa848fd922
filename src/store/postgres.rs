//! State in `PostgreSQL`: for several replicas.

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::OnceCell;

use crate::base::clock::UnixTime;
use crate::store::sql::{backend, schema, seconds};
use crate::store::{DEADLINE, Down, Key, Row, Tags};

/// Connections one replica keeps at most.
const CONNECTIONS: u32 = 8;

/// A database that is connected to when it is first needed, and again whenever it comes back.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    tables: OnceCell<()>,
}

impl Postgres {
    /// Prepares the connection. Nothing is sent yet: a database that is still starting must not keep us from starting.
    ///
    /// # Errors
    /// A sentence for the operator when the address cannot be read.
    pub fn new(url: &SecretString, password: Option<&SecretString>) -> Result<Self, String> {
        Ok(Self { pool: lazy(options(url, password)?), tables: OnceCell::new() })
    }

    async fn pool(&self) -> Result<&PgPool, Down> {
        self.tables.get_or_try_init(|| self.make_tables()).await?;
        Ok(&self.pool)
    }

    /// Replicas that start together would trip over each other's `create table if not exists`: one at a time.
    async fn make_tables(&self) -> Result<(), Down> {
        let mut work = self.pool.begin().await?;
        let lock = sqlx::query("select pg_advisory_xact_lock(7267380014)");
        lock.execute(&mut *work).await?;
        for statement in schema!("bytea") {
            sqlx::query(statement).execute(&mut *work).await?;
        }
        work.commit().await?;
        Ok(())
    }
}

/// A pool over somebody else's database, which can read and nothing else. Not yet connected.
///
/// # Errors
/// A sentence for the operator when the address cannot be read.
pub fn read_only(url: &SecretString, password: Option<&SecretString>) -> Result<PgPool, String> {
    Ok(lazy(options(url, password)?.options([("default_transaction_read_only", "on")])))
}

fn options(url: &SecretString, password: Option<&SecretString>) -> Result<PgConnectOptions, String> {
    let options: PgConnectOptions =
        url.expose_secret().parse().map_err(|_| "is not a PostgreSQL address such as postgres://user@host/database")?;
    let options = match password {
        Some(password) => options.password(password.expose_secret()),
        None => options,
    };
    Ok(options.application_name("countersign"))
}

fn lazy(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(DEADLINE).connect_lazy_with(options)
}

backend!(Postgres);
