//! A CodeDeploy service on a laptop: watch `agent run` carry out whole deployments, without AWS.
//!
//!     cargo run -p integration-tests --example dev-service -- examples/web
//!
//! Prints the command that starts an agent against it, then what agent and service say to each
//! other. Each press of Enter begins another deployment of the directory as it then is. Ctrl-C ends.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: what fails is shown as it is"
)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use integration_tests::DaemonHost;
use integration_tests::fakes::command_service::{
    Call, Ending, Operation, ScriptedDeployment, Specification,
};
use integration_tests::fakes::{FakeCommandService, Signer};
use serde_json::json;

/// Tells the process at work from the one that cleans up after it.
const AT_WORK: &str = "DEV_SERVICE_AT_WORK";

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: dev-service DIRECTORY, such as examples/web");
        return ExitCode::from(2);
    };
    if !directory.join("appspec.yml").is_file() {
        eprintln!("{} has no appspec.yml", directory.display());
        return ExitCode::from(2);
    }
    if std::env::var_os(AT_WORK).is_some() {
        serve(&directory);
        return ExitCode::SUCCESS;
    }
    let files = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // This program once more, so that Ctrl-C leaves somebody to remove its files.
    let mut command = integration_tests::command(std::env::current_exe().unwrap());
    command
        .arg(directory)
        .env(AT_WORK, "yes")
        .env("TMPDIR", files.path());
    runtime.block_on(async {
        // From here on Ctrl-C ends the other process only.
        let interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
        let _interrupt = interrupt.unwrap();
        let ended = tokio::task::spawn_blocking(move || command.status());
        ended.await.unwrap().unwrap();
    });
    ExitCode::SUCCESS
}

fn serve(directory: &Path) {
    let daemon = DaemonHost::default();
    println!(
        "The agent's files are in {} and go when this ends.",
        daemon.host.path("").display()
    );
    println!("Start an agent in another terminal, or ask the doctor what it would say:\n");
    let configuration = daemon.host.configuration();
    for command in ["run", "doctor"] {
        println!(
            "    cargo run -p agent -- {command} --config {}",
            configuration.display()
        );
    }
    println!("\nEnter: deploy {}.  Ctrl-C: end.\n", directory.display());
    std::thread::scope(|scope| {
        let service = &daemon.service;
        scope.spawn(move || show_calls(service));
        for number in 1.. {
            let key = format!("revision-{number}.zip");
            daemon.publish(&key, directory);
            let id = format!("d-DEV{number:03}");
            let mut content = daemon.specification(&id, &key);
            // What `run-bundle` may have left there is no conflict.
            content["AgentActionOverrides"] =
                json!({"AgentOverrides": {"FileExistsBehavior": "OVERWRITE"}});
            let signed = Specification::signed(&Signer::new(), &content);
            let deployment = ScriptedDeployment::in_place(&id, signed);
            let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &deployment);
            println!("deployment {id} waits for the agent");
            // At the end of input there are no more deployments; the agent may go on polling.
            if std::io::stdin().read_line(&mut String::new()).unwrap() == 0 {
                break;
            }
        }
    });
}

/// Prints each call when it has ended; a poll may be held while other calls come and go.
fn show_calls(service: &FakeCommandService) {
    let mut shown = HashSet::new();
    let mut began = None;
    loop {
        let is_news = |(number, call): &(usize, &Call)| {
            call.ending != Ending::Open && !shown.contains(number)
        };
        let calls = service.wait_until(|calls| calls.iter().enumerate().any(|c| is_news(&c)));
        let news: Vec<usize> = calls
            .iter()
            .enumerate()
            .filter(is_news)
            .map(|(number, _)| number)
            .collect();
        for number in news {
            shown.insert(number);
            let call = &calls[number];
            if call.operation == Some(Operation::Specification) {
                began = began.or(Some(call.at));
            }
            println!("{}", line(call));
            if let (Some(end), Some(first)) = (end(call), began.take_if(|_| end(call).is_some())) {
                let seconds = (call.at - first).as_secs_f64();
                println!("the deployment has {end} after {seconds:.1} s; Enter deploys again\n");
            }
        }
    }
}

/// The command in a poll's answer.
fn handed_out(call: &Call) -> Option<&str> {
    call.response["HostCommand"]["CommandName"].as_str()
}

/// The name of the command that an acknowledgement or a completion is for.
fn command(call: &Call) -> &str {
    let identifier = call.text("HostCommandIdentifier");
    identifier.rsplit('-').next().unwrap_or(identifier)
}

fn is_noop(call: &Call) -> bool {
    call.body["Diagnostics"]["Payload"] == r#"{"IsCommandNoop":true}"#
}

/// How the deployment has ended with this call, if it has.
fn end(call: &Call) -> Option<&'static str> {
    let is_last = command(call) == "ValidateService" && call.succeeded();
    match call.operation {
        Some(Operation::Complete) if call.text("CommandStatus") == "Failed" => Some("failed"),
        Some(Operation::Complete) if is_last => Some("succeeded"),
        Some(Operation::Acknowledge) if is_last && is_noop(call) => Some("succeeded"),
        _ => None,
    }
}

fn line(call: &Call) -> String {
    let (said, detail) = match call.operation {
        Some(Operation::Poll) => match (handed_out(call), call.ending) {
            (Some(command), _) => ("agent polls", format!("gets {command}")),
            (None, Ending::Abandoned) => ("agent polls", "and has gone away".to_owned()),
            (None, _) => ("agent polls", "there is nothing to do".to_owned()),
        },
        Some(Operation::Specification) => ("  specification", "given, signed".to_owned()),
        Some(Operation::Acknowledge) if is_noop(call) => (
            "  acknowledged",
            format!("{}: nothing to run here", command(call)),
        ),
        Some(Operation::Acknowledge) => ("  acknowledged", format!("{}: runs", command(call))),
        Some(Operation::Complete) => {
            let diagnostics = call.diagnostics();
            let text = |member: &str| diagnostics[member].as_str().unwrap_or_default().to_owned();
            let mut detail = format!("{}: {}", command(call), call.text("CommandStatus"));
            if call.text("CommandStatus") == "Failed" {
                detail = format!(
                    "{detail}, code {}: {}",
                    diagnostics["error_code"],
                    text("message")
                );
                for line in text("log").lines() {
                    detail = format!("{detail}\n                     | {line}");
                }
            }
            ("  completed", detail)
        }
        Some(Operation::Update) => ("  update", command(call).to_owned()),
        None => ("  unknown call", call.target.clone()),
    };
    let trouble = match call.ending {
        Ending::Answered(200) | Ending::Open | Ending::Abandoned => String::new(),
        Ending::Answered(status) => format!(" (answered with HTTP {status})"),
        Ending::HungUp => " (hung up)".to_owned(),
    };
    format!("{said:<18} {detail}{trouble}")
}
