//! The order of the checks, and which needs what of which.

use std::ffi::OsString;
use std::path::Path;

use super::finding::Finding;
use super::identity::Identity;
use super::report::Report;
use super::time_limit::looking;
use super::tls::Reach;
use super::way::Way;
use super::{
    clock, configuration, credentials, directories, disk, identity, name_resolution, other_agent,
    permission, profile, proxy, runner, s3, tcp, tls, way,
};
use crate::bundle::Credentials;
use crate::cli::arguments::{DoctorArguments, Output};
use crate::cli::{Exit, complain, runtime};
use crate::config::Config;
use crate::error::chain;
use crate::executor::source_settings;
use crate::http::{TrustError, TrustPaths, TrustRoots};
use crate::identity::OnPremises;

/// The checks that need a connection to the command service, in order.
const CONNECTION: [&str; 5] = ["dns", "tcp", "proxy", "tls", "clock"];

/// Runs the subcommand.
pub(in crate::cli) fn main(named: Option<&Path>, arguments: &DoctorArguments) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot start: {error}"), Exit::Failed),
    };
    let mut report = Report::new(arguments.output);
    runtime.block_on(examine(named, &mut report));
    // What was given up, such as a name that is still being looked up, must not hold the process.
    runtime.shutdown_background();
    if report.close() {
        Exit::Success
    } else {
        Exit::Failed
    }
}

