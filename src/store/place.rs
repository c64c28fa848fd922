//! Where the state is kept: `SESSION_STORE`.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::env::{Env, Var};
use crate::net::outbound::is_loopback;
use crate::store::memory::Memory;
use crate::store::{Backend, access};

crate::settings! {
    pub vars VARS {
        SESSION_STORE(secret "sqlite:/var/lib/countersign/sessions.db"; by_default("sqlite:/var/lib/countersign/sessions.db")),
            "Where the sessions of our own login are kept: sqlite:/path, redis://host or rediss://host, postgres://user@host/database, or memory (they end with the process). Several replicas need redis or postgres.";
        SESSION_STORE_PASSWORD(secret),
            "Password of the session store, so that its address holds none and can be shown. Best given as SESSION_STORE_PASSWORD_FILE.";
        SESSION_STORE_PREFIX("countersign:", "chat-identity:"),
            "What every key starts with, where the store is Redis and others use it too.";
    }
}

/// Where a store is, whichever kind it is.
#[derive(Debug, Clone)]
pub enum Place {
    /// In this process.
    Memory,
    /// In a file.
    Sqlite(PathBuf),
    /// In Redis or Valkey.
    Redis(Address),
    /// In `PostgreSQL`.
    Postgres(Address),
}

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Address {
    /// Its address, which may hold a password.
    pub url: SecretString,
    /// Its password, given apart.
    pub password: Option<SecretString>,
}

impl Address {
    fn is(&self, other: &Self) -> bool {
        let password = |address: &Self| address.password.as_ref().map(|p| p.expose_secret().to_owned());
        self.url.expose_secret() == other.url.expose_secret() && password(self) == password(other)
    }
}

impl Address {
    /// Everything but what may be a secret: the password, and whatever stands behind a `?`.
    fn shown(&self) -> String {
        let Ok(mut url) = Url::parse(self.url.expose_secret()) else { return "an address".to_owned() };
        if url.password().is_some() && url.set_password(Some("***")).is_err() {
            return "an address".to_owned();
        }
        url.set_query(None);
        url.into()
    }
}

impl Place {
    /// Reads an address; `None` after naming what is wrong, or when there is none.
    pub fn read(env: &mut Env, url: &Var, password: &Var) -> Option<Self> {
        let address = env.secret(url)?;
        let (scheme, rest) = address.expose_secret().split_once(':').unwrap_or((address.expose_secret(), ""));
        let (scheme, is_remote) = (scheme.to_owned(), rest.starts_with("//"));
        let password = if env.is_set(password) { env.secret(password) } else { None };
        let place = match scheme.as_str() {
            "memory" if address.expose_secret() == "memory" => Some(Self::Memory),
            "sqlite" => read_path(address.expose_secret()).map(Self::Sqlite),
            "redis" | "rediss" if is_remote => Some(Self::Redis(Address { url: address.clone(), password })),
            "postgres" | "postgresql" if is_remote => Some(Self::Postgres(Address { url: address.clone(), password })),
            _ => None,
        };
        match &place {
            None => env.mistake_in(
                url,
                "is none of sqlite:/absolute/path, redis://host, rediss://host, postgres://user@host/database, memory",
            ),
            Some(place) if !place.is_built_in() => {
                env.mistake_in(url, &format!("this build has no {scheme} (Cargo feature)"));
                return None;
            }
            Some(place) => {
                env.show_as(url, place.shown());
                warn_if_plain(env, url, &address);
            }
        }
        place
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory, Self::Memory) => true,
            (Self::Sqlite(one), Self::Sqlite(two)) => one == two,
            (Self::Redis(one), Self::Redis(two)) | (Self::Postgres(one), Self::Postgres(two)) => one.is(two),
            _ => false,
        }
    }

    /// Where it is, without a password.
    fn shown(&self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Redis(at) | Self::Postgres(at) => at.shown(),
        }
    }

    fn is_built_in(&self) -> bool {
        match self {
            Self::Memory => true,
            Self::Sqlite(_) => cfg!(feature = "sqlite"),
            Self::Redis(_) => cfg!(feature = "redis"),
            Self::Postgres(_) => cfg!(feature = "postgres"),
        }
    }
}

/// `sqlite:/path` and `sqlite:///path` are the same file. A relative path would depend on where we were started.
fn read_path(address: &str) -> Option<PathBuf> {
    let path = address.strip_prefix("sqlite:")?;
    let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
    (path.is_absolute() && path.file_name().is_some()).then_some(path)
}

