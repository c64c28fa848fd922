//! Where settings come from: the environment, `.env` files, files that settings name.
//!
//! A wing declares its settings with [`settings!`](crate::settings), once each: the struct's field, the variable, its
//! default, a sample, how it is read, and what it means. The sample file, `countersign settings` and the nearest-name help
//! come of the same declaration. The nine settings of a source's mapping are one [`mapping!`](crate::mapping).
//!
//! Settings are plain values: reading them opens nothing, calls nobody and writes nothing. `app/build.rs` makes what lives.

pub mod dotenv;
pub mod duration;
pub mod env;
mod file;
mod list;
mod macros;
pub mod mistake;
pub mod read;
pub mod secret_file;
pub mod var;
