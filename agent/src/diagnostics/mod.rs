//! The result of a command as the service and the user see it: a stable code, the script, a
//! message and the tail of the script log (contract: protocol, "Diagnostics of a completion").

mod code;
mod payload;
mod script;
mod tail;

pub use code::Code;
pub use payload::{Diagnostics, SuccessMessage};
pub use script::from_outcome;
pub use tail::{LOG_CHARACTERS, LogTail};
