//! `agent validate`: reads an AppSpec or a bundle within limits, has the rules applied, and prints
//! what was found. Nothing is written but, with `--fix`, the AppSpec file itself.

mod archive;
mod command;
mod directory;
mod host;
mod input;
mod output;
mod rewrite;
mod sarif;

pub(super) use command::main;
