//! SELinux contexts: three runs of `semanage` (list, set, delete) and one of `restorecon` an Install
//! at most, whatever the number of files.
//!
//! What is done to the policy is worked out from the rules that it has, so that it can be done
//! again, and a rule that somebody has deleted or made is no obstacle. Paths reach the programs on standard input, never through a shell.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::descriptors;
use super::error::StepError;
use super::plan::Plan;
use super::problem::Problem;
use super::request::SelinuxTools;
use super::tree::{NodeId, ROOT};
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

/// The rules of the previous Install, from its `-cleanup`.
pub(super) fn previous<'a>(specs: impl Iterator<Item = &'a [u8]>) -> Vec<Context> {
    let context = |spec: &[u8]| {
        let spec = String::from_utf8_lossy(spec).into_owned();
        Context {
            path: PathBuf::from(&spec),
            context: None,
            spec,
        }
    };
    specs.map(context).collect()
}

/// Where a directory of the plan really is: a file's label is looked up by that path, so a rule for
/// one that leads through a link would never apply. What cannot be found out is as it is written.
fn real_directory(plan: &Plan, id: NodeId) -> PathBuf {
    let mut names = Vec::new();
    let mut existing = id;
    while existing != ROOT && plan.directory(existing).is_none() {
        names.push(plan.tree.name(existing));
        existing = plan.tree.node(existing).parent;
    }
    let path = plan.tree.path(existing);
    let opened = descriptors::walk(&path).ok();
    let real = opened.and_then(|directory| {
        fs_err::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd())).ok()
    });
    let mut real = real.unwrap_or(path);
    real.extend(names.iter().rev());
    real
}

