//! The table of rules: identifiers that never change, severities, titles, pages.

use crate::appspec::{Severity, suggest};

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its stable identifier.
    pub id: &'static str,
    /// What its findings are.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// Its page, in Markdown.
    pub page: &'static str,
    /// `--fix` mends it, at least where that is unmistakable.
    pub fixable: bool,
}

/// The rule of an identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// The rule whose identifier is closest to a misspelt one.
#[must_use]
pub fn closest(id: &str) -> Option<&'static Rule> {
    let ids: Vec<&'static str> = RULES.iter().map(|rule| rule.id).collect();
    suggest::closest(id, &ids).and_then(find)
}

macro_rules! rules {
    ($($severity:ident $id:literal $title:literal $($fixable:ident)?;)*) => {
        /// Every rule.
        pub static RULES: &[Rule] = &[$(Rule {
            id: $id,
            severity: Severity::$severity,
            title: $title,
            page: include_str!(concat!("../../../docs/rules/", $id, ".md")),
            fixable: rules!(@fixable $($fixable)?),
        }),*];
    };
    (@fixable fixable) => { true };
    (@fixable) => { false };
}

rules! {
    Error "file-too-large" "The file is larger than an AppSpec can be.";
    Error "empty" "The AppSpec has no content.";
    Error "not-a-mapping" "The top of the AppSpec is not made of `key: value` lines.";
    Error "yaml-comment" "A comment starts with `//`." fixable;
    Error "yaml-tab" "A line is indented with a tab.";
    Error "yaml-space-after-colon" "A colon has no space behind it." fixable;
    Error "yaml-unquoted" "A text begins with a character that has a meaning in YAML." fixable;
    Error "yaml-unclosed" "A quote or a bracket is not closed.";
    Error "yaml-escape" "A backslash inside double quotes begins an escape that does not exist.";
    Error "yaml-colon" "A colon stands where YAML does not expect one.";
    Error "yaml-not-a-key" "A line is neither `key: value` nor an item of a list.";
    Error "yaml-indentation" "A line does not fit the block that it is in.";
    Error "yaml-syntax" "The file is not YAML.";
    Error "yaml-unsupported" "The file uses YAML that cannot be read.";
    Error "yaml-control-character" "The file holds a control character.";
    Error "yaml-encoding" "The file is not UTF-8.";
    Error "yaml-directive" "The file has too many or too long %TAG directives.";
    Error "yaml-alias-undefined" "An alias repeats a value that has no name.";
    Error "yaml-alias-recursive" "An alias stands inside the value that it repeats.";
    Error "yaml-too-many-values" "The file has more than 500,000 values.";
    Error "yaml-too-deep" "Lists and mappings are nested more than 100 levels deep.";
    Warning "yaml-duplicate-key" "A mapping has one key twice.";
    Warning "yaml-second-document" "The file has a second document, which is not read.";
    Warning "byte-order-mark" "The file starts with a byte order mark." fixable;
    Warning "unknown-key" "A key means nothing here and is ignored.";
    Warning "section-empty" "A section has nothing under it." fixable;
    Warning "nothing-to-do" "The AppSpec installs nothing and runs nothing.";
    Warning "secret-in-plain-text" "A secret stands in plain text.";
    Error "version-missing" "The AppSpec has no `version`.";
    Error "version-invalid" "The `version` is not 0.0.";
    Warning "version-quoted" "The `version` is a text." fixable;
    Error "os-missing" "The AppSpec has no `os`.";
    Error "os-invalid" "The `os` is not `linux`." fixable;
    Error "os-windows" "The AppSpec is for Windows.";
    Warning "file-exists-behavior-invalid" "`file_exists_behavior` has an unknown value." fixable;
    Error "section-not-a-list" "`files` or `permissions` is not a list.";
    Error "section-not-a-mapping" "`hooks` is not made of events.";
    Error "files-entry" "An entry of `files` is not a mapping.";
    Error "source-missing" "An entry of `files` has no `source`.";
    Error "source-invalid" "A `source` is not a text.";
    Error "source-outside" "A `source` leads out of the bundle.";
    Error "source-not-found" "A `source` is not in the bundle.";
    Error "source-link-loop" "A link in the bundle leads to a directory that contains it.";
    Error "source-special-file" "The bundle holds something that cannot be installed.";
    Error "destination-missing" "An entry of `files` has no `destination`.";
    Error "destination-invalid" "A `destination` is not a text.";
    Error "destination-home" "A `destination` begins with `~`.";
    Warning "destination-relative" "A `destination` does not begin with `/`." fixable;
    Warning "destination-names-file" "A `destination` seems to name the file, not its directory.";
    Error "destination-two-sources" "Two sources go to one name.";
    Error "path-nul" "A path holds a NUL character.";
    Warning "path-backslash" "A path holds a backslash.";
    Warning "path-wildcard" "A `source`, `destination` or `object` holds a `*`.";
    Error "event-name" "The name of an event is not a text.";
    Error "event-not-a-list" "An event holds no list of scripts.";
    Warning "event-empty" "An event has no scripts." fixable;
    Warning "hook-never-runs" "Scripts of this event never run.";
    Warning "hook-unknown-event" "The name is no lifecycle event.";
    Error "script-not-a-mapping" "A script is not a mapping.";
    Error "location-missing" "A script has no `location`.";
    Error "location-invalid" "A `location` cannot name a script.";
    Error "location-outside" "A `location` leads out of the bundle.";
    Warning "location-absolute" "A `location` begins with `/`." fixable;
    Warning "location-blank" "A `location` holds a blank.";
    Error "timeout-invalid" "A `timeout` is not a number above zero.";
    Warning "timeout-boolean" "A `timeout` is a boolean.";
    Warning "timeout-unit" "A `timeout` has a unit." fixable;
    Warning "timeout-sum" "The timeouts of an event come to more than an hour.";
    Error "runas-invalid" "A `runas` is not the name of an account.";
    Warning "runas-unknown" "This host has no such user.";
    Warning "sudo-truthy" "A `sudo` is not a boolean, and counts as yes.";
    Warning "script-missing" "A script is not in the bundle.";
    Warning "script-not-executable" "A script has not the mode of a program.";
    Warning "script-crlf" "A script has Windows line ends.";
    Warning "script-interpreter-missing" "This host does not have the interpreter of a script.";
    Warning "script-background-output" "A script starts a program in the background without redirecting its output.";
    Error "permissions-entry" "An entry of `permissions` is not a mapping.";
    Error "object-missing" "A rule of `permissions` has no `object`.";
    Error "object-invalid" "An `object` is not a text.";
    Warning "object-relative" "An `object` does not begin with `/`." fixable;
    Warning "permissions-root" "A rule's `object` is `/`.";
    Error "pattern-invalid" "A `pattern`, or an entry of `except`, is not a text.";
    Warning "pattern-matches-nothing" "A pattern can match nothing.";
    Warning "permission-matches-nothing" "A rule of `permissions` matches nothing of this bundle.";
    Error "permission-pattern-on-file" "A rule with a `pattern` or `except` names a file.";
    Error "permission-on-link" "A rule names a symbolic link.";
    Error "permission-twice" "Two rules match one object.";
    Error "not-a-list" "`type` or `except` is not a list.";
    Error "type-invalid" "A `type` is neither `file` nor `directory`.";
    Warning "type-empty" "A `type` is an empty list.";
    Error "account-invalid" "An `owner` or `group` is not a name.";
    Warning "account-numeric" "An `owner` or `group` is a number.";
    Warning "account-unknown" "This host has no such user or group.";
    Error "mode-invalid" "A `mode` is not made of 1 to 4 octal digits.";
    Warning "mode-unquoted-octal" "A `mode` with a leading zero has no quotes." fixable;
    Warning "mode-world-writable" "A `mode` lets every user of the host write.";
    Error "acls-not-a-list" "`acls` is not a list.";
    Error "acl-invalid" "An entry of `acls` cannot be read.";
    Error "acl-base-entry" "An entry of `acls` is for the owner, the group or everybody.";
    Error "acl-duplicate" "Two entries of `acls` are for the same user or group.";
    Warning "acl-default-on-files" "A rule with default ACL entries is for files, too.";
    Warning "acl-no-permissions" "An entry of `acls` grants nothing.";
    Error "context-not-a-mapping" "`context` is not a mapping.";
    Error "context-type-missing" "`context` has no `type`.";
    Error "context-invalid" "A part of `context` is not a name of SELinux.";
    Error "context-range-invalid" "The `range` of a `context` cannot be read.";
    Warning "context-range-missing" "`context` has no `range`.";
    Warning "context-role" "`context` has a `role`." fixable;
    Error "appspec-missing" "The bundle has no AppSpec.";
    Warning "appspec-name" "The AppSpec is called `appspec.yaml`.";
    Warning "appspec-two" "The bundle has two AppSpecs.";
    Error "bundle-invalid" "The archive is one that the agent refuses.";
    Warning "content-check-incomplete" "Not everything could be checked against the bundle's content.";
    Error "resources-missing" "The AppSpec has no `Resources`.";
    Error "resources-invalid" "`Resources` is not a list with one resource.";
    Error "resource-type" "The `Type` of the resource is not the platform's.";
    Error "properties-missing" "The resource has no `Properties`.";
    Error "property-missing" "A property is missing.";
    Error "property-invalid" "A property has not the shape that it must have.";
    Warning "task-definition-revision" "`TaskDefinition` is not the ARN of one revision.";
    Error "container-port" "`ContainerPort` is no port.";
    Warning "container-port-quoted" "`ContainerPort` is a text." fixable;
    Warning "platform-version" "`PlatformVersion` is no version of Fargate.";
    Error "network-configuration" "`NetworkConfiguration` is not complete or not valid.";
    Error "capacity-provider-strategy" "`CapacityProviderStrategy` cannot work.";
    Error "lambda-version" "A version is not that of a published function.";
    Error "lambda-versions-equal" "`CurrentVersion` and `TargetVersion` are the same.";
    Error "hooks-not-a-list" "`Hooks` is not a list.";
    Error "hook-event" "The event is not one of this platform.";
    Error "hook-function" "An event does not name a Lambda function.";
    Warning "cloudformation-tag" "A value has a tag of CloudFormation.";
}
