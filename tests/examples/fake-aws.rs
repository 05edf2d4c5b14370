//! The services of AWS that an agent on an EC2 instance speaks to, at fixed addresses: for the tests
//! of the packages, which run in a machine of their own.
//!
//! Instance metadata is at 169.254.169.254, which has to be an address of the machine; the command
//! service is at 127.0.0.1:8101 and S3 at 127.0.0.1:8102.
//!
//! Standard input, a line each:
//!
//! - `deploy ID DIRECTORY` begins an in-place deployment of the directory's files;
//! - `imds absent` and `imds present`: whether instance metadata answers.
//!
//! Standard output, a line each: `ready`, the calls of the agent when they have ended, and
//! `deployment ID succeeded` or `failed`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test support: a failure here fails the test"
)]

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use integration_tests::fakes::command_service::{
    DeploymentEnd, ScriptedDeployment, Specification, s3_revision, specification,
};
use integration_tests::fakes::imds::{ACCOUNT, FakeImds, INSTANCE, Mode, ROLE_CREDENTIALS};
use integration_tests::fakes::{FakeCommandService, Key, Signer};
use integration_tests::s3::{S3Server, zipped};
use serde_json::json;

const REGION: &str = "us-east-1";
const BUCKET: &str = "revisions";

fn main() {
    let imds = FakeImds::start_at(SocketAddr::from(([169, 254, 169, 254], 80)), REGION);
    let service = FakeCommandService::start_at(SocketAddr::from(([127, 0, 0, 1], 8101)), REGION);
    let [access_key, secret, token] = ROLE_CREDENTIALS;
    service.know(Key::session(access_key, secret, token));
    // So that polls are soon seen below.
    service.hold_polls_for(Duration::from_secs(1));
    let s3 = S3Server::start_at(SocketAddr::from(([127, 0, 0, 1], 8102)));
    let host = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{INSTANCE}");
    let running: Mutex<Vec<(String, ScriptedDeployment)>> = Mutex::default();
    println!("ready");
    std::thread::scope(|scope| {
        let (service, running) = (&service, &running);
        scope.spawn(move || {
            service.show(|call| {
                println!("{call}");
                running.lock().unwrap().retain(|(id, deployment)| {
                    let end = service.end(deployment);
                    match end {
                        Some(DeploymentEnd::Succeeded) => println!("deployment {id} succeeded"),
                        Some(DeploymentEnd::Failed) => println!("deployment {id} failed"),
                        None => {}
                    }
                    end.is_none()
                });
            });
        });
        for line in std::io::stdin().lock().lines() {
            let line = line.unwrap();
            match *line.split_whitespace().collect::<Vec<_>>() {
                ["deploy", id, directory] => {
                    let key = format!("{id}.zip");
                    s3.put(BUCKET, &key, &zipped(Path::new(directory)));
                    let mut content =
                        specification(id, "group-1", &s3_revision(BUCKET, &key, "zip"));
                    content["AgentActionOverrides"] =
                        json!({"AgentOverrides": {"FileExistsBehavior": "OVERWRITE"}});
                    let signed = Specification::signed(&Signer::new(), &content);
                    let deployment = ScriptedDeployment::in_place(id, signed);
                    running
                        .lock()
                        .unwrap()
                        .push((id.to_owned(), deployment.clone()));
                    let _ = service.deploy(&host, &deployment);
                }
                ["imds", "absent"] => imds.behave(Mode::Absent),
                ["imds", "present"] => imds.behave(Mode::Answering),
                _ => panic!("not understood: {line}"),
            }
        }
    });
}
