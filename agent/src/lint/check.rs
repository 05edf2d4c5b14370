//! One run of the rules.

use super::bundle::{Bundle, Host};
use super::platform::{self, Platform};
use super::{documents, ec2, ecs, lambda, secrets};
use crate::appspec::findings::Findings;
use crate::appspec::yaml::{self, Text};
use crate::appspec::{self, MAX_BYTES, Problems};

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The AppSpec's bytes.
    pub document: &'a [u8],
    /// What it is for; detected when absent.
    pub platform: Option<Platform>,
    /// The content that it is about. ECS and Lambda AppSpecs have none.
    pub bundle: Option<Bundle<'a>>,
    /// The host that it is for.
    pub host: Option<&'a dyn Host>,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// What the AppSpec is for.
    pub platform: Platform,
    /// In the AppSpec.
    pub document: Problems,
    /// In scripts of the bundle; only those with findings.
    pub scripts: Vec<ScriptReport>,
}

/// What was found in a script.
#[derive(Debug)]
pub struct ScriptReport {
    /// Its path in the bundle.
    pub path: String,
    /// Its beginning, which the places are in.
    pub text: Vec<u8>,
    /// What was found.
    pub problems: Problems,
}

/// Applies every rule.
#[must_use]
pub fn lint(subject: &Subject<'_>) -> Report {
    let refused = |document| Report {
        platform: subject.platform.unwrap_or(Platform::Ec2),
        document,
        scripts: Vec::new(),
    };
    if subject.document.len() > MAX_BYTES {
        return refused(documents::too_large());
    }
    let text = Text::decode(subject.document);
    let document = match yaml::load(&text) {
        Ok(document) => document,
        Err(problem) => return refused(problem.into()),
    };
    let root = document.root.as_ref();
    let platform = subject.platform.unwrap_or_else(|| platform::detect(root));
    let mut findings = Findings::new(&text, document.warnings);
    secrets::check(&text, &mut findings);
    let mut scripts = Vec::new();
    match platform {
        Platform::Ec2 => {
            let (appspec, places) = appspec::read(root, &mut findings);
            let read = ec2::Read {
                root,
                appspec: &appspec,
                places: &places,
            };
            scripts = ec2::check(&read, subject, &mut findings);
        }
        Platform::Ecs => ecs::check(root, &mut findings),
        Platform::Lambda => lambda::check(root, &mut findings),
    }
    Report {
        platform,
        document: findings.all(),
        scripts,
    }
}
