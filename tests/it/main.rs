//! The promises of the service, one module per room.

#[cfg(test)]
mod smoke {}
