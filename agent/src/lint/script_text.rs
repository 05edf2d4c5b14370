//! What is wrong inside a hook script: line ends, the interpreter, programs left in the background.

use super::bundle::Host;
use super::secrets;
use crate::appspec::findings::Findings;
use crate::appspec::quoted;
use crate::appspec::yaml::{Region, Text};

/// Interpreters whose scripts are shell scripts.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ksh", "zsh", "ash"];

/// Looks at one script.
pub(super) fn check(text: &Text<'_>, host: Option<&dyn Host>, findings: &mut Findings<'_>) {
    let source = text.as_str();
    line_ends(source, findings);
    if let (Some(host), Some((interpreter, region))) = (host, interpreter(source))
        && !host.has_file(interpreter.as_bytes())
    {
        let message = format!("this host has no interpreter {}", quoted(interpreter));
        let help = "install it on the host, or name another one, such as `#!/bin/sh`";
        findings.warning("script-interpreter-missing", region, &message, help);
    }
    if is_shell(source) {
        background(source, findings);
    }
    secrets::check(text, findings);
}

/// The interpreter of the first line, without a CR, and its place.
fn interpreter(source: &str) -> Option<(&str, Region)> {
    let line = source.strip_prefix("#!")?.lines().next()?;
    let name = line.split_ascii_whitespace().next()?;
    let start = name.as_ptr().addr() - source.as_ptr().addr();
    Some((name, Region::new(start, start + name.len())))
}

fn is_shell(source: &str) -> bool {
    let Some(line) = source
        .strip_prefix("#!")
        .and_then(|rest| rest.lines().next())
    else {
        // Run by /bin/sh.
        return true;
    };
    line.split_ascii_whitespace()
        .take(3)
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .any(|word| SHELLS.contains(&word))
}

fn line_ends(source: &str, findings: &mut Findings<'_>) {
    let Some(end) = source.find("\r\n") else {
        return;
    };
    let start = source
        .get(..end)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |before| before + 1);
    let message = if start == 0 && source.starts_with("#!") {
        "the script has Windows line ends (CR LF), so the system looks for an interpreter whose \
         name ends in CR"
    } else {
        "the script has Windows line ends (CR LF); shells take the CR for a part of the last word"
    };
    let help = "save it with LF, for instance with `dos2unix` or `sed -i 's/\\r$//'`; \
                `*.sh text eol=lf` in .gitattributes keeps it so";
    findings.warning("script-crlf", Region::new(start, end), message, help);
}

/// Programs that are started in the background and keep the hook's output open.
fn background(source: &str, findings: &mut Findings<'_>) {
    // A continued line is one line; every place stays where it is.
    let joined = source.replace("\\\n", "  ").replace("\\\r\n", "   ");
    let mut start = 0;
    let mut heredoc: Option<String> = None;
    for line in joined.split_inclusive('\n') {
        let at = start;
        start += line.len();
        if let Some(end) = &heredoc {
            if line.trim() == end {
                heredoc = None;
            }
            continue;
        }
        let line = line.trim_end();
        let words = line.trim_start();
        if words.starts_with("exec ") && words.contains('>') {
            // Everything that follows is redirected.
            return;
        }
        let scanned = scan(line);
        heredoc = scanned.heredoc;
        for (from, to) in scanned.commands {
            let command = line.get(from..to).unwrap_or_default();
            let leading = command.len() - command.trim_start().len();
            if redirected(command) || command.trim().is_empty() {
                continue;
            }
            findings.warning(
                "script-background-output",
                Region::new(at + from + leading, at + to + 1),
                "the program in the background keeps the hook's output open, and AWS's agent \
                 waits for it until the timeout",
                "redirect both of its outputs: `... >/var/log/app.log 2>&1 &`; better, make it a \
                 systemd service",
            );
        }
    }
}

#[derive(Default)]
struct Scanned {
    /// From and to (where the `&` stands) of each command that is put in the background.
    commands: Vec<(usize, usize)>,
    /// The word that ends a here-document which begins on this line.
    heredoc: Option<String>,
}

