//! Where a host keeps its `tower-sessions` records, in the layouts of the published stores.
//!
//! | store | where | how |
//! |---|---|---|
//! | `tower-sessions-sqlx-store`, `SQLite` | table `tower_sessions`, `id` text, `data` blob | `MessagePack` |
//! | `tower-sessions-sqlx-store`, `PostgreSQL` | table `tower_sessions.session`, `id` text, `data` bytea | `MessagePack` |
//! | `tower-sessions-redis-store` | key: the id | `MessagePack` |

use std::fmt;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store;

use crate::config::env::{Env, Var};
use crate::store::place::Place;
use crate::store::{DEADLINE, Down};

/// A host's store.
pub struct Host {
    layout: Layout,
    opened: OnceCell<Opened>,
}

/// What kind of store it is, and where.
#[derive(Debug, Clone)]
pub enum Layout {
    /// Any store, in this process.
    Given(Arc<dyn SessionStore>),
    /// A server or a file, and the statement or the prefix to ask with.
    Published {
        /// Where.
        place: Place,
        /// The statement, or the prefix.
        with: String,
    },
}

enum Opened {
    Given(Arc<dyn SessionStore>),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "redis")]
    Redis(redis::aio::ConnectionManager),
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layout.fmt(f)
    }
}

impl Layout {
    /// Reads where the store is; `None` after naming what is wrong. Nothing is opened yet.
    pub fn read(env: &mut Env, url: &Var, password: &Var, table: &Var, prefix: &Var) -> Option<Self> {
        let place = Place::read(env, url, password)?;
        let with = match &place {
            Place::Memory => {
                env.mistake_in(url, "memory is the host's own: its sessions cannot be read from here");
                None
            }
            Place::Sqlite(_) => read_statement(env, table, "tower_sessions"),
            Place::Postgres(_) => read_statement(env, table, "tower_sessions.session"),
            Place::Redis(_) => Some(env.text(prefix).unwrap_or_default()),
        };
        Some(Self::Published { place, with: with? })
    }
}

impl Host {
    /// The store of this layout, opened when it is first needed.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, opened: OnceCell::new() }
    }

    /// The record of this id, expired or not.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn load(&self, id: &Id) -> Result<Option<Record>, Down> {
        tokio::time::timeout(DEADLINE, self.read_record(id)).await.unwrap_or(Err(Down::Deadline))
    }

    /// Whether the store would answer.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn ping(&self) -> Result<(), Down> {
        self.load(&Id(0)).await.map(drop)
    }

    async fn read_record(&self, id: &Id) -> Result<Option<Record>, Down> {
        let opened = self.opened.get_or_try_init(|| self.open()).await?;
        if let Opened::Given(store) = opened {
            return store.load(id).await.map_err(|error| down(&error));
        }
        let Some(bytes) = self.bytes(opened, &id.to_string()).await? else { return Ok(None) };
        rmp_serde::from_slice(&bytes).map(Some).map_err(|_| Down::Unreadable)
    }

    async fn bytes(&self, opened: &Opened, id: &str) -> Result<Option<Vec<u8>>, Down> {
        let Layout::Published { with, .. } = &self.layout else { return Ok(None) };
        match opened {
            Opened::Given(_) => std::future::ready(Ok(None)).await,
            #[cfg(feature = "sqlite")]
            Opened::Sqlite(pool) => {
                let find = sqlx::query_scalar(sqlx::AssertSqlSafe(with.clone())).bind(id);
                Ok(find.fetch_optional(pool).await?)
            }
            #[cfg(feature = "postgres")]
            Opened::Postgres(pool) => {
                let find = sqlx::query_scalar(sqlx::AssertSqlSafe(with.clone())).bind(id);
                Ok(find.fetch_optional(pool).await?)
            }
            #[cfg(feature = "redis")]
            Opened::Redis(connection) => {
                let find = redis::cmd("GET").arg(format!("{with}{id}")).take();
                let found = find.query_async(&mut connection.clone()).await;
                found.map_err(|error| crate::store::redis::down(&error))
            }
        }
    }

    async fn open(&self) -> Result<Opened, Down> {
        let place = match &self.layout {
            Layout::Given(store) => return Ok(Opened::Given(store.clone())),
            Layout::Published { place, .. } => place,
        };
        let opened = match place {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path) => crate::store::sqlite::read_only(path).await.map(Opened::Sqlite),
            #[cfg(feature = "postgres")]
            Place::Postgres(at) => {
                crate::store::postgres::read_only(&at.url, at.password.as_ref()).map(Opened::Postgres)
            }
            #[cfg(feature = "redis")]
            Place::Redis(at) => crate::store::redis::connection(&at.url, at.password.as_ref()).map(Opened::Redis),
            _ => std::future::ready(Err("this build has no such store".to_owned())).await,
        };
        opened.map_err(|problem| {
            tracing::error!(%problem, "the host's session store cannot be opened");
            Down::Refused
        })
    }
}

/// The statement for a table. Its name is the operator's, but a name is all it may be.
fn read_statement(env: &mut Env, table: &Var, published: &str) -> Option<String> {
    let name = env.text(table).unwrap_or_else(|| published.to_owned());
    let is_name = |part: &str| {
        let starts = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        starts && part.len() <= 63 && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > 2 || !parts.iter().all(|part| is_name(part)) {
        env.mistake_in(table, "is not a table's name, such as sessions or app.sessions");
        return None;
    }
    let quoted = parts.iter().map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(".");
    Some(format!("select data from {quoted} where id = $1"))
}

fn down(error: &session_store::Error) -> Down {
    match error {
        session_store::Error::Decode(_) | session_store::Error::Encode(_) => Down::Unreadable,
        session_store::Error::Backend(_) => Down::NoConnection,
    }
}
