//! The `hooks-runner` program.

fn main() -> std::process::ExitCode {
    hooks_runner::main()
}
