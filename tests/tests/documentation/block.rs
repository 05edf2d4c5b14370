//! A fenced block and its attributes: a closed list, so that nothing escapes by a misspelling.

/// A fenced block.
pub(crate) struct Block {
    /// `docs/hooks.md:12`
    pub(crate) place: String,
    /// The line of its first fence, counted from 1.
    pub(crate) line: usize,
    pub(crate) language: Language,
    /// `file=PATH`: the page tells to write it.
    pub(crate) file: Option<String>,
    /// `rule=ID`: an AppSpec that `agent validate` finds this rule, and no other, in.
    pub(crate) rule: Option<String>,
    /// `no-run=REASON`: commands that a test cannot run.
    pub(crate) no_run: Option<Needs>,
    /// `status=N`: the exit status of the last command.
    pub(crate) status: i32,
    /// What kind of YAML it is, when it is no AppSpec.
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// The languages that have a meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Commands after `$ ` (or `# ` for root), each followed by what it prints.
    Console,
    Yaml,
    Json,
    /// A script that is shown whole.
    Sh,
    /// Files of other programs: systemd units, Packer.
    Other,
    /// Neither commands nor files: excerpts of output, layouts.
    Text,
}

/// What a YAML block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The default: an AppSpec, or sections of one.
    AppSpec,
    /// `config`: `codedeployagent.yml`.
    Config,
    /// `on-premises`: `codedeploy.onpremises.yml`.
    OnPremises,
    /// `not-ours`: a file of another program.
    NotOurs,
}

/// What commands need that a test does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// Calls AWS.
    Aws,
    /// Needs the package, or changes the host's packages or services.
    Package,
    /// Builds or measures this repository.
    Build,
    /// Runs until it is stopped, or asks the host about itself: the output is the host's.
    Host,
}

impl Needs {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "needs-aws" => Self::Aws,
            "needs-package" => Self::Package,
            "needs-build" => Self::Build,
            "needs-host" => Self::Host,
            _ => return None,
        })
    }
}

impl Block {
    /// The empty block that begins with the fence's `info` in `line` of `page`.
    pub(crate) fn new(page: &str, line: usize, info: &str) -> Self {
        let place = format!("{page}:{line}");
        let mut words = info.split(',');
        let language = match words.next().unwrap_or_default() {
            "console" => Language::Console,
            "yaml" => Language::Yaml,
            "json" => Language::Json,
            "sh" => Language::Sh,
            "hcl" | "ini" | "toml" => Language::Other,
            "text" => Language::Text,
            other => panic!("{place}: a block of the unknown language {other:?}"),
        };
        let mut block = Self {
            place,
            line,
            language,
            file: None,
            rule: None,
            no_run: None,
            status: 0,
            kind: Kind::AppSpec,
            text: String::new(),
        };
        words.for_each(|word| block.attribute(word));
        block
    }

    fn attribute(&mut self, word: &str) {
        let known = match word.split_once('=') {
            Some(("file", path)) => self.file.replace(path.to_owned()).is_none(),
            Some(("rule", id)) => self.rule.replace(id.to_owned()).is_none(),
            Some(("no-run", reason)) => {
                self.no_run = Needs::parse(reason);
                self.no_run.is_some()
            }
            Some(("status", number)) => number.parse().map(|it| self.status = it).is_ok(),
            None if self.language == Language::Yaml => {
                self.kind = match word {
                    "config" => Kind::Config,
                    "on-premises" => Kind::OnPremises,
                    "not-ours" => Kind::NotOurs,
                    _ => Kind::AppSpec,
                };
                self.kind != Kind::AppSpec
            }
            _ => false,
        };
        assert!(known, "{}: the attribute {word:?} is unknown", self.place);
    }
}
