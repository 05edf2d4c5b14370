//! Tests that need root.

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
