//! Where bundles come from, according to the configuration and the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use fs_err as fs;

use crate::bundle::{Credentials, InvalidProxy, ProxySettings, SourceSettings};
use crate::config::Config;
use crate::identity::OnPremises;

/// Files of additional trust roots, each in a variable of its own (contract: host).
const TRUST_FILES: [&str; 3] = ["AWS_CA_BUNDLE", "AWS_SSL_CA_BUNDLE", "SSL_CERT_FILE"];

/// A directory of such files, with names that end in `.pem`.
const TRUST_DIRECTORY: &str = "AWS_SSL_CA_DIRECTORY";

/// How bundles are reached from this host. The region comes from the on-premises file, then from the
/// environment, then from where the SDK finds one.
///
/// # Errors
/// When a proxy of the configuration or the environment cannot be used.
pub fn source_settings(
    config: &Config,
    on_premises: Option<&OnPremises>,
    credentials: Credentials,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<SourceSettings, InvalidProxy> {
    let text = |name: &str| {
        variable(name)
            .and_then(|value| value.into_string().ok())
            .filter(|value| !value.is_empty())
    };
    let no_proxy = config.no_proxy.as_ref().map(|hosts| hosts.join(","));
    let mut proxy = match &config.proxy_uri {
        Some(uri) => ProxySettings::explicit(uri.expose_url().as_str(), no_proxy)?,
        None => {
            let mut proxy = ProxySettings::from_environment(text)?;
            proxy.no_proxy = no_proxy.or(proxy.no_proxy);
            proxy
        }
    };
    proxy.s3 = config.proxy_for.s3;
    proxy.github = config.proxy_for.github;
    Ok(SourceSettings {
        region: on_premises
            .map(|host| host.region.as_str().to_owned())
            .or_else(|| text("AWS_REGION"))
            .or_else(|| text("AWS_DEFAULT_REGION")),
        s3_endpoint: config
            .s3_endpoint_override
            .as_ref()
            .map(ToString::to_string),
        use_fips: config.use_fips_mode,
        proxy,
        github_api: config.github_api_endpoint.as_ref().map(ToString::to_string),
        trust: trust_files(&variable),
        credentials,
        ..SourceSettings::default()
    })
}

fn trust_files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let path = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let mut files: Vec<PathBuf> = TRUST_FILES.iter().filter_map(|name| path(name)).collect();
    if let Some(directory) = path(TRUST_DIRECTORY) {
        // A directory that cannot be read adds nothing; connections then say what they miss.
        let entries = fs::read_dir(directory).into_iter().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
            .collect();
        found.sort();
        files.extend(found);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_roots_come_from_each_variable_and_the_directorys_pem_files() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.pem", "a.pem", "c.txt"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let path = directory.path().to_owned();
        let files = trust_files(|name| match name {
            "AWS_CA_BUNDLE" => Some("/one".into()),
            "SSL_CERT_FILE" => Some("".into()),
            "AWS_SSL_CA_DIRECTORY" => Some(path.clone().into()),
            _ => None,
        });
        assert_eq!(
            files,
            [
                PathBuf::from("/one"),
                path.join("a.pem"),
                path.join("b.pem")
            ]
        );
    }
}
