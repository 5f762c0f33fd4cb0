//! Wiring: the command line, and the one place where store, model, publisher, API and gRPC services
//! meet. No decisions.

use crate::ads::{Ads, Fleets, Registry};
use crate::api::{self, AppState, Auth, Gate};
use crate::cli::apply::{self, ApplyArgs};
use crate::cli::audit::{self, AuditArgs};
use crate::cli::explain::{self, ExplainArgs};
use crate::cli::export::{self, ExportArgs};
use crate::cli::exposures::{self, ExposuresArgs};
use crate::cli::force::{self, ForceArgs};
use crate::cli::get::{self, GetArgs};
use crate::cli::life::{self, Life};
use crate::cli::outcomes::{self, OutcomesArgs};
use crate::cli::output;
use crate::cli::peers::{self, ImportArgs};
use crate::cli::plan::{self, PlanArgs};
use crate::cli::results::{self, ResultsArgs};
use crate::cli::simulate::{self, SimulateArgs};
use crate::cli::status::{self, StatusArgs};
use crate::clock;
use crate::config::{ServeConfig, StoreConfig, TelemetryConfig, XdsSecurity};
use crate::control::Control;
use crate::demo::model::{self, ModelArgs};
use crate::demo::{self, DemoArgs};
use crate::evidence::Evidence;
use crate::evidence::accounts::Accounts;
use crate::evidence::desk::Desk;
use crate::evidence::exchange::Exchange;
use crate::evidence::ingest::AccessLogs;
use crate::evidence::stats_sink::StatsSink;
use crate::leader::Candidate;
use crate::metrics::{Metrics, Spans};
use crate::open_files;
use crate::publish::FleetPublisher;
use crate::replicas;
use crate::resources::Settings;
use crate::schedule::driver::Driver;
use crate::store::Store;
use crate::tls::{self, FleetRule, Incoming, RemoteAddress, Security, TlsFiles};
use crate::traces;
use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use watershed_evidence::reconcile::Reconciler;

/// Splits live traffic for experiments inside Envoy, and decides from a control plane.
#[derive(Debug, clap::Parser)]
#[command(name = "watershed", version = env!("WATERSHED_BUILD"))]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the control plane.
    Serve(Box<ServeConfig>),
    /// Put a file or a folder of manifests through the API.
    Apply(ApplyArgs),
    /// Show what there is.
    Get(GetArgs),
    /// Show what the proxies have acknowledged.
    Status(StatusArgs),
    #[command(flatten)]
    Life(Life),
    /// Show who did what, when, from where and why.
    Audit(AuditArgs),
    /// Say what an experiment came to: trust, effects and verdicts.
    Results(Box<ResultsArgs>),
    /// Compute units, power or the smallest effect of an experiment to come; asks no server.
    Plan(Box<PlanArgs>),
    /// Report outcomes from a file.
    Outcomes(Box<OutcomesArgs>),
    /// Print raw exposures, one a line.
    Exposures(Box<ExposuresArgs>),
    /// Take made-up units through an experiment and show their split.
    Simulate(Box<SimulateArgs>),
    /// Restore what `export` wrote; or, with --from, make manifests of another system's flags that keep
    /// every unit in its variant.
    Import(Box<ImportArgs>),
    /// Show what would become of a request, and why.
    Explain(Box<ExplainArgs>),
    /// Print a token that gives its bearer one variant, for testing.
    Force(ForceArgs),
    /// Write the whole state as YAML, for a backup; there are secrets in it.
    Export(ExportArgs),
    /// Print what makes a shell complete these commands.
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// Show the whole loop on this machine: models, control plane, Envoy, traffic.
    Demo(DemoArgs),
    /// Run an upstream "model" that answers chat completions, for demos and tests.
    Model(ModelArgs),
}

/// Runs what the command line asks for.
///
/// # Errors
/// What a person has to know; the process then ends with a failure.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let spans = Spans::default();
    let collector = match &cli.command {
        Command::Serve(config) => config.traces.endpoint(),
        _ => None,
    };
    let traces = traces::start(collector, &spans)?;
    let ended = run_command(cli.command, spans).await;
    traces.end().await;
    ended
}

async fn run_command(command: Command, spans: Spans) -> anyhow::Result<()> {
    match command {
        Command::Serve(config) => serve(*config, spans, terminated()?).await,
        Command::Apply(args) => apply::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Life(life) => life::run(life).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Results(args) => results::run(*args).await,
        Command::Plan(args) => plan::run(&args),
        Command::Outcomes(args) => outcomes::run(*args).await,
        Command::Exposures(args) => exposures::run(*args).await,
        Command::Simulate(args) => simulate::run(*args).await,
        Command::Completion { shell } => output::print(&completion(shell)),
        Command::Import(args) => peers::run(*args).await,
        Command::Explain(args) => explain::run(*args).await,
        Command::Force(args) => force::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Model(args) => model::run(args).await,
    }
}

fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "watershed", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// How long open streams may take to end when the control plane does.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a silent proxy's connection is kept.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the control plane until `stop`.
///
/// # Errors
/// The store cannot be opened, an address cannot be bound, or a server fails.
pub async fn serve(
    config: ServeConfig,
    spans: Spans,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    open_files::allow_as_many_as_possible();
    let auth = config.api.auth()?;
    let xds_security = config.xds.security()?;
    let metrics = Arc::new(Metrics::with_spans(spans));
    let fleets = Arc::new(Fleets::default());
    let registry = Registry::new(Arc::clone(&fleets), Arc::clone(&metrics));
    let settings = Settings {
        wasm_path: config.filter.wasm_path,
    };
    let publisher = Arc::new(FleetPublisher::new(Arc::clone(&fleets), settings));
    let database = config.store.target();
    let store = Store::connect(&database).await?;
    let control = Control::start(store.clone(), publisher, Arc::clone(&metrics)).await?;
    let gate = gate(auth, &store, Arc::clone(&metrics)).await?;

    let api_security = secure(config.api.tls(), [].into(), &metrics).await?;
    let xds_security = match xds_security {
        XdsSecurity::Plaintext => Security::Plaintext,
        XdsSecurity::Mutual(files, rules) => secure(Some(files), rules.into(), &metrics).await?,
    };
    let api = bind(config.api.api_address)?;
    let xds = bind(config.xds.xds_address)?;
    let addresses = (api.local_addr()?, xds.local_addr()?);
    warn_of_plaintext(addresses, (&api_security, &xds_security));
    let evidence_database = config.evidence.target(&config.store);
    tracing::info!(
        api = %addresses.0, xds = %addresses.1, %database, evidence = %evidence_database, "listening"
    );

    let proxies = Arc::new(crate::ads::FleetView::new(
        Arc::clone(&fleets),
        Arc::clone(&registry),
    ));
    let stopping = CancellationToken::new();
    let (evidence, keeper) = Evidence::open(
        &config.evidence,
        &evidence_database,
        control.watch(),
        (clock::now, &stopping),
    )
    .await?;
    metrics.watch(evidence.pipeline.clone());
    let is_alone = !store.is_shared();
    let accounts = accounts(&config.telemetry, &evidence, is_alone, &metrics).await?;
    let mut state = AppState {
        control,
        proxies,
        metrics: Arc::clone(&metrics),
        accounts: Arc::clone(&accounts),
        gate,
        store,
        evidence: None,
        clock: clock::now,
    };
    let writer = getrandom::u64().context("no randomness")?.cast_signed();
    let desk = Desk::new(Arc::clone(&evidence.store), evidence.units.clone(), writer);
    state.evidence = Some(Arc::new(desk));
    let leads = join(&config.store, &state, &stopping)?;
    if let Some(target) = config.exposures.target(config.evidence.retention().raw) {
        tracing::info!(nats = %target.servers, stream = %target.stream, "exposures are published");
        let metrics = Arc::clone(&metrics);
        evidence.publish(target, metrics, leads.clone(), (clock::now, &stopping));
    }
    let schedule = Driver::new(Arc::clone(&state.control), clock::now).run(leads);
    let router = api::router(state).into_make_service_with_connect_info::<RemoteAddress>();
    let api = Incoming::new(api, api_security)?;
    let rest = axum::serve(api, router).with_graceful_shutdown(stopping.clone().cancelled_owned());
    let counters = StatsSink::service(Arc::clone(&metrics), Arc::clone(&accounts));
    let access_logs = AccessLogs {
        metrics,
        evidence,
        accounts,
        clock: clock::now,
    };
    let services = Routes::default()
        .add_service(counters)
        .add_service(access_logs.service());
    let services = Ads::new(fleets, registry).add_to(services);
    let grpc = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_routes(services)
        .serve_with_incoming_shutdown(
            Incoming::new(xds, xds_security)?,
            stopping.clone().cancelled_owned(),
        );
    if let Some(file) = &config.ready_file {
        tell_ready(file, addresses)?;
    }

    let servers = async {
        tokio::try_join!(async { rest.await.context("API") }, async {
            grpc.await.context("xDS")
        })
    };
    tokio::pin!(servers);
    tokio::select! {
        ended = &mut servers => { ended?; }
        () = schedule => {}
        () = stop => {
            tracing::info!("stopping");
            stopping.cancel();
            // Proxies keep their streams open for ever; they go on with what they have.
            if let Ok(ended) = tokio::time::timeout(DRAIN, servers).await {
                ended?;
            }
            // What came is kept, unless the database does not answer.
            let _ = tokio::time::timeout(DRAIN, keeper).await;
        }
    }
    Ok(())
}

