//! The certificate authorities that servers must lead to.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

/// Variables that name a PEM file (contract: host, identity and credentials).
const FILES: [&str; 3] = ["AWS_CA_BUNDLE", "AWS_SSL_CA_BUNDLE", "SSL_CERT_FILE"];
/// The variable that names a directory with `*.pem`.
const DIRECTORY: &str = "AWS_SSL_CA_DIRECTORY";

/// Where distributions keep all roots in one file: Debian, Red Hat and Amazon Linux (two
/// generations), SUSE, Alpine.
const SYSTEM_FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Where they are one file each, when there is no such file.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Certificates that the environment adds to the system's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustPaths {
    /// PEM files with the variables that name them.
    pub files: Vec<(&'static str, PathBuf)>,
    /// A directory whose `*.pem` count.
    pub directory: Option<PathBuf>,
}

/// Why there are no trust roots. A file that was asked for and does not work is an error: without
/// it every connection would fail with a riddle.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file or directory cannot be read. The source names it.
    #[error("cannot read the certificates that {variable} names; correct or unset it")]
    Read {
        /// The environment variable.
        variable: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error(
        "{variable} names {}, which holds no certificate in PEM form; correct or unset it",
        path.display()
    )]
    Empty {
        /// The environment variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The TLS library refuses its own defaults.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

impl TrustPaths {
    /// The paths that the environment names; empty variables are unset.
    pub fn from_environment(environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |variable: &str| {
            let value = environment(variable).filter(|value| !value.is_empty())?;
            Some(PathBuf::from(value))
        };
        Self {
            files: FILES
                .into_iter()
                .filter_map(|variable| Some((variable, path(variable)?)))
                .collect(),
            directory: path(DIRECTORY),
        }
    }
}

/// Trust roots, loaded. Each of them has been parsed once, so that no library finds one later that
/// it cannot take.
#[derive(Debug, Clone)]
pub struct TrustRoots {
    certificates: Vec<CertificateDer<'static>>,
    store: Arc<RootCertStore>,
}

impl TrustRoots {
    /// The system's roots and those of `paths`. Reads files: some milliseconds.
    ///
    /// # Errors
    /// When something in `paths` cannot be read or holds no certificate. A system without roots
    /// is a warning, because plain HTTP and roots of one's own do without.
    pub fn load(paths: &TrustPaths) -> Result<Self, TrustError> {
        let mut roots = Roots {
            certificates: Vec::new(),
            store: RootCertStore::empty(),
        };
        for certificate in system_certificates() {
            roots.add(certificate);
        }
        if roots.certificates.is_empty() && paths == &TrustPaths::default() {
            warn!(
                "no trusted certificate authorities on this system; install the package \
                 ca-certificates, or name a PEM file in AWS_CA_BUNDLE"
            );
        }
        for (variable, path) in &paths.files {
            roots.add_file(variable, path)?;
        }
        if let Some(directory) = &paths.directory {
            roots.add_directory(directory)?;
        }
        Ok(Self {
            certificates: roots.certificates,
            store: Arc::new(roots.store),
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// TLS settings that trust these roots and nothing else, for reqwest. The caller sets the
    /// application protocols.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub fn client_config(&self) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Setup)?
            .with_root_certificates(Arc::clone(&self.store))
            .with_no_client_auth();
        Ok(config)
    }

    /// All of them as one PEM text, for the SDK's client, which is then told to load no roots of
    /// its own. (It panics on a certificate that it cannot parse; here are none.)
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut text = String::new();
        for certificate in &self.certificates {
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            let mut rest = STANDARD.encode(certificate);
            while !rest.is_empty() {
                let tail = rest.split_off(rest.len().min(64));
                text.push_str(&rest);
                text.push('\n');
                rest = tail;
            }
            text.push_str("-----END CERTIFICATE-----\n");
        }
        text
    }
}

/// The system's certificates, from the first place that has some.
fn system_certificates() -> Vec<CertificateDer<'static>> {
    let files = SYSTEM_FILES.map(|file| (Some(Path::new(file)), None));
    let directories = SYSTEM_DIRECTORIES.map(|directory| (None, Some(Path::new(directory))));
    files
        .into_iter()
        .chain(directories)
        .map(|(file, directory)| rustls_native_certs::load_certs_from_paths(file, directory).certs)
        .find(|certificates| !certificates.is_empty())
        .unwrap_or_default()
}

struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    store: RootCertStore,
}