/// Sessions, and the password, in the clear on a network deserve a word.
fn warn_if_plain(env: &mut Env, var: &Var, address: &SecretString) {
    let Ok(url) = Url::parse(address.expose_secret()) else { return };
    let secure = url.query().is_some_and(|q| q.contains("sslmode=verify-full") || q.contains("sslmode=verify-ca"));
    let plain = match url.scheme() {
        "redis" => url.has_host(),
        "postgres" | "postgresql" => url.has_host() && !secure,
        _ => false,
    };
    if plain && !is_loopback(&url) {
        env.warn(var.name, "reaches another machine without verified TLS: use rediss://, or sslmode=verify-full");
    }
}

/// Settings of the store.
#[derive(Debug, Clone)]
pub struct Settings {
    place: Place,
    prefix: String,
}

impl fmt::Display for Settings {
    /// Where it is, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.shown())
    }
}

impl Settings {
    /// Reads where the store is; `None` after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Self> {
        let place = Place::read(env, &SESSION_STORE, &SESSION_STORE_PASSWORD)?;
        let prefix = if matches!(place, Place::Redis(_)) { env.text(&SESSION_STORE_PREFIX) } else { None };
        Some(Self { place, prefix: prefix.unwrap_or_default() })
    }

    /// State in this process only.
    #[must_use]
    pub fn memory() -> Self {
        Self { place: Place::Memory, prefix: String::new() }
    }

    /// Whether another process finds there what this one keeps.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        !matches!(self.place, Place::Memory)
    }

    /// Why this user could not keep state there, as far as can be told without touching anything.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        match &self.place {
            Place::Sqlite(path) => access::obstacle(path),
            Place::Memory | Place::Redis(_) | Place::Postgres(_) => None,
        }
    }

    /// Whether these settings mean the same store as `other`.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.place.is(&other.place)
    }

    /// Makes what the store needs before the service may use it, and lets a `PostgreSQL` role read and write it; says what was
    /// done.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn migrate(&self, role: Option<&str>) -> Result<&'static str, String> {
        match &self.place {
            Place::Memory | Place::Redis(_) => Ok("needs nothing to be made"),
            Place::Sqlite(path) => open_sqlite(path).await.map(|_| "has its file and its tables"),
            Place::Postgres(at) => migrate_postgres(at, role).await.map(|()| "has its tables"),
        }
    }

    pub(super) async fn open(&self) -> Result<Box<dyn Backend>, String> {
        match &self.place {
            Place::Memory => Ok(Box::new(Memory::default())),
            Place::Sqlite(path) => open_sqlite(path).await,
            Place::Redis(at) => open_redis(at, &self.prefix),
            Place::Postgres(at) => open_postgres(at),
        }
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: &Path) -> Result<Box<dyn Backend>, String> {
    Ok(Box::new(crate::store::sqlite::Sqlite::open(path).await?))
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(_: &Path) -> Result<Box<dyn Backend>, String> {
    std::future::ready(Err(NOT_BUILT_IN.to_owned())).await
}

#[cfg(feature = "redis")]
fn open_redis(at: &Address, prefix: &str) -> Result<Box<dyn Backend>, String> {
    Ok(Box::new(crate::store::redis::Redis::new(&at.url, at.password.as_ref(), prefix)?))
}

#[cfg(not(feature = "redis"))]
fn open_redis(_: &Address, _: &str) -> Result<Box<dyn Backend>, String> {
    Err(NOT_BUILT_IN.to_owned())
}

#[cfg(feature = "postgres")]
fn open_postgres(at: &Address) -> Result<Box<dyn Backend>, String> {
    Ok(Box::new(crate::store::postgres::Postgres::new(&at.url, at.password.as_ref())?))
}

#[cfg(feature = "postgres")]
async fn migrate_postgres(at: &Address, role: Option<&str>) -> Result<(), String> {
    crate::store::postgres::Postgres::new(&at.url, at.password.as_ref())?.migrate(role).await
}

#[cfg(not(feature = "postgres"))]
async fn migrate_postgres(_: &Address, _: Option<&str>) -> Result<(), String> {
    std::future::ready(Err(NOT_BUILT_IN.to_owned())).await
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &Address) -> Result<Box<dyn Backend>, String> {
    Err(NOT_BUILT_IN.to_owned())
}

#[cfg(not(all(feature = "sqlite", feature = "redis", feature = "postgres")))]
const NOT_BUILT_IN: &str = "this build has no such store (Cargo feature)";
