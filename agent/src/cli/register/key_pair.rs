//! The key pair of an IAM user: from the environment, else from whoever is at standard input. Never
//! from the command line, which other users of the machine can read.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::terminal::{print_aside, say_aside};
use crate::identity::{OnPremisesCredentials, Secret};

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// Far above any key.
const LONGEST_LINE: u64 = 4096;

/// There is no key pair. No variant holds anything of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyPairError {
    #[error(
        "{set} is set and {unset} is not; set both, or neither and give them on standard input"
    )]
    Half {
        set: &'static str,
        unset: &'static str,
    },
    #[error(
        "{TOKEN} is set, so these are temporary credentials, and the on-premises file of an IAM user \
         holds none; unset it and give the user's own key pair, or use --iam-session-arn"
    )]
    Temporary,
    #[error(
        "an access key id that begins with ASIA is temporary; give the user's own key pair, or use \
         --iam-session-arn"
    )]
    TemporaryId,
    #[error("cannot read the {what} from standard input")]
    Read {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(
        "the {what} is not one word of ASCII characters; set {ID} and {SECRET}, or give the two on \
         standard input, a line each"
    )]
    NoWord { what: &'static str },
}

/// Reads it.
pub(super) fn read() -> Result<OnPremisesCredentials, KeyPairError> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            // What is no text is no word, which is found below.
            .map(|value| value.to_string_lossy().into_owned())
    };
    let (id, secret) = match (variable(ID), variable(SECRET)) {
        (Some(_), Some(_)) if variable(TOKEN).is_some() => return Err(KeyPairError::Temporary),
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => {
            return Err(KeyPairError::Half {
                set: ID,
                unset: SECRET,
            });
        }
        (None, Some(_)) => {
            return Err(KeyPairError::Half {
                set: SECRET,
                unset: ID,
            });
        }
        (None, None) => (
            ask("access key id", false)?,
            ask("secret access key", true)?,
        ),
    };
    checked(id, secret)
}

fn checked(id: String, secret: String) -> Result<OnPremisesCredentials, KeyPairError> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_word(&id) {
        return Err(KeyPairError::NoWord {
            what: "access key id",
        });
    }
    if !is_word(&secret) {
        return Err(KeyPairError::NoWord {
            what: "secret access key",
        });
    }
    if id.starts_with("ASIA") {
        return Err(KeyPairError::TemporaryId);
    }
    Ok(OnPremisesCredentials::User {
        access_key_id: id,
        secret_access_key: Secret::new(secret),
    })
}

/// A line of standard input; asked for, and not shown when it is a secret, on a terminal.
fn ask(what: &'static str, is_secret: bool) -> Result<String, KeyPairError> {
    let failed = |source| KeyPairError::Read { what, source };
    let mut input = io::stdin().lock();
    let _silence = if input.is_terminal() {
        print_aside(&format!("{what}: "));
        is_secret.then(Silence::begin).transpose().map_err(failed)?
    } else {
        None
    };
    let mut line = String::new();
    let read = input.by_ref().take(LONGEST_LINE).read_line(&mut line);
    read.map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// The terminal does not show what is typed until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
        say_aside("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_a_key() {
        for (id, secret) in [
            ("", "HUSH"),
            ("AKIAHUSH", ""),
            ("ASIAHUSH", "HUSH"),
            ("HUSH HUSH", "HUSH"),
            ("AKIAHUSH", "HUSH\u{e9}"),
        ] {
            let error = checked(id.to_owned(), secret.to_owned()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("HUSH"));
        }
        let good = checked("AKIAX".to_owned(), "HUSH".to_owned()).unwrap();
        assert!(!format!("{good:?}").contains("HUSH"));
    }
}
