# What one does often. `just` alone lists it.

_default:
    @just --list

# All tests; as root they test more.
test:
    cargo test --workspace

# The deb and the rpm, in target/packages: just packages --target aarch64
packages *arguments:
    packaging/build {{ arguments }}

# Manual pages and completions, after a change of the command line.
generated:
    UPDATE_GENERATED=1 cargo test -p agent --test manual

# The handbook, in target/book; needs mdbook.
book:
    mdbook build docs

# The packages on a real systemd: just systemd-test --vm
systemd-test *arguments:
    packaging/systemd-test {{ arguments }}

# What must pass.
ci:
    .ci/run
