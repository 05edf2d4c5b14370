//! What the rules know of the world beyond the AppSpec: the bundle's content, and the host.

use super::tree::Tree;

/// The content of a revision.
#[derive(Clone, Copy)]
pub struct Bundle<'a> {
    /// Every name in it.
    pub tree: &'a Tree,
    /// The scripts.
    pub scripts: &'a dyn ScriptReader,
}

/// Reads scripts of a bundle.
pub trait ScriptReader {
    /// For each path (in the tree, without links), the script, or none when it cannot be read.
    fn read(&self, paths: &[&[u8]]) -> Vec<Option<ScriptFile>>;
}

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFile {
    /// Whether it has the mode of something to execute.
    pub executable: bool,
    /// Its beginning, at most [`ScriptFile::BYTES`].
    pub start: Vec<u8>,
}

impl ScriptFile {
    /// How much of a script is looked at.
    pub const BYTES: u64 = 64 * 1024;
}

/// What is asked of a host.
pub trait Host {
    /// Whether it has an account of this name.
    fn has_user(&self, name: &str) -> bool;
    /// Whether it has a group of this name.
    fn has_group(&self, name: &str) -> bool;
    /// Whether it has a file of this absolute path.
    fn has_file(&self, path: &[u8]) -> bool;
}
