//! ClickHouse of a test's own: its real engine, from the package chdb, behind `clickhouse.py`, which speaks the
//! HTTP interface. What lives here: finding the package, a data folder, a free port, starting and stopping.
//! What does not: installing the package; that is `setup/packages.sh`'s.

use crate::Port;
use crate::process::Process;
use std::env;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a start may take. Long, for slow machines: only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with its own data; gone when dropped.
#[derive(Debug)]
pub struct ClickHouse {
    packages: PathBuf,
    port: Port,
    process: Option<Process>,
    folder: TempDir,
}

impl ClickHouse {
    /// Makes a server and starts it. Where chdb is not installed, it says so in a line `skipped: …`, and the
    /// test has nothing to do.
    pub fn start() -> Option<Self> {
        let Some(packages) = packages() else {
            println!("skipped: chdb is not installed (make test installs it into .clickhouse)");
            return None;
        };
        let mut server = Self {
            packages,
            port: Port::reserve(),
            process: None,
            folder: tempfile::Builder::new()
                .prefix("watershed-clickhouse-")
                .tempdir()
                .expect("a folder"),
        };
        server.run();
        Some(server)
    }

    /// The URL of its database, as an evidence store wants it.
    pub fn url(&self) -> String {
        format!(
            "clickhouse://watershed:it%27s%20a%20secret@{}/default",
            self.address()
        )
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Runs SQL as a client of its own, and returns the answer as tab-separated values.
    pub fn sql(&self, sql: &str) -> String {
        let (status, answer) = self.post(sql).expect("it answers");
        assert_eq!(status, 200, "{sql}: {answer}");
        answer.trim_end().to_owned()
    }

    /// Starts it, where it was stopped.
    pub fn run(&mut self) {
        let mut command = Command::new("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clickhouse.py"))
            .arg(&self.packages)
            .arg(self.folder.path().join("data"))
            .arg(self.address().port().to_string());
        let log = self.folder.path().join("clickhouse.log");
        let mut process = Process::start(command, &log);
        process.until("ClickHouse", PATIENCE, || self.post("SELECT 1").is_some());
        self.process = Some(process);
    }

    /// `kill -9`: what it was doing is not done.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// The status and the body of an answer; nothing where there is none.
    fn post(&self, sql: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        let length = sql.len();
        let request = format!(
            "POST /?default_format=TabSeparated HTTP/1.1\r\nHost: clickhouse\r\n\
             X-ClickHouse-User: watershed\r\nX-ClickHouse-Key: it's a secret\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{sql}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }
}

/// Where chdb is: the folder that `WATERSHED_CHDB` names, or where `make test` puts it.
fn packages() -> Option<PathBuf> {
    let named = env::var_os("WATERSHED_CHDB").map(PathBuf::from);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.clickhouse/packages");
    let mut folders = named.into_iter().chain([ours]);
    folders.find(|it| it.join("chdb").is_dir())
}
