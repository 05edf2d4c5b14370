//! Settings that take one of a few words.

use std::fmt;

/// A setting with a fixed set of words.
pub(super) trait Choice: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];
    /// The word in the file.
    fn word(self) -> &'static str;
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl Choice for $name {
            const ALL: &'static [Self] = &[$(Self::$value),*];
            fn word(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

choice!(
    /// How a hook with `runas` becomes its user.
    RunAsVia {
        /// The identity is set directly; no program, no shell.
        Native = "native",
        /// Through `su`, which brings the PAM session back.
        Su = "su",
    }
);

choice!(
    /// What a hook that has exited well but left its output open counts as.
    OutputsLeftOpen {
        /// It is waited for until the hook's timeout, and then has failed, as with AWS's agent.
        Wait = "wait",
        /// It has succeeded after 10 s.
        Release = "release",
    }
);

choice!(
    /// The form of the agent's log.
    LogFormat {
        /// Lines as AWS's agent writes them.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
);
