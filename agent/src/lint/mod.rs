//! `agent validate`'s rules: what is wrong with an AppSpec of any compute platform, and with the
//! bundle around it. Pure: it reads no file by itself.
//!
//! The EC2 rules begin with the parser's own: whatever the parser refuses is an error here, and
//! whatever is free of errors here, the parser accepts, because one reading gives both. Every
//! finding names a rule of the table in `rules`, and each rule has a page.

mod bundle;
mod check;
mod documents;
mod ec2;
mod ecs;
mod fix;
mod installation;
mod lambda;
mod platform;
mod resources;
mod rules;
mod schema;
mod script_text;
mod scripts;
mod secrets;
mod templates;
mod tree;

#[cfg(test)]
mod tests;

pub use bundle::{Bundle, Host, ScriptFile, ScriptReader};
pub use check::{Report, ScriptReport, Subject, lint};
pub use documents::{finding_without_place, too_large};
pub use fix::fix;
pub use platform::Platform;
pub use rules::{RULES, Rule, closest, find};
pub use schema::schema;
pub use tree::{EntryKind, Tree, TreeEntry};