/// Finds the commands of a line that a lone `&` ends, outside of quotes and comments.
fn scan(line: &str) -> Scanned {
    let bytes = line.as_bytes();
    let mut scanned = Scanned::default();
    let mut quote: Option<u8> = None;
    let mut from = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        let after = bytes.get(at + 1).copied();
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), b'\\') | (None, b'\\') => at += 1,
            (Some(_), _) => {}
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (None, b'#') if before.is_none_or(|before| before.is_ascii_whitespace()) => break,
            (None, b';' | b'|') => from = at + 1,
            (None, b'<') if after == Some(b'<') && bytes.get(at + 2) != Some(&b'<') => {
                let rest = line.get(at + 2..).unwrap_or_default();
                let word = rest.trim_start_matches('-').split_ascii_whitespace().next();
                scanned.heredoc = word.map(|word| word.trim_matches(['\'', '"']).to_owned());
                at += 1;
            }
            (None, b'&') => match (before, after) {
                (_, Some(b'&')) => {
                    at += 1;
                    from = at + 1;
                }
                (Some(b'>' | b'<'), _) | (_, Some(b'>')) => {}
                _ => {
                    scanned.commands.push((from, at));
                    from = at + 1;
                }
            },
            (None, _) => {}
        }
        at += 1;
    }
    scanned
}

/// Whether both outputs of a command lead elsewhere.
fn redirected(command: &str) -> bool {
    let both = command.contains("&>") || command.contains(">&");
    let bytes = command.as_bytes();
    let (mut out, mut error) = (false, false);
    for (at, _) in command.match_indices('>') {
        match at.checked_sub(1).and_then(|at| bytes.get(at)) {
            Some(b'2') => error = true,
            // The second half of `>>`.
            Some(b'>') => {}
            _ => out = true,
        }
    }
    // `>&2` alone is no redirection of both, but `>file 2>&1` and `>&file` are.
    out && (error || (both && !command.contains(">&2")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn found(source: &str) -> Vec<(&'static str, usize)> {
        let text = Text::decode(source.as_bytes());
        let mut findings = Findings::new(&text, Vec::new());
        check(&text, None, &mut findings);
        findings
            .all()
            .iter()
            .map(|problem| (problem.code, problem.span.line))
            .collect()
    }

    #[rstest]
    #[case::nohup("#!/bin/sh\nnohup node app.js &\n", 2)]
    #[case::only_stdout("node app.js >log &\n", 1)]
    #[case::only_stderr("node app.js 2>/dev/null &\n", 1)]
    #[case::after_another("cd /srv && node app.js &\n", 1)]
    #[case::continued("node \\\n  app.js &\n", 1)]
    #[case::before_another("node app.js & echo $! >pid\n", 1)]
    fn background_without_redirection(#[case] source: &str, #[case] line: usize) {
        assert_eq!(found(source), [("script-background-output", line)]);
    }

    #[rstest]
    #[case::both("nohup node app.js >log 2>&1 &\n")]
    #[case::both_appended("node app.js >>log 2>>errors &\n")]
    #[case::bash("node app.js &>log &\n")]
    #[case::continued("node app.js \\\n  >log 2>&1 &\n")]
    #[case::executed("exec >/var/log/hook.log 2>&1\nnode app.js &\n")]
    #[case::and("a && b\n")]
    #[case::duplicated("echo x >&2\n")]
    #[case::quoted("echo 'a & b' \"c &\"\n")]
    #[case::escaped("curl http://x/?a=1\\&b=2\n")]
    #[case::comment("# node app.js &\n")]
    #[case::here_document("cat >x <<EOF\nnode app.js &\nEOF\n")]
    #[case::another_language("#!/usr/bin/env python3\na = b &\n")]
    fn no_background_output(#[case] source: &str) {
        assert_eq!(found(source), []);
    }

    #[rstest]
    #[case::shebang("#!/bin/sh\r\necho\r\n", 1)]
    #[case::later("#!/bin/sh\necho\r\n", 2)]
    fn windows_line_ends(#[case] source: &str, #[case] line: usize) {
        assert_eq!(found(source), [("script-crlf", line)]);
    }

    #[test]
    fn the_interpreter_is_the_first_word() {
        let (name, region) = interpreter("#! /usr/bin/env python3\n").unwrap();
        assert_eq!((name, region.start), ("/usr/bin/env", 3));
        assert_eq!(interpreter("echo\n"), None);
    }
}
