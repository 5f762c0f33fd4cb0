//! A child process of a story. What lives here: starting it with its output in a file, and seeing to it
//! that it never outlives the story, however that ends. What does not: what the process is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running child; killed when dropped, and by the kernel when the story's thread is gone.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the log file twice"))
            .stderr(output);
        die_with_parent(&mut command);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {command:?}: {error}"));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child")
    }

    /// Waits until it `answers`, as long as `patience` lasts.
    ///
    /// # Panics
    /// It ended, or did not answer; with the end of what it wrote.
    pub fn until(&mut self, name: &str, patience: Duration, answers: impl Fn() -> bool) {
        let answered = wait_until(patience, || {
            if let Some(status) = self.ended() {
                panic!("{name} ended with {status}\n{}", self.log_end());
            }
            answers()
        });
        assert!(answered, "{name} does not answer\n{}", self.log_end());
    }

    /// Sends a signal.
    #[allow(unsafe_code)]
    pub fn signal(&self, signal: i32) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child was not waited for, or is still ours to wait for, so that the id is its.
        unsafe { libc::kill(id, signal) };
    }

    /// `kill -9`; returns when the process is gone.
    pub fn kill(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of what it wrote, under a title.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = &lines[lines.len().saturating_sub(40)..];
        format!(
            "---- the end of {}\n{}\n",
            self.log.display(),
            end.join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The one place that polls. Whether it came true.
#[expect(
    clippy::disallowed_methods,
    reason = "not only for tests with a runtime"
)]
pub(crate) fn wait_until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: the closure runs between fork and exec and makes one system call, which is
    // async-signal-safe and touches no memory.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            },
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}
