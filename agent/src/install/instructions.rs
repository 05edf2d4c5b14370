//! The `-install.json` record: what the Install did, in AWS's agents' form and order.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::plan::Plan;
use super::tree::Planned;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Instruction<'a> {
    Mkdir {
        directory: &'a str,
    },
    Copy {
        source: &'a str,
        destination: &'a str,
    },
    Chmod {
        mode: &'a str,
        file: &'a str,
    },
    Setfacl {
        acl: &'a [String],
        file: &'a str,
    },
    Semanage {
        context: ContextRecord<'a>,
        file: &'a str,
    },
    Chown {
        owner: Option<&'a str>,
        group: Option<&'a str>,
        file: &'a str,
    },
}

#[derive(Serialize)]
struct ContextRecord<'a> {
    user: Option<&'a str>,
    /// AWS's agents write the key; roles are ignored.
    role: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
    range: Option<&'a str>,
}

/// Writes the record, one instruction after the other: it may be larger than memory should be.
pub(super) fn write(plan: &Plan, output: &mut impl Write) -> io::Result<()> {
    let mut first = true;
    let mut put = |output: &mut dyn Write, instruction: Instruction<'_>| {
        output.write_all(if std::mem::take(&mut first) {
            b""
        } else {
            b","
        })?;
        serde_json::to_writer(output, &instruction).map_err(io::Error::from)
    };
    let lossy = |path: PathBuf| path.to_string_lossy().into_owned();
    output.write_all(b"{\"instructions\":[")?;
    for id in &plan.sequence {
        let path = || lossy(plan.tree.path(*id));
        match plan.tree.node(*id).planned {
            Planned::Made => put(output, Instruction::Mkdir { directory: &path() })?,
            Planned::File | Planned::Link => {
                let source = plan.source_path(*id).map(lossy).unwrap_or_default();
                put(
                    output,
                    Instruction::Copy {
                        source: &source,
                        destination: &path(),
                    },
                )?;
            }
            Planned::Kept | Planned::Retained | Planned::Nothing => {}
        }
    }
    for id in &plan.permitted {
        let Some(rule) = plan.rule_of(*id) else {
            continue;
        };
        let file = &lossy(plan.tree.path(*id));
        if let Some(mode) = rule.mode {
            put(
                output,
                Instruction::Chmod {
                    mode: &format!("{mode:03o}"),
                    file,
                },
            )?;
        }
        if !rule.acls.is_empty() {
            put(
                output,
                Instruction::Setfacl {
                    acl: &rule.acls,
                    file,
                },
            )?;
        }
        if let Some(context) = &rule.context {
            let context = ContextRecord {
                user: context.user.as_deref(),
                role: None,
                kind: &context.kind,
                range: context.range.as_deref(),
            };
            put(output, Instruction::Semanage { context, file })?;
        }
        let (owner, group) = (rule.owner_name.as_deref(), rule.group_name.as_deref());
        if owner.is_some() || group.is_some() {
            put(output, Instruction::Chown { owner, group, file })?;
        }
    }
    output.write_all(b"]}")
}
