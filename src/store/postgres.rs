//! State in `PostgreSQL`: for several replicas.

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::OnceCell;

use crate::base::clock::UnixTime;
use crate::store::sql::{backend, schema, seconds};
use crate::store::{DEADLINE, Down, Key, Row, Tags};

/// Connections one replica keeps at most.
const CONNECTIONS: u32 = 8;

/// Whether every table is there, for a role that sees them.
const ARE_THERE: &str = "select to_regclass('countersign_sessions') is not null and to_regclass('countersign_tags') is not null and to_regclass('countersign_marks') is not null";
/// `insufficient_privilege`.
const NO_RIGHT: &str = "42501";

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
        self.tables.get_or_try_init(|| self.find_tables()).await?;
        Ok(&self.pool)
    }

    /// A role that may only read and write rows finds the tables that their owner has made; one that may make tables makes them.
    async fn find_tables(&self) -> Result<(), Down> {
        if sqlx::query_scalar(ARE_THERE).fetch_one(&self.pool).await? {
            return Ok(());
        }
        self.make_tables().await
    }

    /// Makes what is missing of the tables, and lets `role` read and write their rows.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn migrate(&self, role: Option<&str>) -> Result<(), String> {
        self.make_tables().await.map_err(|down| match down {
            Down::NoTables => "this role may not make tables; name their owner".to_owned(),
            down => down.to_string(),
        })?;
        let Some(role) = role else { return Ok(()) };
        let statement = format!(
            "grant select, insert, update, delete on countersign_sessions, countersign_tags, countersign_marks to \"{}\"",
            role.replace('"', "\"\"")
        );
        let granted = sqlx::query(AssertSqlSafe(statement)).execute(&self.pool).await;
        granted.map(drop).map_err(|_| format!("the role {role} could not be given rights on the tables: is it there?"))
    }

    /// A server's tables are missed by whoever asks for them.
    #[expect(clippy::unused_self, reason = "a file can vanish without anybody being told")]
    fn is_still_there(&self) {}

    /// Replicas that start together would trip over each other's `create table if not exists`: one at a time.
    async fn make_tables(&self) -> Result<(), Down> {
        let mut work = self.pool.begin().await?;
        let lock = sqlx::query("select pg_advisory_xact_lock(7267380014)");
        lock.execute(&mut *work).await?;
        for statement in schema!("bytea") {
            sqlx::query(statement).execute(&mut *work).await.map_err(not_ours)?;
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

fn not_ours(error: sqlx::Error) -> Down {
    let forbidden = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(NO_RIGHT));
    if forbidden { Down::NoTables } else { error.into() }
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
