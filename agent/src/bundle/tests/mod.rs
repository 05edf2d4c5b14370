//! Tests of the module as a whole, with the archives they need made in memory.

mod archives;
mod compression;
mod directory;
mod fidelity;
mod hostile;
mod replacing;
mod round_trip;
mod strip;