impl Default for TrustRoots {
    /// No roots: for plain HTTP only.
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            store: Arc::new(RootCertStore::empty()),
        }
    }
}

impl Roots {
    /// Whether the certificate could be taken.
    fn add(&mut self, certificate: CertificateDer<'static>) -> bool {
        if self.certificates.contains(&certificate) {
            return true;
        }
        let is_usable = self.store.add(certificate.clone()).is_ok();
        if is_usable {
            self.certificates.push(certificate);
        }
        is_usable
    }

    fn add_file(&mut self, variable: &'static str, path: &Path) -> Result<(), TrustError> {
        let text = fs::read(path).map_err(|source| TrustError::Read { variable, source })?;
        let (mut taken, mut refused) = (0_u32, 0_u32);
        for certificate in CertificateDer::pem_slice_iter(&text) {
            match certificate {
                Ok(certificate) => match self.add(certificate) {
                    true => taken += 1,
                    false => refused += 1,
                },
                Err(_) => refused += 1,
            }
        }
        if taken == 0 {
            return Err(TrustError::Empty {
                variable,
                path: path.to_owned(),
            });
        }
        if refused > 0 {
            warn!(variable, file = %path.display(), refused, "ignored unusable certificates");
        }
        Ok(())
    }

    fn add_directory(&mut self, directory: &Path) -> Result<(), TrustError> {
        let read = |source| TrustError::Read {
            variable: DIRECTORY,
            source,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).map_err(read)? {
            let path = entry.map_err(read)?.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                files.push(path);
            }
        }
        files.sort();
        for file in files {
            self.add_file(DIRECTORY, &file)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn the_environment_names_files_and_a_directory() {
        let paths = TrustPaths::from_environment(|name| match name {
            "AWS_CA_BUNDLE" => Some("/a.pem".into()),
            "AWS_SSL_CA_BUNDLE" => Some("".into()),
            "SSL_CERT_FILE" => Some("/s.pem".into()),
            "AWS_SSL_CA_DIRECTORY" => Some("/d".into()),
            _ => None,
        });
        let expected = TrustPaths {
            files: vec![
                ("AWS_CA_BUNDLE", "/a.pem".into()),
                ("SSL_CERT_FILE", "/s.pem".into()),
            ],
            directory: Some("/d".into()),
        };
        assert_eq!(paths, expected);
        assert_eq!(
            TrustPaths::from_environment(|_| None),
            TrustPaths::default()
        );
    }

    #[test]
    fn what_is_named_adds_to_the_systems_roots() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("one.pem");
        fs::write(
            &file,
            format!("{}\n# a remark\n{}", authority(), authority()),
        )
        .unwrap();
        fs::write(directory.path().join("two.pem"), authority()).unwrap();
        fs::write(directory.path().join("not.txt"), "x").unwrap();
        let system = TrustRoots::load(&TrustPaths::default()).unwrap();
        let roots = TrustRoots::load(&TrustPaths {
            // The same file twice, once more through the directory: counted once.
            files: vec![("SSL_CERT_FILE", file.clone()), ("AWS_CA_BUNDLE", file)],
            directory: Some(directory.path().to_owned()),
        })
        .unwrap();
        assert_eq!(roots.len(), system.len() + 3);
        assert!(roots.client_config().is_ok());
        let pem = roots.to_pem();
        let again: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        assert_eq!(again.unwrap(), roots.certificates);
    }

    #[test]
    fn what_is_named_and_unusable_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let absent = directory.path().join("absent.pem");
        let empty = directory.path().join("empty.pem");
        fs::write(&empty, "no certificate").unwrap();
        let error = |paths: &TrustPaths| crate::error::chain(&TrustRoots::load(paths).unwrap_err());
        let file = |path: &Path| TrustPaths {
            files: vec![("AWS_CA_BUNDLE", path.to_owned())],
            directory: None,
        };
        let shown = error(&file(&absent));
        assert!(
            shown.contains("AWS_CA_BUNDLE") && shown.contains("absent.pem"),
            "{shown}"
        );
        let shown = error(&file(&empty));
        assert!(shown.contains("holds no certificate"), "{shown}");
        let shown = error(&TrustPaths {
            files: vec![],
            directory: Some(absent),
        });
        assert!(shown.contains("AWS_SSL_CA_DIRECTORY"), "{shown}");
    }
}
