//! What is written down and counted.

pub mod audit;
pub mod logs;
pub mod metrics;
