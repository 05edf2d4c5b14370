//! The whole file: size, syntax, and the keys at its top.

use super::{files, hooks, permissions, section};
use crate::appspec::findings::{Fields, Findings, Shape, text};
use crate::appspec::model::{AppSpec, Script};
use crate::appspec::places::Places;
use crate::appspec::problem::{Problem, Problems, Severity, Span, quoted};
use crate::appspec::yaml::{self, Content, Node, Region, Text, Value};
use crate::deployment::FileExistsBehavior;

/// The largest AppSpec that is read, in bytes: ten thousand `files` entries fill a tenth of it.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// An AppSpec, and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The AppSpec.
    pub appspec: AppSpec,
    /// What will bite, and what AWS's agent would refuse.
    pub warnings: Problems,
}

pub(crate) static TOP: Shape = Shape {
    what: "the AppSpec",
    keys: &[
        "version",
        "os",
        "files",
        "hooks",
        "permissions",
        "file_exists_behavior",
    ],
    mistaken: &[
        ("overwrite", "write `file_exists_behavior: OVERWRITE`"),
        (
            "Resources",
            "this looks like an ECS or Lambda AppSpec, which no host agent runs",
        ),
        (
            "resources",
            "this looks like an ECS or Lambda AppSpec, which no host agent runs",
        ),
        ("source", BELOW_FILES),
        ("destination", BELOW_FILES),
        (
            "object",
            "indent it below `permissions:`, its list item starting with `- `",
        ),
        (
            "location",
            "indent it below an event of `hooks:`, its list item starting with `- `",
        ),
        (
            "timeout",
            "indent it below an event of `hooks:`, beside `location`",
        ),
        (
            "runas",
            "indent it below an event of `hooks:`, beside `location`",
        ),
        ("ApplicationStop", BELOW_HOOKS),
        ("BeforeInstall", BELOW_HOOKS),
        ("AfterInstall", BELOW_HOOKS),
        ("ApplicationStart", BELOW_HOOKS),
        ("ValidateService", BELOW_HOOKS),
        ("BeforeBlockTraffic", BELOW_HOOKS),
        ("AfterBlockTraffic", BELOW_HOOKS),
        ("BeforeAllowTraffic", BELOW_HOOKS),
        ("AfterAllowTraffic", BELOW_HOOKS),
    ],
};
const BELOW_FILES: &str = "indent it below `files:`, its list item starting with `- `";
const BELOW_HOOKS: &str = "indent it below `hooks:`";

const EXAMPLE: &str = "start with `version: 0.0` and `os: linux`, each on a line of its own";

/// Reads an AppSpec for the EC2/on-premises platform.
///
/// # Errors
/// All problems of the file, warnings included, when one of them is an error.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Problems> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large().into());
    }
    let text = Text::decode(bytes);
    let document = yaml::load(&text).map_err(Problems::from)?;
    let mut findings = Findings::new(&text, document.warnings);
    let (appspec, _) = read(document.root.as_ref(), &mut findings);
    let warnings = findings.finish()?;
    Ok(Parsed { appspec, warnings })
}

/// Reads the scripts of one event, and nothing else: what is wrong elsewhere in the file keeps
/// nobody from running them.
///
/// # Errors
/// All problems of the file that concern them, warnings included, when one of them is an error.
pub fn parse_scripts(bytes: &[u8], event: &str) -> Result<Vec<Script>, Problems> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large().into());
    }
    let text = Text::decode(bytes);
    let document = yaml::load(&text).map_err(Problems::from)?;
    let mut findings = Findings::new(&text, document.warnings);
    let scripts = match top(document.root.as_ref(), &mut findings) {
        Some(fields) => hooks::scripts(&fields, event, &mut findings),
        None => Vec::new(),
    };
    findings.finish()?;
    Ok(scripts)
}

/// A file of more than [`MAX_BYTES`].
pub(crate) fn too_large() -> Problem {
    let start = Span {
        start: 0,
        end: 0,
        line: 1,
        column: 1,
    };
    let message = format!("the file has more than the {MAX_BYTES} bytes that are read");
    let help = "name directories in `files` instead of single files";
    Problem::new(Severity::Error, "file-too-large", start, &message, help)
}

