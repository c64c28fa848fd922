//! The store, for whatever speaks to sessions through the trait of `tower-sessions`.

use async_trait::async_trait;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

use crate::base::clock::UnixTime;
use crate::store::{Down, Store, Tags};

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let end = moment(record.expiry_date);
        record.id = self.begin(record.data.clone(), end, &Tags::NONE).await?;
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.replace(&record.id, record.data.clone(), moment(record.expiry_date)).await?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let Some((data, end)) = self.find(id).await? else { return Ok(None) };
        let expiry_date = i64::try_from(end.0).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
        Ok(Some(Record { id: *id, data, expiry_date: expiry_date.ok_or(Down::Unreadable)? }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        Ok(self.end(id).await?)
    }
}

/// Whole seconds, rounded down: a session never lasts longer than its record says.
fn moment(date: OffsetDateTime) -> UnixTime {
    UnixTime(u64::try_from(date.unix_timestamp()).unwrap_or_default())
}
