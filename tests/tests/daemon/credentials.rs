//! Credentials that change while the daemon runs.

use integration_tests::DaemonHost;
use integration_tests::fakes::Key;
use integration_tests::fakes::command_service::Operation;

#[test]
fn session_credentials_that_the_service_refuses_are_read_anew() {
    let daemon = DaemonHost::default();
    let file = daemon.host.path("credentials");
    let write = |key: &str| {
        fs_err::write(
            &file,
            format!(
                "[default]\naws_access_key_id = {key}\naws_secret_access_key = secret-of-{key}\n\
                 aws_session_token = token-of-{key}\n"
            ),
        )
        .unwrap();
    };
    for key in ["ASIAFIRST", "ASIASECOND"] {
        let (secret, token) = (format!("secret-of-{key}"), format!("token-of-{key}"));
        daemon.service.know(Key::session(key, &secret, &token));
    }
    daemon
        .service
        .hold_polls_for(std::time::Duration::from_millis(100));
    write("ASIAFIRST");
    let identity = format!(
        "region: us-east-1\niam_session_arn: {}\naws_credentials_file: {}\n",
        DaemonHost::IDENTIFIER,
        file.display()
    );
    fs_err::write(daemon.host.on_premises_file(), identity).unwrap();
    let mut running = daemon.start();
    let polls_with = |key: &'static str| {
        daemon
            .service
            .wait_for(&format!("a poll with {key}"), move |calls| {
                calls.iter().any(|call| {
                    call.operation == Some(Operation::Poll)
                        && call.access_key == key
                        && call.succeeded()
                })
            });
    };
    polls_with("ASIAFIRST");
    write("ASIASECOND");
    daemon.service.expire("ASIAFIRST");
    polls_with("ASIASECOND");
    running.stop();
    assert!(!daemon.log().contains("secret-of"), "{}", daemon.log());
}