/// Reads the rules of a document; with errors among the findings, what is given back lacks what
/// they are about.
pub(crate) fn read(root: Option<&Node>, findings: &mut Findings<'_>) -> (AppSpec, Places) {
    let mut places = Places::default();
    let mut appspec = AppSpec {
        file_exists_behavior: None,
        files: Vec::new(),
        hooks: Vec::new(),
        permissions: Vec::new(),
    };
    let Some(fields) = top(root, findings) else {
        return (appspec, places);
    };
    version(
        &fields,
        "the version is a text, which AWS's agent refuses",
        findings,
    );
    os(&fields, findings);
    appspec.file_exists_behavior = file_exists_behavior(&fields, findings);
    (appspec.files, places.files) = section::list(&fields, "files", findings)
        .iter()
        .filter_map(|entry| files::mapping(entry, findings))
        .unzip();
    (appspec.hooks, places.hooks) = hooks::events(&fields, findings);
    (appspec.permissions, places.permissions) = section::list(&fields, "permissions", findings)
        .iter()
        .filter_map(|entry| permissions::rule(entry, findings))
        .unzip();
    (appspec, places)
}

/// The keys at the top.
fn top<'n>(root: Option<&'n Node>, findings: &mut Findings<'_>) -> Option<Fields<'n>> {
    let start = Region::new(0, 0);
    let Some(root) = root.filter(|root| !root.is_null()) else {
        findings.error("empty", start, "the AppSpec is empty", EXAMPLE);
        return None;
    };
    let fields = Fields::read(root, &TOP, findings);
    if fields.is_none() {
        let help = match root.content() {
            Content::Sequence(_) => "remove the `- ` before the keys at the top",
            _ => "write `key: value` lines, with a space after each colon",
        };
        let message = format!(
            "the AppSpec is {}, where a mapping is expected",
            root.kind()
        );
        findings.error("not-a-mapping", root.region(), &message, help);
    }
    fields
}

/// The rules of `version`, the same on every platform. `as_text` says what is wrong with one in quotes.
pub(crate) fn version(fields: &Fields<'_>, as_text: &str, findings: &mut Findings<'_>) {
    let help = "write `version: 0.0`";
    let Some(node) = fields.require("version", "version-missing", help, findings) else {
        return;
    };
    match node.value() {
        value if is_zero(value) => {}
        Some(Value::Text(text)) if is_zero(Some(yaml::resolve(text))) => findings.warning(
            "version-quoted",
            node.region(),
            as_text,
            "write `version: 0.0` without quotes",
        ),
        _ => {
            let found = node.text().map_or(node.kind().to_owned(), quoted);
            let message =
                format!("version {found} is not supported: it is the format's, not yours");
            findings.error("version-invalid", node.region(), &message, help);
        }
    }
}

/// Whether a value is the version 0.0.
fn is_zero(value: Option<Value<'_>>) -> bool {
    match value {
        Some(Value::Int(value)) => value == 0,
        Some(Value::Float(value)) => value == 0.0,
        _ => false,
    }
}

fn os(fields: &Fields<'_>, findings: &mut Findings<'_>) {
    let help = "write `os: linux`";
    let Some(node) = fields.require("os", "os-missing", help, findings) else {
        return;
    };
    let Some(name) = text(node, "os", "os-invalid", findings) else {
        return;
    };
    match name {
        "linux" => {}
        "windows" => findings.error(
            "os-windows",
            node.region(),
            "this AppSpec is for Windows, and this agent runs on Linux",
            "deploy it to a Windows host, or write `os: linux` and Linux paths",
        ),
        other => {
            let message = format!("os {} is not supported", quoted(other));
            let help = "write `os: linux`, for every distribution, in lower case";
            findings.error("os-invalid", node.region(), &message, help);
        }
    }
}

fn file_exists_behavior(
    fields: &Fields<'_>,
    findings: &mut Findings<'_>,
) -> Option<FileExistsBehavior> {
    let node = fields.get("file_exists_behavior")?;
    let name = node.text().unwrap_or(node.kind());
    let behavior = match name {
        "DISALLOW" => FileExistsBehavior::Disallow,
        "OVERWRITE" => FileExistsBehavior::Overwrite,
        "RETAIN" => FileExistsBehavior::Retain,
        other => {
            let message = format!(
                "{} is no behavior: Install will fail when a file exists",
                quoted(other)
            );
            findings.warning(
                "file-exists-behavior-invalid",
                node.region(),
                &message,
                "write DISALLOW, OVERWRITE or RETAIN, in capitals",
            );
            FileExistsBehavior::Invalid(other.to_owned())
        }
    };
    Some(behavior)
}
