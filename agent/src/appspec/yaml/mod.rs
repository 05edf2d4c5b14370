//! YAML as Ruby's Psych reads it (YAML 1.1): a tree of nodes that know their place and their
//! source text.
//!
//! AppSpecs have been read by Psych for ten years, so its rules decide what a file means: `yes`
//! is a boolean, `0644` an octal integer, the last of two equal keys wins. No other YAML crate
//! has these rules together. The tree is bounded in size and depth, also through aliases: a file
//! may come from anybody who can push a revision.

mod builder;
mod load;
mod node;
mod resolve;
mod syntax;
mod text;

pub(crate) use load::load;
pub(crate) use node::{Content, Entry, Node};
pub(crate) use resolve::{Value, resolve};
pub(crate) use text::{Region, Text};
