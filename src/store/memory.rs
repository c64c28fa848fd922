//! State that ends with the process: for tests and for trying things out.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::base::clock::UnixTime;
use crate::store::{Backend, Down, Key, Row, Tags};

/// Rows, tags and marks in this process.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    rows: HashMap<Key, (UnixTime, String)>,
    tags: HashMap<Key, HashSet<Key>>,
    marks: HashMap<Key, UnixTime>,
}

/// Counts only: records are personal data.
impl std::fmt::Debug for Shelves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelves").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    /// Forgets the belonging of rows that are gone.
    fn tidy_tags(&mut self) {
        let rows = &self.rows;
        self.tags.retain(|_, keys| {
            keys.retain(|key| rows.contains_key(key));
            !keys.is_empty()
        });
    }
}

#[async_trait]
impl Backend for Memory {
    async fn insert(&self, row: Row<'_>, tags: &Tags) -> Result<bool, Down> {
        let mut shelves = self.lock();
        if shelves.rows.contains_key(row.key) {
            return Ok(false);
        }
        shelves.rows.insert(*row.key, (row.expires_at, row.text.to_owned()));
        for tag in &tags.keys {
            shelves.tags.entry(*tag).or_default().insert(*row.key);
        }
        Ok(true)
    }

    async fn update(&self, row: Row<'_>) -> Result<bool, Down> {
        let mut shelves = self.lock();
        let held = shelves.rows.get_mut(row.key).filter(|(end, _)| row.now < *end);
        Ok(held.map(|held| *held = (row.expires_at, row.text.to_owned())).is_some())
    }

    async fn find(&self, key: &Key) -> Result<Option<String>, Down> {
        Ok(self.lock().rows.get(key).map(|(_, text)| text.clone()))
    }

    async fn remove(&self, key: &Key) -> Result<(), Down> {
        self.lock().rows.remove(key);
        Ok(())
    }

    async fn remove_tagged(&self, tag: &Key) -> Result<u64, Down> {
        let mut shelves = self.lock();
        let keys = shelves.tags.remove(tag).unwrap_or_default();
        Ok(keys.iter().filter_map(|key| shelves.rows.remove(key)).count() as u64)
    }

    async fn mark(&self, key: &Key, now: UnixTime, until: UnixTime) -> Result<bool, Down> {
        let mut shelves = self.lock();
        let is_set = shelves.marks.get(key).is_some_and(|end| now < *end);
        if !is_set {
            shelves.marks.insert(*key, until);
        }
        Ok(!is_set)
    }

    async fn is_marked(&self, key: &Key, now: UnixTime) -> Result<bool, Down> {
        Ok(self.lock().marks.get(key).is_some_and(|end| now < *end))
    }

    async fn ping(&self) -> Result<(), Down> {
        Ok(())
    }

    /// There is no lock to be held too long here: everything at once.
    async fn sweep(&self, now: UnixTime, _most: u32) -> Result<u64, Down> {
        let mut shelves = self.lock();
        let before = shelves.rows.len() + shelves.marks.len();
        shelves.rows.retain(|_, (end, _)| now < *end);
        shelves.marks.retain(|_, end| now < *end);
        shelves.tidy_tags();
        Ok((before - shelves.rows.len() - shelves.marks.len()) as u64)
    }
}
