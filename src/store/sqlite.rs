//! State in a file beside the service: survives a restart, needs no server, serves one replica.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::base::clock::UnixTime;
use crate::store::sql::{backend, schema, seconds};
use crate::store::{DEADLINE, Down, Key, Row, Tags};

/// How long a writer waits for another before it gives up: less than [`DEADLINE`], so that the answer is an error of ours.
const BUSY: Duration = Duration::from_millis(1500);

/// An open database file.
#[derive(Debug)]
pub struct Sqlite {
    pool: SqlitePool,
    path: PathBuf,
    /// Which file it was when it was opened: device and inode.
    file: Option<(u64, u64)>,
}

impl Sqlite {
    /// Opens the file, and makes it first if need be, readable by its owner only.
    ///
    /// # Errors
    /// A sentence for the operator when the file cannot be used.
    pub async fn open(path: &Path) -> Result<Self, String> {
        make_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(4).acquire_timeout(DEADLINE);
        let unusable = |error: sqlx::Error| format!("{} cannot be used ({})", path.display(), Down::from(error));
        let pool = pool.connect_with(options).await.map_err(unusable)?;
        for statement in schema!("blob") {
            sqlx::query(statement).execute(&pool).await.map_err(unusable)?;
        }
        Ok(Self { pool, path: path.to_owned(), file: identity(path) })
    }

    /// A file that was deleted or replaced under us is written to as before, and read by nobody ever again.
    fn is_still_there(&self) {
        if identity(&self.path) != self.file {
            tracing::error!(
                file = %self.path.display(),
                "the session store's file was deleted or replaced: sessions end with this process; restart the service"
            );
        }
    }

    #[expect(clippy::unused_async, reason = "the database with a server behind it connects here")]
    async fn pool(&self) -> Result<&SqlitePool, Down> {
        Ok(&self.pool)
    }
}

/// A pool over somebody else's file, which can read and nothing else.
///
/// # Errors
/// A sentence for the operator when the file cannot be used.
pub async fn read_only(path: &Path) -> Result<SqlitePool, String> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY);
    let pool = SqlitePoolOptions::new().max_connections(4).acquire_timeout(DEADLINE);
    let opened = pool.connect_with(options).await;
    opened.map_err(|error| format!("{} cannot be read ({})", path.display(), Down::from(error)))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// The folder is made where it is missing, for its owner only. `SQLite` makes its files with the process's umask, and the log beside the file inherits the file's mode.
fn make_private(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if let Some(folder) = path.parent() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|e| format!("{} cannot be made ({})", folder.display(), e.kind()))?;
    }
    let mut options = std::fs::OpenOptions::new();
    let made = options.create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|e| format!("{} cannot be opened for writing ({})", path.display(), e.kind()))
}

backend!(Sqlite);
