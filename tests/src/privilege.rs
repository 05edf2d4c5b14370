//! Tests that need root, or run programs with other rights than their own.

use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};

/// Gives this thread, and what it starts from now on, a umask of its own.
///
/// # Panics
/// When the kernel refuses.
pub fn take_umask(mask: u32) {
    unshare(CloneFlags::CLONE_FS).unwrap();
    umask(Mode::from_bits_truncate(mask));
}

/// Whether the test runs as root. When it does not, says that `what` is skipped; when skipping is
/// not allowed (`REQUIRE_ROOT_TESTS`, as CI has it), fails.
///
/// # Panics
/// When root is required and missing.
#[must_use]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn running_as_root(what: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    assert!(
        std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
        "{what} needs root, and REQUIRE_ROOT_TESTS is set"
    );
    eprintln!("skipped: {what} needs root");
    false
}
