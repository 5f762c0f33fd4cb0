//! Traffic through a proxy. What lives here: asking as many units as fast as a few connections can, and
//! traffic that runs beside what a story does and counts what failed. What does not: judging the
//! answers; see [`crate::split`].

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::eventually;
use crate::http::{Connection, Request, Response};

/// Connections in parallel; more does not help on small machines.
const CONNECTIONS: usize = 16;

/// What one request got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The model that answered; empty where none did.
    pub model: String,
    /// `x-experiment-id` as the model saw it, all values joined with a comma; empty where it was not set.
    pub experiment: String,
    /// `x-variant`, likewise.
    pub variant: String,
}

impl From<&Response> for Answer {
    fn from(response: &Response) -> Self {
        let body = response.json();
        let text = |pointer| {
            body.pointer(pointer)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            status: response.status,
            model: text("/model"),
            experiment: text("/received/x-experiment-id"),
            variant: text("/received/x-variant"),
        }
    }
}

/// The units of a story: `unit-0`, `unit-1`, … They are the same in every run, so that what a hash does
/// with them is, too.
pub fn units(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("unit-{n}")).collect()
}

/// The request of one conversation.
pub fn request(unit: &str) -> Request {
    Request::get("/v1/models").header("x-conversation-id", unit)
}

/// Asks once as each unit; the answers are in the order of the units. A request without an answer
/// fails the story.
pub async fn ask_all(gateway: SocketAddr, units: &[String]) -> Vec<Answer> {
    let mut tasks = JoinSet::new();
    let share = units.len().div_ceil(CONNECTIONS).max(1);
    for (position, chunk) in units.chunks(share).enumerate() {
        let chunk = chunk.to_vec();
        tasks.spawn(async move {
            let mut connection = Connection::open(gateway).await.expect("the proxy listens");
            let mut answers = Vec::with_capacity(chunk.len());
            for unit in chunk {
                let response = connection.send(&request(&unit)).await;
                answers.push(Answer::from(&response.expect("the proxy answers")));
            }
            (position, answers)
        });
    }
    let mut chunks = tasks.join_all().await;
    chunks.sort_by_key(|(position, _)| *position);
    chunks
        .into_iter()
        .flat_map(|(_, answers)| answers)
        .collect()
}

/// One request, as one unit.
pub async fn ask(gateway: SocketAddr, unit: &str) -> Answer {
    ask_all(gateway, &[unit.to_owned()]).await.remove(0)
}

/// Traffic that runs until it is stopped.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    answered: AtomicU64,
    faults: std::sync::Mutex<Vec<String>>,
    models: std::sync::Mutex<BTreeSet<String>>,
}

impl Traffic {
    /// Starts asking as many different units, a few at a time.
    pub fn start(gateway: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for worker in 0..4 {
            tasks.spawn(run(gateway, worker, Arc::clone(&shared)));
        }
        Self { shared, tasks }
    }

    /// Waits until so many more requests were answered.
    pub async fn until_answered(&self, more: u64) {
        let answered = || self.shared.answered.load(Ordering::Relaxed);
        let target = answered() + more;
        eventually("traffic goes on", async || match answered() {
            now if now >= target => Ok(()),
            now => Err(format!(
                "{now} of {target} answered; faults: {:?}",
                self.shared.faults
            )),
        })
        .await;
    }

    /// Stops, and fails the story where any request was answered with anything but 200. Returns the
    /// models that answered.
    pub async fn stop_unharmed(self) -> BTreeSet<String> {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        let faults = self.shared.faults.lock().expect("no worker panicked");
        let answered = self.shared.answered.load(Ordering::Relaxed);
        assert!(
            faults.is_empty(),
            "{} of {answered} requests failed: {:?}",
            faults.len(),
            faults.first()
        );
        assert!(answered > 0, "there was no traffic");
        self.shared
            .models
            .lock()
            .expect("no worker panicked")
            .clone()
    }
}

async fn run(gateway: SocketAddr, worker: usize, shared: Arc<Shared>) {
    let mut connection = None;
    for n in 0.. {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        let unit = format!("traffic-{worker}-{}", n % 1_000);
        match exchange(gateway, &mut connection, &unit).await {
            Ok(answer) if answer.status == 200 => {
                shared
                    .models
                    .lock()
                    .expect("no worker panicked")
                    .insert(answer.model);
            }
            Ok(answer) => shared
                .faults
                .lock()
                .expect("no worker panicked")
                .push(format!("{unit}: {answer:?}")),
            Err(error) => {
                connection = None;
                shared
                    .faults
                    .lock()
                    .expect("no worker panicked")
                    .push(format!("{unit}: {error}"));
                // Nobody listens: not worth a busy loop.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
        shared.answered.fetch_add(1, Ordering::Relaxed);
    }
}

async fn exchange(
    gateway: SocketAddr,
    connection: &mut Option<Connection>,
    unit: &str,
) -> std::io::Result<Answer> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(gateway).await?),
    };
    let response = open.send(&request(unit)).await?;
    // A proxy that drains a listener says so; the next request then goes to its successor.
    if response
        .header("connection")
        .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    {
        *connection = None;
    }
    Ok(Answer::from(&response))
}
