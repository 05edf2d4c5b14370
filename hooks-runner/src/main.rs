//! The `hooks-runner` program.

fn main() {}
