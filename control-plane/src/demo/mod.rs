//! `watershed demo`: the whole loop on one machine. Starts three upstream models, a control plane and
//! an Envoy that knows only the control plane; applies manifests; tells the [`story`]; then stays up.

mod load;
pub mod model;
mod process;
mod report;
mod story;

use crate::cli::apply;
use crate::cli::client::ApiClient;
use crate::cli::manifest::{self, Kind, Manifest};
use anyhow::{Context as _, bail};
use load::Gateway;
use process::{ControlPlane, Envoy};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

/// Arguments of `watershed demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// The Envoy binary.
    #[arg(long, env = "ENVOY_BIN", default_value = "envoy")]
    envoy: PathBuf,
    /// The filter.
    #[arg(long, env = "WATERSHED_WASM")]
    wasm_path: PathBuf,
    /// The manifests to apply.
    #[arg(long, default_value = "envoy/demo")]
    manifests: PathBuf,
    /// A folder for the demo's database and logs; made anew.
    #[arg(long, default_value = "target/demo")]
    folder: PathBuf,
    /// Where to write every printed figure.
    #[arg(long, default_value = "target/demo.json")]
    figures: PathBuf,
    /// How many conversations to send.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    requests: u32,
    /// End after the story; the exit code tells whether every step was right.
    #[arg(long)]
    once: bool,
}

/// The upstream models of the demo; each is also the name of its cluster.
const MODELS: [&str; 3] = ["stable-a", "candidate-b", "candidate-c"];
/// Tried first, so that the URLs are easy to remember.
const GATEWAY_PORT: u16 = 10_000;
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// Runs the demo.
///
/// # Errors
/// The stack does not come up, a step fails, or with `--once` a step's result is wrong.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let wasm = args
        .wasm_path
        .canonicalize()
        .with_context(|| format!("the filter at {}", args.wasm_path.display()))?;
    prepare(&args.folder)?;
    let folder = args.folder.canonicalize()?;

    println!("==> Start three models, the control plane and Envoy");
    let models = start_models().await?;
    let mut control_plane = ControlPlane::start(&folder, &wasm).await?;
    let envoy = Envoy::start(&args.envoy, &folder, control_plane.ready.xds).await?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, process::free_port(GATEWAY_PORT)?));
    println!("    logs are in {}", args.folder.display());

    println!("\n==> Apply {}", args.manifests.display());
    let api = ApiClient::new(&format!("http://{}", control_plane.ready.api), None);
    apply_manifests(&api, &args.manifests, &models, listen).await?;
    let gateway = Gateway::new(listen);
    until_split(&api, &gateway).await?;

    let stage = story::Stage {
        control_plane: &mut control_plane,
        api: api.clone(),
        gateway,
        requests: usize::try_from(args.requests)?,
    };
    let figures = story::tell(stage).await?;
    if let Some(parent) = args.figures.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&args.figures, serde_json::to_vec_pretty(&figures)?)?;
    println!(
        "\n==> {}; figures in {}",
        if figures.ok {
            "Every step was right"
        } else {
            "Some steps were WRONG"
        },
        args.figures.display()
    );
    if !args.once {
        stay(&control_plane, &envoy, listen).await?;
    }
    if !figures.ok {
        bail!("{}", figures.faults.join("; "));
    }
    Ok(())
}

fn prepare(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
            return Err(fault).with_context(|| format!("clear {}", folder.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

async fn start_models() -> anyhow::Result<Vec<(&'static str, SocketAddr)>> {
    let mut models = Vec::new();
    for name in MODELS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        models.push((name, listener.local_addr()?));
        tokio::spawn(model::serve(
            model::Settings::named(name),
            listener,
            std::future::pending(),
        ));
    }
    Ok(models)
}

async fn apply_manifests(
    api: &ApiClient,
    path: &Path,
    models: &[(&str, SocketAddr)],
    listen: SocketAddr,
) -> anyhow::Result<()> {
    for mut manifest in manifest::load(path)? {
        place(&mut manifest, models, listen);
        apply::put(api, &manifest).await?;
        println!(
            "    {:<10} {}",
            format!("{:?}", manifest.kind),
            manifest.key
        );
        if manifest.kind == Kind::Experiment {
            api.post(&format!("{}/start", manifest.path())).await?;
        }
    }
    Ok(())
}

/// Puts the demo's own ports where the manifests have placeholders.
fn place(manifest: &mut Manifest, models: &[(&str, SocketAddr)], listen: SocketAddr) {
    let Some(spec) = manifest.spec.as_object_mut() else {
        return;
    };
    let address = |on: SocketAddr| json!([{"address": on.ip().to_string(), "port": on.port()}]);
    match manifest.kind {
        Kind::Cluster => {
            if let Some((_, on)) = models.iter().find(|(name, _)| *name == manifest.key) {
                spec.insert("endpoints".to_owned(), address(*on));
            }
        }
        Kind::Service => {
            spec.insert("listeners".to_owned(), address(listen));
        }
        Kind::Settings
        | Kind::Segment
        | Kind::Layer
        | Kind::Holdout
        | Kind::Metric
        | Kind::Experiment => {}
    }
}

/// Waits until the proxy has everything and answers.
async fn until_split(api: &ApiClient, gateway: &Gateway) -> anyhow::Result<()> {
    story::until_in_sync(api, "chat-model").await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match gateway.ask("first").await {
            Ok(answer) if answer.variant("chat-model").is_some() => return Ok(()),
            Ok(_) | Err(_) if Instant::now() < deadline => sleep(POLL).await,
            Ok(answer) => bail!("the gateway answers without splitting: {answer:?}"),
            Err(fault) => return Err(fault).context("the gateway does not answer"),
        }
    }
}

async fn stay(
    control_plane: &ControlPlane,
    envoy: &Envoy,
    listen: SocketAddr,
) -> anyhow::Result<()> {
    let api = control_plane.ready.api;
    println!(
        "
The stack stays up. Press Ctrl-C to end it.
    gateway        http://{listen}/v1/chat/completions
    control plane  http://{api}/v1/experiments
    Envoy admin    http://{}

Try:
    curl -s http://{listen}/v1/chat/completions -H 'x-conversation-id: alice' -d '{{\"messages\":[]}}'
    curl -s -X PATCH http://{api}/v1/experiments/chat-model/weights -H 'content-type: application/json' -d '{{\"stable\":0,\"candidate-b\":10000,\"candidate-c\":0}}'
    curl -s http://{api}/v1/experiments/chat-model/status",
        envoy.admin
    );
    tokio::signal::ctrl_c().await.context("wait for Ctrl-C")
}