/// The account of what arrives. Where there are no other replicas, it goes on from what was kept of it with the
/// evidence, and is kept with what comes.
async fn accounts(
    config: &TelemetryConfig,
    evidence: &Evidence,
    is_alone: bool,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Arc<Accounts>> {
    let kept = match is_alone {
        true => evidence.store.account().await?,
        false => None,
    };
    let resumed = kept.and_then(|kept| {
        Reconciler::resumed(&kept, config.settle())
            .inspect_err(|fault| tracing::warn!(%fault, "the account of what arrived begins anew"))
            .ok()
    });
    let began = clock::now().as_microsecond();
    let reconciler = resumed.unwrap_or_else(|| Reconciler::new(began, config.settle()));
    let threshold = config.telemetry_missing_over;
    let accounts = Arc::new(Accounts::new(reconciler, threshold, Arc::clone(metrics)));
    if is_alone && evidence.store.keeps_accounts() {
        let kept = Arc::clone(&accounts);
        evidence.pipeline.accompany(move || kept.keep());
    }
    Ok(accounts)
}

/// Opens the gate. Where nobody could come in yet, it makes the first key and shows it, this once.
async fn gate(auth: Auth, store: &Store, metrics: Arc<Metrics>) -> anyhow::Result<Arc<Gate>> {
    let nobody = matches!(
        auth,
        Auth::Keys {
            command_line: None,
            open_id: None,
            ..
        }
    );
    if nobody && let Some(key) = api::bootstrap(store, clock::now()).await? {
        println!("The first admin key, shown this once: {}", key.reveal());
        tracing::info!("the first admin key, `bootstrap`, was printed on standard output");
    }
    Gate::open(auth, store.clone(), metrics, clock::now).await
}

/// Takes a place among the replicas of the store: follows what they write, shares what proxies tell, and
/// stands for leader.
fn join(
    config: &StoreConfig,
    state: &AppState,
    stopping: &CancellationToken,
) -> anyhow::Result<watch::Receiver<bool>> {
    let name = format!("{:016x}", getrandom::u64().context("no randomness")?);
    let candidate = Candidate {
        store: state.store.clone(),
        lock: config.leader_lock,
        holder: name.clone(),
        metrics: Arc::clone(&state.metrics),
    };
    tokio::spawn(replicas::follow(
        Arc::clone(&state.control),
        state.store.clone(),
        config.poll(),
        stopping.clone(),
    ));
    let exchange = Exchange::new(Arc::clone(&state.accounts), state.store.clone(), name);
    tokio::spawn(exchange.run(clock::now, stopping.clone()));
    Ok(candidate.stand(stopping.clone()))
}

/// What a port shows and asks for.
async fn secure(
    files: Option<TlsFiles>,
    rules: Arc<[FleetRule]>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Security> {
    let Some(files) = files else {
        return Ok(Security::Plaintext);
    };
    let port = files.port;
    let newest = files.watch(Arc::clone(metrics), clock::now).await;
    let newest = newest.with_context(|| format!("TLS for the {port} port"))?;
    Ok(Security::Tls(newest, rules))
}

/// Says where others can read along.
fn warn_of_plaintext((api, xds): (SocketAddr, SocketAddr), security: (&Security, &Security)) {
    let ports = [("api", api, security.0), ("xds", xds, security.1)];
    for (port, address, security) in ports {
        if matches!(security, Security::Plaintext) && !address.ip().is_loopback() {
            tracing::warn!(port, %address, "without TLS: whoever is on the way reads and changes what is said");
        }
    }
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    tls::listen(address).with_context(|| format!("listen on {address}"))
}

/// Written beside and renamed, so that whoever waits for it never reads a part.
fn tell_ready(file: &Path, (api, xds): (SocketAddr, SocketAddr)) -> anyhow::Result<()> {
    let part = file.with_extension("part");
    let text = json!({"api": api.to_string(), "xds": xds.to_string()}).to_string();
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, file))
        .with_context(|| format!("write {}", file.display()))
}

/// Resolves when the process is asked to end.
fn terminated() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut term = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}
