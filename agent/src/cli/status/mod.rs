//! `agent status`: whether the daemon of this configuration runs, and what it is doing.

mod command;
mod report;
mod running;

pub(super) use command::main;
pub(super) use running::{running, within};
