//! A NATS server with JetStream of a test's own. What lives here: finding the binary, a folder for its streams,
//! a free port, starting and killing. What does not: the package; that is `setup/nats.sh`'s.

use crate::Port;
use crate::process::Process;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};
use tempfile::TempDir;

/// How long a start may take. Long, for slow machines: only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with its own streams; gone when dropped.
#[derive(Debug)]
pub struct Nats {
    binary: PathBuf,
    port: Port,
    arguments: Vec<String>,
    process: Option<Process>,
    folder: TempDir,
}

impl Nats {
    /// Makes a server with JetStream and starts it. Where there is none on this machine, it says so in a line
    /// `skipped: …`, and the test has nothing to do.
    pub fn start() -> Option<Self> {
        Self::start_with(|folder| {
            let folder = folder.to_str().expect("a path of UTF-8");
            ["--jetstream", "--store_dir", folder]
                .map(str::to_owned)
                .to_vec()
        })
    }

    /// The same with arguments of the test's own, which are told the server's folder.
    pub fn start_with(arguments: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let Some(binary) = binary() else {
            println!(
                "skipped: there is no nats-server here (make test unpacks Debian's into .nats)"
            );
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("watershed-nats-")
            .tempdir()
            .expect("a folder");
        let mut server = Self {
            binary,
            port: Port::reserve(),
            arguments: arguments(folder.path()),
            process: None,
            folder,
        };
        server.run();
        Some(server)
    }

    /// Its URL, as clients want it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Starts it, where it was killed.
    pub fn run(&mut self) {
        let address = self.address();
        let mut command = Command::new(&self.binary);
        command
            .args(["--addr", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .args(&self.arguments)
            .current_dir(self.folder.path());
        let log = self.folder.path().join("nats.log");
        let process = self.process.insert(Process::start(command, &log));
        process.until("nats-server", PATIENCE, || greets(address));
    }

    /// `kill -9`: clients are cut off, and what it was doing is not done.
    pub fn kill(&mut self) {
        self.process = None;
    }
}

/// Whether a server says who it is, as NATS does first of all.
fn greets(address: SocketAddr) -> bool {
    let greeting = || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).ok()?;
        Some(greeting)
    };
    greeting().is_some_and(|it| it == *b"INFO ")
}

/// The file that `WATERSHED_NATS_BIN` names, what `make test` unpacked, or what is on the path.
fn binary() -> Option<PathBuf> {
    let named = env::var_os("WATERSHED_NATS_BIN").map(PathBuf::from);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.nats/usr/sbin/nats-server");
    let path = env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = env::split_paths(&path)
        .map(|folder| folder.join("nats-server"))
        .collect();
    let mut files = named.into_iter().chain([ours]).chain(path);
    files.find(|file| {
        fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_greets_until_it_is_killed_and_again_when_it_is_started() {
        let Some(mut server) = Nats::start() else {
            return;
        };
        assert!(greets(server.address()));
        server.kill();
        assert!(!greets(server.address()));
        server.run();
        assert!(greets(server.address()));
    }
}
