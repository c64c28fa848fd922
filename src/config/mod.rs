//! Where settings come from: the environment, `.env` files, files that settings name.

pub mod env;
