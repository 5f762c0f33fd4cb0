//! A PostgreSQL server of a test's own. What lives here: finding the binaries, a data folder, a free
//! port, starting, stopping and killing the server. What does not: installing PostgreSQL; that is
//! `setup/postgres.sh`'s.

use crate::Port;
use crate::process::{Process, wait_until};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};
use tempfile::TempDir;

/// The superuser that the server is made with. Everybody who reaches it is let in.
const USER: &str = "watershed";
/// How long a start or an end may take. Long, for slow machines: only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// It does, as in earnest.
    Disk,
    /// It does not: for tests that ask what is kept and not whether it survives.
    None,
}

/// A server with its own data; gone when dropped.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    account: Option<Account>,
    port: Port,
    durability: Durability,
    process: Option<Process>,
    folder: TempDir,
}

/// Whom the server runs as: it refuses to be root.
#[derive(Clone, Copy, Debug)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Makes a server and starts it. Where there is no PostgreSQL on this machine, it says so in a
    /// line `skipped: …`, and the test has nothing to do.
    pub fn start(durability: Durability) -> Option<Self> {
        let Some(binaries) = binaries() else {
            println!("skipped: there is no PostgreSQL here (Debian: apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("watershed-postgres-")
            .tempdir()
            .expect("a folder");
        let account = unprivileged();
        if let Some(Account { uid, gid }) = account {
            chown(folder.path(), Some(uid), Some(gid)).expect("give the folder away");
        }
        let mut server = Self {
            binaries,
            account,
            port: Port::reserve(),
            durability,
            process: None,
            folder,
        };
        server.initialise();
        server.run();
        Some(server)
    }

    /// The URL of the server's database of that name; see [`Postgres::create`].
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@{}/{database}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Makes a database and returns its URL.
    pub fn create(&self, database: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE \"{database}\""));
        self.url(database)
    }

    /// Runs SQL as a client of its own, and returns what `psql` prints of it: bare rows.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = Command::new(self.binaries.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--command", sql])
            .arg(self.url(database))
            .output()
            .expect("run psql");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts it, where it was stopped.
    pub fn run(&mut self) {
        let address = self.address();
        let sync = match self.durability {
            Durability::Disk => "on",
            Durability::None => "off",
        };
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-h", &address.ip().to_string()])
            .args(["-p", &address.port().to_string()])
            // No socket in a folder that others share.
            .args(["-k", ""])
            .args(["-c", &format!("fsync={sync}")])
            // A server that stops waits for clients that connected meanwhile and say nothing, as one does that
            // runs on the thread which waits for the server; in seconds.
            .args(["-c", "authentication_timeout=5"])
            .args(["-c", "max_connections=60"])
            .args(["-c", "shared_buffers=16MB"]);
        let mut process = Process::start(command, &self.log());
        process.until("PostgreSQL", PATIENCE, || self.answers());
        self.process = Some(process);
    }

    /// Stops it at once, as an administrator does: clients are cut off, the next start recovers.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(libc::SIGQUIT);
            let gone = wait_until(PATIENCE, || process.ended().is_some());
            assert!(gone, "PostgreSQL does not end\n{}", process.log_end());
        }
    }

    /// The end of its log.
    pub fn log_end(&self) -> String {
        self.process
            .as_ref()
            .map(Process::log_end)
            .unwrap_or_default()
    }

    fn initialise(&self) {
        let output = self
            .command("initdb")
            .arg("-D")
            .arg(self.data())
            .args(["--username", USER, "--auth", "trust", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C"])
            .output()
            .expect("run initdb");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb: {said}");
    }

    fn answers(&self) -> bool {
        let address = self.address();
        Command::new(self.binaries.join("pg_isready"))
            .args(["--quiet", "--host", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .status()
            .expect("run pg_isready")
            .success()
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("postgres.log")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log_end());
        }
        self.stop();
    }
}

/// The folder of `initdb` and `postgres`: the one that `WATERSHED_POSTGRES_BIN` names, Debian's
/// newest, or what is on the path.
fn binaries() -> Option<PathBuf> {
    let named = env::var_os("WATERSHED_POSTGRES_BIN").map(PathBuf::from);
    let debian = fs::read_dir("/usr/lib/postgresql").ok();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|(_, folder)| folder);
    let path = env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = env::split_paths(&path).collect();
    let mut folders = named.into_iter().chain(debian).chain(path);
    folders.find(|folder| {
        ["initdb", "postgres", "psql", "pg_isready"]
            .iter()
            .all(|name| is_executable(&folder.join(name)))
    })
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// An account without rights, where we are root.
fn unprivileged() -> Option<Account> {
    // SAFETY: takes nothing and cannot fail.
    #[allow(unsafe_code)]
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").expect("the accounts");
    let account = |name: &str| {
        let fields = accounts.lines().map(|line| line.split(':').collect());
        let mut named = fields.filter(|fields: &Vec<&str>| fields.first() == Some(&name));
        let fields = named.next()?;
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Account {
            uid: number(2)?,
            gid: number(3)?,
        })
    };
    let account = account("postgres").or_else(|| account("nobody"));
    Some(account.expect("an account `postgres` or `nobody`: PostgreSQL refuses to be root"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::sync::mpsc;

    #[test]
    fn a_server_is_started_stopped_and_started_again_with_what_it_kept() {
        let Some(mut server) = Postgres::start(Durability::Disk) else {
            return;
        };
        server.create("ours");
        server.sql(
            "ours",
            "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7)",
        );
        server.stop();
        assert!(!server.answers());
        server.run();
        assert_eq!(server.sql("ours", "SELECT n FROM kept"), "7");
    }

    #[test]
    fn a_server_stops_though_a_client_connects_meanwhile_and_says_nothing() {
        let Some(mut server) = Postgres::start(Durability::None) else {
            return;
        };
        let address = server.address();
        let (stopped, is_stopped) = mpsc::channel::<()>();
        let clients = thread::spawn(move || {
            let mut silent = Vec::new();
            while is_stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                silent.extend(TcpStream::connect(address));
            }
            silent.len()
        });
        server.stop();
        drop(stopped);
        assert!(clients.join().unwrap() > 0);
    }
}
