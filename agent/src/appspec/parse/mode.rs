//! `permissions[].mode`: octal digits, read from the source text.

use crate::appspec::findings::{Findings, text};
use crate::appspec::model::Mode;
use crate::appspec::problem::quoted;
use crate::appspec::yaml::{Node, Value};

/// The mode that was written, so that `0644`, `644` and `"0644"` are one.
pub(super) fn mode(node: &Node, findings: &mut Findings<'_>) -> Option<Mode> {
    let digits = text(node, "mode", "mode-invalid", findings)?;
    let Some(mode) = octal(digits) else {
        let message = format!("mode {} is not made of 1 to 4 octal digits", quoted(digits));
        let help = "write digits from 0 to 7, such as `mode: 644` or `mode: \"0755\"`";
        findings.error("mode-invalid", node.region(), &message, help);
        return None;
    };
    // AWS's agent sees the number that YAML makes of an unquoted one, in decimal.
    if let Some(Value::Int(number)) = node.value() {
        let theirs = octal(&number.to_string());
        if theirs != Some(mode) {
            let message = match theirs {
                Some(theirs) => format!("AWS's agent reads an unquoted {digits} as {theirs:04o}"),
                None => format!("AWS's agent refuses an unquoted {digits}: it reads {number}"),
            };
            let bare = digits.trim_start_matches('0');
            let help = format!("write `mode: \"{digits}\"`, or {bare} without the leading zero");
            findings.warning("mode-unquoted-octal", node.region(), &message, &help);
        }
    }
    Some(Mode(mode))
}

fn octal(digits: &str) -> Option<u16> {
    let fits = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    fits.then(|| u16::from_str_radix(digits, 8).ok()).flatten()
}
