//! How many files this process may have open: each proxy is one, and each call of the API. Systems give a process
//! 1,024 to begin with, for the sake of programs that can't count further, and let it ask for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks for as many as there may be, and says in the log how many it has become.
pub fn allow_as_many_as_possible() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => tracing::debug!(limit = ?most.current, "open files"),
        Err(error) => tracing::warn!(%error, limit = ?limit.current, "open files stay limited"),
    }
}
