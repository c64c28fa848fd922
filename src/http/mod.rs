//! The public listener: what every request must pass, and the few routes there are.

pub mod admin;
pub mod call;
pub mod cors;
pub mod form;
pub mod guard;
pub mod headers;
pub mod input;
pub mod keys;
pub mod listen;
pub mod login;
pub mod origin;
pub mod page;
pub mod problem;
pub mod refresh;
pub mod request_id;
pub mod routes;
pub mod rules;
pub mod script;
pub mod service;
pub mod session;
pub mod state;
pub mod token;
