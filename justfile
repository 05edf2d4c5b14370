# What one does often. `just` alone lists it.

set positional-arguments

_default:
    @"{{ just_executable() }}" --list

# All tests; as root they test more.
test:
    cargo test --workspace

# The deb and the rpm, in target/packages: just packages --target aarch64
packages *arguments:
    packaging/build "$@"

# Manual pages and completions, after a change of the command line.
generated:
    UPDATE_GENERATED=1 cargo test -p agent --test manual

# The handbook, in target/book; needs mdbook.
book:
    mdbook build docs

# The packages on a real systemd: just systemd-test --vm
systemd-test *arguments:
    packaging/systemd-test "$@"

# The same packages from another directory? just reproducible-test --programs compiles again, too.
reproducible-test *arguments:
    packaging/reproducible-test "$@"

# Signing, and verifying as docs/install.md says.
signature-test *arguments:
    packaging/signature-test "$@"

# The programs for aarch64, run on this machine: just aarch64-test DIR
aarch64-test *arguments:
    packaging/aarch64-test "$@"

# What must pass.
ci:
    .ci/run
