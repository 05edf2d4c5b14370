//! A CodeDeploy service on a laptop: watch `agent run` carry out whole deployments, without AWS.
//!
//!     cargo run -p integration-tests --example dev-service -- examples/web
//!
//! Prints the command that starts an agent against it, then what agent and service say to each
//! other. Each press of Enter begins another deployment of the directory as it then is. Ctrl-C ends.

#![expect(
    clippy::unwrap_used,
    reason = "a tool for developers: what fails is shown as it is"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use integration_tests::DaemonHost;
use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{ScriptedDeployment, Specification};
use serde_json::json;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: dev-service DIRECTORY, such as examples/web");
        return ExitCode::from(2);
    };
    if !directory.join("appspec.yml").is_file() {
        eprintln!("{} has no appspec.yml", directory.display());
        return ExitCode::from(2);
    }
    let daemon = DaemonHost::default();
    println!(
        "The agent's files are in {} and go when this ends.",
        daemon.host.path("").display()
    );
    println!("Start an agent in another terminal:\n");
    println!(
        "    cargo run -p agent -- run --config {}\n",
        daemon.host.configuration().display()
    );
    println!("Enter: deploy {}.  Ctrl-C: end.\n", directory.display());
    std::thread::scope(|scope| {
        let service = &daemon.service;
        scope.spawn(move || service.show(|call| println!("{call}")));
        for number in 1.. {
            let key = format!("revision-{number}.zip");
            daemon.publish(&key, &directory);
            let id = format!("d-DEV{number:03}");
            let mut content = daemon.specification(&id, &key);
            // What `run-bundle` may have left there is no conflict.
            content["AgentActionOverrides"] =
                json!({"AgentOverrides": {"FileExistsBehavior": "OVERWRITE"}});
            let signed = Specification::signed(&Signer::new(), &content);
            let deployment = ScriptedDeployment::in_place(&id, signed);
            let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &deployment);
            println!("deployment {} is ready", deployment.execution_id);
            // At the end of input there are no more deployments; the agent may go on polling.
            if std::io::stdin().read_line(&mut String::new()).unwrap() == 0 {
                break;
            }
        }
    });
    ExitCode::SUCCESS
}
