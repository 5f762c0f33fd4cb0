//! Envoy as a process. What lives here: making a bootstrap of the repository's own files fit for a story
//! (addresses, ports, protocol), starting Envoy with it, and validating bootstraps. What does not: any
//! bootstrap of its own; the stories run what users load.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::admin::{Admin, vm_reloads};
use crate::process::Process;
use crate::{binaries, eventually};

/// How Envoy asks for its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Delta: only what changed.
    Delta,
    /// State of the world.
    StateOfTheWorld,
}

/// A bootstrap of the repository that is being made fit for one story.
#[derive(Clone, Debug)]
pub struct Bootstrap(Value);

impl Bootstrap {
    /// Reads `envoy/{name}` and fills in, as a user would, where the control plane and the filter are.
    pub fn read(name: &str, xds: SocketAddr, wasm: &Path) -> Self {
        let path = binaries::repository().join("envoy").join(name);
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text = text
            .replace("WATERSHED_HOST", &xds.ip().to_string())
            .replace("WATERSHED_PORT", &xds.port().to_string())
            .replace("/etc/envoy/watershed.wasm", &wasm.display().to_string());
        let value = serde_saphyr::from_str(&text);
        let mut bootstrap =
            Self(value.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        *bootstrap.at("/admin/address/socket_address/port_value") = json!(0);
        bootstrap
    }

    /// Which protocol Envoy speaks to the control plane.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        let api_type = match transport {
            Transport::Delta => "DELTA_GRPC",
            Transport::StateOfTheWorld => "GRPC",
        };
        *self.at("/dynamic_resources/ads_config/api_type") = json!(api_type);
        self
    }

    /// Lets the static listener listen on `address`.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        set_socket(
            self.at("/static_resources/listeners/0/address/socket_address"),
            address,
        );
        self
    }

    /// Lets a static cluster have `address` as its only endpoint.
    #[must_use]
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        let clusters = self
            .at("/static_resources/clusters")
            .as_array_mut()
            .expect("clusters are a list");
        let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == name);
        let cluster = cluster.unwrap_or_else(|| panic!("the bootstrap has no cluster {name:?}"));
        let endpoint =
            "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        set_socket(cluster.pointer_mut(endpoint).expect("an endpoint"), address);
        self
    }

    /// Another way to the control plane: the cluster `watershed` once more, as `name` and at `address`.
    #[must_use]
    pub fn another_way(mut self, name: &str, address: SocketAddr) -> Self {
        let clusters = self
            .at("/static_resources/clusters")
            .as_array_mut()
            .expect("clusters are a list");
        let first = clusters
            .iter()
            .find(|cluster| cluster["name"] == "watershed");
        let mut other = first.expect("there is one").clone();
        other["name"] = name.into();
        other["load_assignment"]["cluster_name"] = name.into();
        clusters.push(other);
        self.cluster(name, address)
    }

    /// What is at a JSON pointer; it has to be there, so that a change of the file is noticed.
    pub fn at(&mut self, pointer: &str) -> &mut Value {
        self.0
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("the bootstrap has no {pointer}"))
    }

    fn write(&self, path: &Path) {
        fs::write(path, self.0.to_string()).expect("write the bootstrap");
    }
}

fn set_socket(socket: &mut Value, address: SocketAddr) {
    socket["address"] = json!(address.ip().to_string());
    socket["port_value"] = json!(address.port());
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    admin: Admin,
}

impl Envoy {
    /// Starts Envoy and waits for its admin interface.
    pub async fn start(folder: &Path, bootstrap: &Bootstrap) -> Self {
        let config = folder.join("envoy.json");
        let admin_file = folder.join("envoy-admin");
        bootstrap.write(&config);
        let mut command = Command::new(binaries::envoy());
        command
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .args(["--concurrency", "2", "--disable-hot-restart"])
            .args([
                "--log-level",
                "warning",
                "--component-log-level",
                "wasm:info",
            ]);
        let mut process = Process::start(command, &folder.join("envoy.log"));
        let address = eventually("Envoy's admin interface is up", async || {
            if let Some(status) = process.ended() {
                panic!("Envoy ended with {status}\n{}", process.log_end());
            }
            let text = fs::read_to_string(&admin_file).map_err(|error| error.to_string())?;
            text.trim()
                .parse::<SocketAddr>()
                .map_err(|error| error.to_string())
        })
        .await;
        Self {
            process,
            admin: Admin::new(address),
        }
    }

    /// Its admin interface.
    pub fn admin(&self) -> Admin {
        self.admin
    }

    /// All that it wrote.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The end of its log.
    pub fn log_end(&self) -> String {
        self.process.log_end()
    }

    /// Fails where the filter's VM ever trapped or had to be loaded again.
    pub async fn assert_filter_unharmed(&mut self) {
        let harm = self.filter_harm().await;
        assert_eq!(harm, None, "{}", self.process.log_end());
    }

    /// How the filter's VM was harmed, if it was: Envoy counts every time it loads a VM again, and logs
    /// every trap.
    pub async fn filter_harm(&mut self) -> Option<String> {
        if let Some(status) = self.process.ended() {
            return Some(format!("Envoy ended with {status}"));
        }
        let stats = self.admin.stats().await;
        assert!(
            stats
                .get("wasm.envoy.wasm.runtime.v8.created")
                .is_some_and(|created| *created > 0),
            "no filter was ever loaded: {stats:?}"
        );
        let reloads = vm_reloads(&stats);
        let log = self.process.log();
        let traps = log.lines().filter(|line| is_trap(line)).count();
        let unharmed = reloads.is_empty() && traps == 0;
        (!unharmed).then(|| format!("{traps} traps; {reloads:?}"))
    }
}

/// Envoy's words for a trap, or the filter's own last ones before it.
fn is_trap(line: &str) -> bool {
    line.contains("in-VM backtrace") || line.contains("panicked at")
}

/// Runs `envoy --mode validate`; gives Envoy's output where it refuses the bootstrap.
///
/// # Errors
/// Envoy's words.
pub fn validate(folder: &Path, bootstrap: &Bootstrap) -> Result<(), String> {
    let config = folder.join("validate.json");
    bootstrap.write(&config);
    let output = Command::new(binaries::envoy())
        .args(["--mode", "validate", "--config-path"])
        .arg(&config)
        .output()
        .expect("run Envoy");
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