/// Examines, and shows, whether this host can speak with the service as who a new on-premises file
/// would say; whether nothing has failed.
///
/// # Errors
/// When it cannot even begin.
pub(in crate::cli) fn examine_candidate(
    config: &Config,
    on_premises: OnPremises,
) -> std::io::Result<bool> {
    let runtime = runtime()?;
    let mut report = Report::new(Output::Human);
    runtime.block_on(async {
        let (finding, identity) = identity::of(config, Some(on_premises), text).await;
        report.add("identity", finding);
        let trust = TrustRoots::load(&TrustPaths::from_environment(variable));
        examine_service(config, identity.as_ref(), &trust, &mut report).await;
    });
    runtime.shutdown_background();
    Ok(report.close())
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn text(name: &str) -> Option<String> {
    variable(name).and_then(|value| value.into_string().ok())
}

async fn examine(named: Option<&Path>, report: &mut Report) {
    let (finding, config) = configuration::check(named);
    report.add("configuration", finding);
    report.add("hooks-runner", looking(runner::check).await);
    let Some(config) = config else {
        let rest = [
            "other agent",
            "profile",
            "directories",
            "disk space",
            "inodes",
            "identity",
        ]
        .into_iter()
        .chain(CONNECTION)
        .chain(["credentials", "permission", "s3"]);
        for name in rest {
            report.add(name, Finding::skipped("needs the configuration"));
        }
        return;
    };
    examine_host(&config, report).await;
    let (finding, identity) = identity::check(&config, text).await;
    report.add("identity", finding);
    examine_network(&config, identity.as_ref(), report).await;
}

async fn examine_host(config: &Config, report: &mut Report) {
    let (pids, program) = (config.pid_dir.clone(), config.program_name.to_string());
    let finding = looking(move || other_agent::check(&pids, &program)).await;
    report.add("other agent", finding);
    report.add("profile", profile::check(config).await);
    let written = vec![
        ("root_dir", config.root_dir.clone()),
        ("log_dir", config.log_dir.clone()),
        ("pid_dir", config.pid_dir.clone()),
    ];
    let as_the_agent = configuration::has_the_agents_rights(config);
    let finding = looking(move || directories::check(&written, as_the_agent)).await;
    report.add("directories", finding);
    let root = config.root_dir.clone();
    report.add("disk space", looking(move || disk::space(&root)).await);
    let root = config.root_dir.clone();
    report.add("inodes", looking(move || disk::inodes(&root)).await);
}

async fn examine_network(config: &Config, identity: Option<&Identity>, report: &mut Report) {
    let trust = TrustRoots::load(&TrustPaths::from_environment(variable));
    examine_service(config, identity, &trust, report).await;
    examine_s3(config, identity, trust.as_ref().ok(), report).await;
}

/// The command service: the way there, and what it says to this host's credentials.
async fn examine_service(
    config: &Config,
    identity: Option<&Identity>,
    trust: &Result<TrustRoots, TrustError>,
    report: &mut Report,
) {
    let way = way_to_the_service(config, identity);
    let reach = match (&way, trust) {
        (Ok(way), Ok(trust)) => examine_connection(way, trust, report).await,
        (Err(finding), _) => {
            report.add(CONNECTION[0], finding.clone());
            for name in &CONNECTION[1..] {
                report.add(name, Finding::skipped("needs the service's address"));
            }
            None
        }
        (Ok(way), Err(error)) => {
            examine_untrusting(way, &tls::untrusting(error), report).await;
            None
        }
    };
    let (Some(identity), Ok(trust)) = (identity, trust) else {
        let why = match identity {
            Some(_) => "needs certificates to trust",
            None => "needs the host's identity",
        };
        report.add("credentials", Finding::skipped(why));
        report.add("permission", Finding::skipped(why));
        return;
    };
    let sources = source_settings(
        config,
        identity.on_premises.as_ref(),
        Credentials::OrdinaryChain,
        variable,
    );
    let known = match sources {
        Ok(sources) => {
            let (finding, known) = credentials::check(identity, &sources, trust, text).await;
            report.add("credentials", finding);
            known
        }
        Err(error) => {
            let finding = Finding::failed(chain(&error), "correct the proxy's address");
            report.add("credentials", finding);
            None
        }
    };
    let finding = match (way, reach, known) {
        (Ok(way), Some(Ok(_)), Some(credentials)) => {
            permission::check(config, &way, identity, trust, credentials).await
        }
        (_, _, None) => Finding::skipped("needs credentials"),
        _ => Finding::skipped("needs a connection to the service"),
    };
    report.add("permission", finding);
}

fn way_to_the_service(config: &Config, identity: Option<&Identity>) -> Result<Way, Finding> {
    let url = match way::command_service(config, identity) {
        Ok(Some(url)) => url,
        Ok(None) => return Err(Finding::skipped("needs the host's identity: its region")),
        Err(error) => {
            let remedy = "set deploy_control_endpoint if the service is not AWS's";
            return Err(Finding::failed(chain(&error), remedy));
        }
    };
    match way::proxies(config, config.proxy_for.control, variable) {
        Ok(proxies) => Ok(Way { url, proxies }),
        Err(error) => Err(Finding::failed(
            chain(&error),
            "correct proxy_uri or the environment's proxy variables",
        )),
    }
}

/// What became of the request; nothing when it was not made.
async fn examine_connection(way: &Way, trust: &TrustRoots, report: &mut Report) -> Option<Reach> {
    if !examine_first_hop(way, report).await {
        for name in &CONNECTION[2..] {
            report.add(name, Finding::skipped("needs a connection"));
        }
        return None;
    }
    let reach = tls::ask(way, trust).await;
    report.add("proxy", proxy::check(way, &reach));
    report.add("tls", tls::check(way, trust, &reach));
    report.add("clock", clock::check(&reach));
    Some(reach)
}

/// As far as it can be gone without a certificate to trust.
async fn examine_untrusting(way: &Way, finding: &Finding, report: &mut Report) {
    let _ = examine_first_hop(way, report).await;
    report.add("proxy", Finding::skipped("needs certificates to trust"));
    report.add("tls", finding.clone());
    report.add("clock", Finding::skipped("needs certificates to trust"));
}

/// Whether the first host on the way takes connections.
async fn examine_first_hop(way: &Way, report: &mut Report) -> bool {
    let (finding, addresses) = name_resolution::check(way).await;
    report.add("dns", finding);
    if addresses.is_empty() {
        report.add("tcp", Finding::skipped("needs an address"));
        return false;
    }
    let finding = tcp::check(way, &addresses).await;
    let stands = !finding.is_failure();
    report.add("tcp", finding);
    stands
}

async fn examine_s3(
    config: &Config,
    identity: Option<&Identity>,
    trust: Option<&TrustRoots>,
    report: &mut Report,
) {
    let finding = match (way::s3(config, identity), trust) {
        (None, _) => Finding::skipped("needs the host's identity: its region"),
        (_, None) => Finding::skipped("needs certificates to trust"),
        (Some(url), Some(trust)) => match way::proxies(config, config.proxy_for.s3, variable) {
            Ok(proxies) => s3::check(&url, &proxies, trust).await,
            Err(error) => Finding::failed(chain(&error), "correct the proxy's address"),
        },
    };
    report.add("s3", finding);
}
