//! Where the values of an AppSpec stand, entry for entry beside the typed [`AppSpec`], for checks
//! that come after the parser's.
//!
//! [`AppSpec`]: super::AppSpec

use super::yaml::Region;

/// The places of an AppSpec's values; each list is as long as the AppSpec's own.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Of `files`.
    pub(crate) files: Vec<FilePlaces>,
    /// Of `hooks`.
    pub(crate) hooks: Vec<EventPlaces>,
    /// Of `permissions`.
    pub(crate) permissions: Vec<RulePlaces>,
}

/// The places of an entry of `files`.
#[derive(Debug)]
pub(crate) struct FilePlaces {
    pub(crate) source: Region,
    pub(crate) destination: Region,
}

/// The places of an event.
#[derive(Debug)]
pub(crate) struct EventPlaces {
    /// Its name.
    pub(crate) event: Region,
    pub(crate) scripts: Vec<ScriptPlaces>,
}

/// The places of a script.
#[derive(Debug)]
pub(crate) struct ScriptPlaces {
    pub(crate) location: Region,
    pub(crate) timeout: Option<Region>,
    pub(crate) runas: Option<Region>,
}

/// The places of an entry of `permissions`.
#[derive(Debug)]
pub(crate) struct RulePlaces {
    pub(crate) object: Region,
    pub(crate) pattern: Option<Region>,
    pub(crate) owner: Option<Region>,
    pub(crate) group: Option<Region>,
    pub(crate) mode: Option<Region>,
}
