//! The permission bits that files are made without.

/// This process's umask, read and not set: setting it, the only other way to learn it, would for a
/// moment be felt by every thread. 0022 where the kernel does not say (before Linux 4.7).
#[must_use]
pub fn umask() -> u32 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_what_new_files_lack() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        fs_err::write(&path, "").unwrap();
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666 & !umask());
    }
}
