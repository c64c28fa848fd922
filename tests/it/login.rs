//! Our own login, from the first click to the last logout.

pub mod accounts;
pub mod browser;
pub mod house;
mod oidc;
mod pages;
mod provider;
mod return_to;
mod session;
mod standing;
mod vendor_revocation;
mod whole;
