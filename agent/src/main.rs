//! The `agent` program; also `codedeploy-local` and, alone, `hooks-runner`, by the name that it is
//! called by.

fn main() -> std::process::ExitCode {
    agent::cli::main()
}
