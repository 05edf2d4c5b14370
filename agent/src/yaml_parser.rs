//! The YAML parser behind AppSpecs and configuration files, made safe for any input.
//!
//! `libyaml-safer` panics on some input where libyaml has an answer: a tag before a comma
//! (`[!a, b]`), a block scalar at the end of a file without a final newline. A file must not be
//! able to take the agent down, so a panic becomes an error here, and says nothing on standard
//! error.

use std::cell::Cell;
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use libyaml_safer::{Error, Event, Parser};

/// There is no next event.
#[derive(Debug)]
pub(crate) enum ParserFailure {
    /// The text is not YAML.
    Refused(Error),
    /// The parser cannot read what comes next.
    Unsupported,
}

thread_local! {
    /// Whether a panic of this thread is expected and is to stay silent.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The parser's next event. After a failure the parser is not to be used any more.
pub(crate) fn next_event(parser: &mut Parser<impl BufRead>) -> Result<Event, ParserFailure> {
    silence_expected_panics();
    EXPECTED.set(true);
    let event = catch_unwind(AssertUnwindSafe(|| parser.parse()));
    EXPECTED.set(false);
    match event {
        Ok(event) => event.map_err(ParserFailure::Refused),
        Err(_) => Err(ParserFailure::Unsupported),
    }
}

/// Every other panic is still told as before.
fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                told(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_cannot_read_is_an_error() {
        let mut text = &b"a: [!b, c]\n"[..];
        let mut parser = Parser::new();
        parser.set_input_string(&mut text);
        let failure = (0..20).find_map(|_| next_event(&mut parser).err());
        assert!(
            matches!(failure, Some(ParserFailure::Unsupported)),
            "{failure:?}"
        );
    }
}
