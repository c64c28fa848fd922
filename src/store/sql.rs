//! One body for the databases that speak SQL: the statements are the same to the letter, only the column type of bytes
//! differs.

use sqlx::Error;

use crate::base::clock::UnixTime;
use crate::store::Down;

/// The tables, for a database that calls bytes `$bytes`. Each statement can be repeated.
macro_rules! schema {
    ($bytes:literal) => {
        [
            concat!(
                "create table if not exists countersign_sessions (key ",
                $bytes,
                " not null primary key, record text not null, expires_at bigint not null)"
            ),
            "create index if not exists countersign_sessions_expiry on countersign_sessions (expires_at)",
            concat!(
                "create table if not exists countersign_tags (tag ",
                $bytes,
                " not null, key ",
                $bytes,
                " not null references countersign_sessions (key) on delete cascade, primary key (tag, key))"
            ),
            "create index if not exists countersign_tags_key on countersign_tags (key)",
            concat!(
                "create table if not exists countersign_marks (key ",
                $bytes,
                " not null primary key, expires_at bigint not null)"
            ),
            "create index if not exists countersign_marks_expiry on countersign_marks (expires_at)",
        ]
    };
}
pub(super) use schema;

/// Implements [`crate::store::Backend`] for a type whose `pool()` gives a pool with the tables in place.
macro_rules! backend {
    ($backend:ty) => {
        #[async_trait::async_trait]
        impl crate::store::Backend for $backend {
            async fn insert(&self, row: Row<'_>, tags: &Tags) -> Result<bool, Down> {
                let mut work = self.pool().await?.begin().await?;
                let sql = "insert into countersign_sessions (key, record, expires_at) values ($1, $2, $3) on conflict do nothing";
                let insert = sqlx::query(sql).bind(row.key.as_bytes()).bind(row.text).bind(seconds(row.expires_at));
                if insert.execute(&mut *work).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                for tag in &tags.keys {
                    let sql = "insert into countersign_tags (tag, key) values ($1, $2) on conflict do nothing";
                    let insert = sqlx::query(sql).bind(tag.as_bytes()).bind(row.key.as_bytes());
                    insert.execute(&mut *work).await?;
                }
                work.commit().await?;
                Ok(true)
            }

            async fn update(&self, row: Row<'_>) -> Result<bool, Down> {
                let sql = "update countersign_sessions set record = $2, expires_at = $3 where key = $1 and expires_at > $4";
                let update = sqlx::query(sql).bind(row.key.as_bytes()).bind(row.text).bind(seconds(row.expires_at));
                let done = update.bind(seconds(row.now)).execute(self.pool().await?).await?;
                Ok(done.rows_affected() == 1)
            }

            async fn find(&self, key: &Key) -> Result<Option<String>, Down> {
                let sql = "select record from countersign_sessions where key = $1";
                let find = sqlx::query_scalar(sql).bind(key.as_bytes());
                Ok(find.fetch_optional(self.pool().await?).await?)
            }

            async fn remove(&self, key: &Key) -> Result<(), Down> {
                let sql = "delete from countersign_sessions where key = $1";
                let remove = sqlx::query(sql).bind(key.as_bytes());
                remove.execute(self.pool().await?).await?;
                Ok(())
            }

            async fn remove_tagged(&self, tag: &Key) -> Result<u64, Down> {
                let sql = "delete from countersign_sessions where key in (select key from countersign_tags where tag = $1)";
                let remove = sqlx::query(sql).bind(tag.as_bytes());
                Ok(remove.execute(self.pool().await?).await?.rows_affected())
            }

            async fn mark(&self, key: &Key, now: UnixTime, until: UnixTime) -> Result<bool, Down> {
                let sql = "insert into countersign_marks (key, expires_at) values ($1, $2) on conflict (key) do update set expires_at = excluded.expires_at where countersign_marks.expires_at <= $3";
                let mark = sqlx::query(sql).bind(key.as_bytes()).bind(seconds(until)).bind(seconds(now));
                Ok(mark.execute(self.pool().await?).await?.rows_affected() == 1)
            }

            async fn is_marked(&self, key: &Key, now: UnixTime) -> Result<bool, Down> {
                let sql = "select expires_at from countersign_marks where key = $1 and expires_at > $2";
                let find = sqlx::query_scalar::<_, i64>(sql).bind(key.as_bytes()).bind(seconds(now));
                Ok(find.fetch_optional(self.pool().await?).await?.is_some())
            }

            async fn ping(&self) -> Result<(), Down> {
                sqlx::query("select 1").execute(self.pool().await?).await?;
                Ok(())
            }

            async fn sweep(&self, now: UnixTime, most: u32) -> Result<u64, Down> {
                const SWEEPS: [&str; 2] = [
                    "delete from countersign_sessions where key in (select key from countersign_sessions where expires_at <= $1 limit $2)",
                    "delete from countersign_marks where key in (select key from countersign_marks where expires_at <= $1 limit $2)",
                ];
                self.is_still_there();
                let mut swept = 0;
                for sql in SWEEPS {
                    let sweep = sqlx::query(sql).bind(seconds(now)).bind(i64::from(most));
                    swept += sweep.execute(self.pool().await?).await?.rows_affected();
                }
                Ok(swept)
            }
        }
    };
}
pub(super) use backend;

/// A moment as a column holds it.
pub(super) fn seconds(moment: UnixTime) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

/// The driver's error in our words. Its own text can quote what was sent.
impl From<Error> for Down {
    fn from(error: Error) -> Self {
        match error {
            Error::PoolTimedOut => Self::Deadline,
            Error::Io(_) | Error::Tls(_) | Error::PoolClosed | Error::WorkerCrashed => Self::NoConnection,
            Error::ColumnDecode { .. } | Error::Decode(_) => Self::Unreadable,
            _ => Self::Refused,
        }
    }
}
