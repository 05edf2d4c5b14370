//! Tests of the module as a whole, with the archives they need made in memory.

mod archives;
mod compression;
mod directory;
mod fidelity;
mod github;
mod hostile;
mod local;
mod replacing;
mod round_trip;
mod s3;
mod server;
mod strip;
mod tls;