/// Plans the contexts of the matched objects.
pub(super) fn plan(plan: &mut Plan, tools: &SelinuxTools, problems: &mut Vec<Problem>) {
    let mut contexts = Vec::new();
    let mut directories: HashMap<NodeId, PathBuf> = HashMap::new();
    for id in &plan.permitted {
        let Some((line, context)) = plan
            .rule_of(*id)
            .and_then(|rule| Some((rule.line, rule.context.as_ref()?)))
        else {
            continue;
        };
        let path = plan.tree.path(*id);
        let parent = plan.tree.node(*id).parent;
        let directory = directories
            .entry(parent)
            .or_insert_with(|| real_directory(plan, parent));
        let real = directory.join(plan.tree.name(*id));
        // restorecon is told paths, one a line.
        let is_line = !path.as_os_str().as_bytes().contains(&b'\n');
        match real.to_str().filter(|text| is_line && is_plain(text)) {
            Some(text) => contexts.push(Context {
                spec: escape(text),
                path: path.clone(),
                context: Some(context.clone()),
            }),
            None => problems.push(Problem::Rule {
                line,
                what: format!(
                    "the name of {path:?} cannot be given to semanage, which takes UTF-8 without \
                     blanks and quotes; rename it, or name it in the rule's `except`"
                ),
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

/// Whether `semanage import`, which splits its lines in a way of its own, reads it as it is, and
/// the policy can hold it: specifications there end at a blank.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| {
        character.is_whitespace() || character.is_control() || matches!(character, '\'' | '"')
    })
}

/// What the policy has for all kinds of files under some specifications, or shall have.
type Wanted = BTreeMap<String, Option<SelinuxContext>>;

/// The policy's local rules for all kinds of files, by specification.
#[derive(Debug, Default)]
struct Rules(BTreeMap<String, SelinuxContext>);

impl Rules {
    fn read(tools: &SelinuxTools) -> Result<Self, StepError> {
        let listing = run(&tools.semanage, &["fcontext", "-l", "-C", "-n"], b"")?;
        Ok(Self::parse(&String::from_utf8_lossy(&listing)))
    }

    fn parse(listing: &str) -> Self {
        let rule = |line: &str| {
            let (spec, rest) = line.split_once(char::is_whitespace)?;
            let (files, label) = rest.trim().rsplit_once(char::is_whitespace)?;
            if files.trim() != "all files" {
                return None;
            }
            let mut fields = label.splitn(4, ':');
            let (first, _role, kind, range) =
                (fields.next()?, fields.next(), fields.next(), fields.next());
            let context = match kind {
                Some(kind) => SelinuxContext {
                    user: Some(first.to_owned()),
                    kind: kind.to_owned(),
                    range: range.map(str::to_owned),
                },
                // Files that keep the label they have.
                None => SelinuxContext {
                    user: None,
                    kind: first.to_lowercase(),
                    range: None,
                },
            };
            Some((spec.to_owned(), context))
        };
        Self(listing.lines().filter_map(rule).collect())
    }

    /// Makes the policy have what is wanted, and changes nothing that it has already.
    ///
    /// `semanage import` fails as a whole on a rule that is missing or there already, and newer
    /// ones commit all lines with `-d` in them before they look at the others. So what may be
    /// refused comes first and alone, and what is deleted is there.
    fn change(&self, tools: &SelinuxTools, wanted: &Wanted) -> Result<(), StepError> {
        let (mut set, mut deleted) = (String::new(), String::new());
        for (spec, wanted) in wanted.iter().filter(|(spec, _)| is_plain(spec)) {
            match (self.0.get(spec), wanted) {
                (None, None) => {}
                (Some(_), None) => deleted.push_str(&format!("fcontext -d '{spec}'\n")),
                (None, Some(wanted)) => set.push_str(&line("-a", wanted, spec)),
                (Some(there), Some(wanted)) => {
                    // What a rule is not told it has as the policy's default, once it is modified.
                    let wanted = SelinuxContext {
                        user: wanted.user.clone().or_else(|| Some("system_u".to_owned())),
                        kind: wanted.kind.clone(),
                        range: there
                            .range
                            .as_ref()
                            .map(|_| wanted.range.clone().unwrap_or_else(|| "s0".to_owned())),
                    };
                    if *there != wanted {
                        set.push_str(&line("-m", &wanted, spec));
                    }
                }
            }
        }
        for lines in [set, deleted] {
            if !lines.is_empty() {
                run(&tools.semanage, &["import"], lines.as_bytes())?;
            }
        }
        Ok(())
    }
}

fn line(verb: &str, context: &SelinuxContext, spec: &str) -> String {
    let SelinuxContext { user, kind, range } = context;
    let mut line = format!("fcontext {verb} -t '{kind}'");
    for (option, value) in [("-s", user), ("-r", range)] {
        if let Some(value) = value {
            line.push_str(&format!(" {option} '{value}'"));
        }
    }
    line.push_str(&format!(" '{spec}'\n"));
    line
}

/// The change of the policy's rules that belongs to a plan.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    rules: Rules,
    wanted: Wanted,
}

impl Replacement {
    /// Looks at the policy, where a plan has to do with it. Rules that only are to go do not
    /// matter enough to fail.
    pub(super) fn look(
        plan: &Plan,
        tools: &SelinuxTools,
        warnings: &mut Vec<String>,
    ) -> Result<Self, StepError> {
        let old = plan.old_contexts.iter();
        let gone = old.map(|context| (context.spec.clone(), None));
        let new = plan.new_contexts.iter();
        let new = new.map(|context| (context.spec.clone(), context.context.clone()));
        let wanted: Wanted = gone.chain(new).collect();
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        match Rules::read(tools) {
            Ok(rules) => Ok(Self { rules, wanted }),
            Err(error) if plan.new_contexts.is_empty() => {
                warnings.push(format!(
                    "the last revision's SELinux rules stay: {}",
                    crate::error::chain(&error)
                ));
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// What an undo needs: each rule with what the policy has now, which is nothing for `false`.
    pub(super) fn before(&self) -> impl Iterator<Item = (bool, Context)> + '_ {
        self.wanted.keys().map(|spec| {
            let there = self.rules.0.get(spec);
            let context = Context {
                spec: spec.clone(),
                path: PathBuf::from(spec),
                context: there.cloned(),
            };
            (there.is_some(), context)
        })
    }

    pub(super) fn carry_out(&self, tools: &SelinuxTools) -> Result<(), StepError> {
        self.rules.change(tools, &self.wanted)
    }
}

/// Gives the policy back the rules that it had: those that were there are, and the others are not.
pub(super) fn restore<'a>(
    tools: &SelinuxTools,
    rules: impl Iterator<Item = (bool, &'a Context)>,
) -> Result<(), StepError> {
    let mut wanted = Wanted::new();
    for (was_there, rule) in rules {
        match (was_there, &rule.context) {
            (true, Some(context)) => {
                wanted.insert(rule.spec.clone(), Some(context.clone()));
            }
            // What it was is not known.
            (true, None) => {}
            (false, _) => {
                wanted.entry(rule.spec.clone()).or_insert(None);
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    Rules::read(tools)?.change(tools, &wanted)
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
    run(&tools.restorecon, &["-F", "-f", "-"], &paths).map(|_| ())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the policy store has no other interface; fixed arguments, explicit environment"
)]
fn run(program: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, StepError> {
    let failed = |error| StepError::io("run", program, error);
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
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
        return Ok(output.stdout);
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
    fn only_real_wildcards_are_escaped() {
        assert_eq!(escape("/srv/a-b/x.txt+"), r"/srv/a-b/x.txt\+");
    }

    #[test]
    fn local_rules_are_read_from_the_listing() {
        let listing = "\
/srv/x                                             all files          system_u:object_r:httpd_t:s0 
/srv/a-long-path-that-leaves-no-room-for-more-blanks/x all files          u:object_r:t_t:s0-s0:c0.c3 
/srv/y                                             regular file       system_u:object_r:y_t:s0 
/srv/no-mls                                        all files          system_u:object_r:z_t 
/srv/none                                          all files          <<None>>

SELinux Local fcontext Equivalence 

/srv/one = /srv/other
";
        let rules: Vec<_> = Rules::parse(listing).0.into_iter().collect();
        let rule = |spec: &str, user: Option<&str>, kind: &str, range: Option<&str>| {
            let context = SelinuxContext {
                user: user.map(str::to_owned),
                kind: kind.to_owned(),
                range: range.map(str::to_owned),
            };
            (spec.to_owned(), context)
        };
        let long = "/srv/a-long-path-that-leaves-no-room-for-more-blanks/x";
        let expected = [
            rule(long, Some("u"), "t_t", Some("s0-s0:c0.c3")),
            rule("/srv/no-mls", Some("system_u"), "z_t", None),
            rule("/srv/none", None, "<<none>>", None),
            rule("/srv/x", Some("system_u"), "httpd_t", Some("s0")),
        ];
        assert_eq!(rules, expected);
    }
}
