//! Bundles from GitHub, from a server in this process.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use integration_tests::TestHost;

/// The repository's archive, and what its server was asked: path and `Authorization`.
#[derive(Clone)]
struct Repository {
    archive: Arc<Vec<u8>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

async fn answer(
    State(repository): State<Repository>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let authorization = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default();
    repository
        .asked
        .lock()
        .unwrap()
        .push((path.clone(), authorization));
    if path.starts_with("repos/owner/repo/") {
        repository.archive.to_vec().into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

impl Repository {
    /// Starts the server and returns the host that takes it for GitHub.
    fn start() -> (Self, TestHost) {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
        let appspec = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: s.sh\n";
        for (name, content) in [
            ("owner-repo-abc123/appspec.yml", appspec),
            (
                "owner-repo-abc123/s.sh",
                "#!/bin/sh\necho commit $BUNDLE_COMMIT\n",
            ),
        ] {
            writer.start_file(name, options).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        let archive = writer.finish().unwrap().into_inner();
        let repository = Self {
            archive: Arc::new(archive),
            asked: Arc::default(),
        };
        let (sender, address) = std::sync::mpsc::channel();
        let app = Router::new()
            .route("/{*path}", get(answer))
            .with_state(repository.clone());
        // The thread ends with the test's process.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
                    .await
                    .unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        let address = address.recv().unwrap();
        let host = TestHost::with_configuration(&format!("github_api_endpoint: http://{address}"));
        (repository, host)
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

#[test]
fn the_repositorys_address_means_head_as_a_zip() {
    let (repository, host) = Repository::start();
    let outcome = host.deploy_from("https://github.com/owner/repo").run();
    outcome.assert_success();
    assert!(
        outcome
            .script_log()
            .contains(&"[stdout]commit HEAD".to_owned())
    );
    assert_eq!(
        repository.asked(),
        [("repos/owner/repo/zipball/HEAD".into(), String::new())]
    );
}

#[test]
fn a_token_is_sent_to_github_and_never_shown() {
    let (repository, host) = Repository::start();
    let outcome = host
        .deploy_from("https://api.github.com/repos/owner/repo/zipball/feature/x")
        .arguments(["--github-token", "ghp_not-to-be-seen"])
        .run();
    outcome.assert_success();
    assert_eq!(
        repository.asked(),
        [(
            "repos/owner/repo/zipball/feature/x".into(),
            "token ghp_not-to-be-seen".into()
        )]
    );
    let log = fs_err::read_to_string(host.path("log/codedeploy-local.log")).unwrap();
    assert!(!format!("{outcome:?}{log}").contains("ghp_"));
}

#[test]
fn a_repository_that_is_not_there_fails_at_once() {
    let (repository, host) = Repository::start();
    let outcome = host.deploy_from("https://github.com/owner/other").run();
    let message = &outcome.assert_failure("DownloadBundle", 5).message;
    assert!(
        message.contains("owner/other") && message.contains("404"),
        "{message}"
    );
    assert_eq!(repository.asked().len(), 1);
}
