//! Our own login, from the first click to the last logout.

mod accounts;
mod browser;
mod house;
mod oidc;
mod provider;
mod return_to;
mod session;
mod standing;
mod whole;
