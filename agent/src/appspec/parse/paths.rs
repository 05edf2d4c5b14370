//! What may be wrong with any path in an AppSpec.

use crate::appspec::findings::Findings;
use crate::appspec::yaml::Region;

/// Whether `path` can be a path at all; warns of what looks like another system's.
pub(super) fn check(path: &str, key: &str, at: Region, findings: &mut Findings<'_>) -> bool {
    if path.contains('\0') {
        let message = format!("`{key}` holds a NUL character, which no file name can have");
        findings.error("path-nul", at, &message, "remove the `\\0`");
        return false;
    }
    if path.contains('\\') {
        findings.warning(
            "path-backslash",
            at,
            &format!("`{key}` holds a backslash, which on Linux is part of a name"),
            "separate directories with `/`",
        );
    }
    true
}
