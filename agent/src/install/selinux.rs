//! SELinux contexts: one `semanage` and one `restorecon` an Install, whatever the number of files.
//!
//! Paths reach the programs on standard input, never through a shell.

use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::error::StepError;
use super::plan::Plan;
use super::problem::Problem;
use super::request::SelinuxTools;
use crate::appspec::SelinuxContext;

/// A rule in the policy's file contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// The path as `semanage fcontext` is told it (a regular expression).
    pub(super) spec: String,
    /// The path itself.
    pub(super) path: PathBuf,
    /// None when only the specification is known: it can be deleted, not added again.
    pub(super) context: Option<SelinuxContext>,
}

/// The rules of the previous Install: the specifications from its `-cleanup`, what they say from
/// its `-install.json`, as far as that can be read.
pub(super) fn previous<'a>(specs: impl Iterator<Item = &'a [u8]>, install: &Path) -> Vec<Context> {
    let specs: Vec<String> = specs
        .map(|spec| String::from_utf8_lossy(spec).into_owned())
        .collect();
    if specs.is_empty() {
        return Vec::new();
    }
    let record: Value = fs_err::read(install)
        .ok()
        .and_then(|content| serde_json::from_slice(&content).ok())
        .unwrap_or_default();
    let known: Vec<(String, PathBuf, SelinuxContext)> = record
        .get("instructions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|instruction| instruction.get("type").and_then(Value::as_str) == Some("semanage"))
        .filter_map(|instruction| {
            let file = instruction.get("file")?.as_str()?;
            let context = instruction.get("context")?;
            let text = |key| context.get(key).and_then(Value::as_str).map(str::to_owned);
            let context = SelinuxContext {
                user: text("user"),
                kind: text("type")?,
                range: text("range"),
            };
            Some((escape(file), PathBuf::from(file), context))
        })
        .collect();
    let context = |spec: String| {
        let found = known
            .iter()
            .find(|(known, path, _)| *known == spec || path.as_os_str() == spec.as_str());
        Context {
            path: found.map_or_else(|| PathBuf::from(&spec), |(_, path, _)| path.clone()),
            context: found.map(|(_, _, context)| context.clone()),
            spec,
        }
    };
    specs.into_iter().map(context).collect()
}

/// Plans the contexts of the matched objects.
pub(super) fn plan(plan: &mut Plan, tools: &SelinuxTools, problems: &mut Vec<Problem>) {
    let mut contexts = Vec::new();
    for id in &plan.permitted {
        let Some((line, context)) = plan
            .rule_of(*id)
            .and_then(|rule| Some((rule.line, rule.context.as_ref()?)))
        else {
            continue;
        };
        let path = plan.tree.path(*id);
        match path.to_str().filter(|text| !text.contains(['\n', '\r'])) {
            Some(text) => contexts.push(Context {
                spec: escape(text),
                path: path.clone(),
                context: Some(context.clone()),
            }),
            None => problems.push(Problem::Rule {
                line,
                what: format!("the name of {path:?} cannot be given to semanage"),
            }),
        }
    }
    if let (Some(_), Some(line)) = (
        contexts.first(),
        plan.permitted.iter().find_map(|id| {
            plan.rule_of(*id)
                .filter(|rule| rule.context.is_some())
                .map(|rule| rule.line)
        }),
    ) {
        for tool in [&tools.semanage, &tools.restorecon] {
            if !tool.exists() {
                problems.push(Problem::Rule {
                    line,
                    what: format!(
                        "a context needs {}, which is not there; install policycoreutils and its \
                         Python utilities, or remove `context`",
                        tool.display()
                    ),
                });
            }
        }
    }
    if !plan.old_contexts.is_empty() && !tools.semanage.exists() {
        plan.warnings.push(format!(
            "the last revision's SELinux rules stay: {} is not there",
            tools.semanage.display()
        ));
        plan.old_contexts.clear();
    }
    plan.new_contexts = contexts;
}

/// The path as a regular expression that matches it. A dot stays a dot, which matches itself too:
/// so ordinary paths are the same text for AWS's agents, which delete rules by path.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        if "\\^$*+?()[]{}|".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

fn delete(context: &Context) -> String {
    format!("fcontext -d {}\n", quote(&context.spec))
}

fn add(context: &Context) -> Option<String> {
    let SelinuxContext { user, kind, range } = context.context.as_ref()?;
    let mut line = format!("fcontext -a -t {}", quote(kind));
    for (option, value) in [("-s", user), ("-r", range)] {
        if let Some(value) = value {
            line.push_str(&format!(" {option} {}", quote(value)));
        }
    }
    line.push_str(&format!(" {}\n", quote(&context.spec)));
    Some(line)
}

/// Replaces `old` rules by `new` ones, in one transaction of the policy store.
pub(super) fn replace(
    tools: &SelinuxTools,
    old: &[Context],
    new: &[Context],
) -> Result<(), StepError> {
    let lines: String = old
        .iter()
        .map(delete)
        .chain(new.iter().filter_map(add))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    run(&tools.semanage, &["import"], lines.as_bytes())
}

/// Gives files their contexts from the policy, user and range included.
pub(super) fn relabel(tools: &SelinuxTools, contexts: &[Context]) -> Result<(), StepError> {
    if contexts.is_empty() {
        return Ok(());
    }
    let mut paths = Vec::new();
    for context in contexts {
        paths.extend_from_slice(context.path.as_os_str().as_bytes());
        paths.push(b'\n');
    }
    run(&tools.restorecon, &["-F", "-f", "-"], &paths)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the policy store has no other interface; fixed arguments, explicit environment"
)]
fn run(program: &Path, arguments: &[&str], input: &[u8]) -> Result<(), StepError> {
    let failed = |error| StepError::io("run", program, error);
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Written beside reading what it says: neither side waits for the other.
        scope.spawn(move || {
            // A program that ends early tells why by its status.
            stdin.map(|mut stdin| stdin.write_all(input))
        });
        child.wait_with_output()
    })
    .map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    let tail: String = said
        .chars()
        .skip(said.chars().count().saturating_sub(1000))
        .collect();
    Err(StepError::Selinux {
        program: program.to_owned(),
        outcome: output.status.to_string(),
        output: if tail.is_empty() {
            tail
        } else {
            format!(": {tail}")
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_only_real_wildcards_escaped() {
        let context = Context {
            spec: escape("/srv/a b's/x.txt+"),
            path: PathBuf::from("/srv/a b's/x.txt+"),
            context: Some(SelinuxContext {
                user: Some("system_u".into()),
                kind: "httpd_sys_content_t".into(),
                range: Some("s0".into()),
            }),
        };
        let expected = "fcontext -a -t 'httpd_sys_content_t' -s 'system_u' -r 's0' \
                        '/srv/a b'\"'\"'s/x.txt\\+'\n";
        assert_eq!(add(&context).unwrap(), expected);
        assert_eq!(
            delete(&context),
            "fcontext -d '/srv/a b'\"'\"'s/x.txt\\+'\n"
        );
    }
}
