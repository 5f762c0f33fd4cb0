//! The same decision outside of Envoy: an ext_authz service over gRPC with the same engine and 100
//! experiments. What lives here: headers in, headers out. What does not: the decision.

use super::{bootstrap, experiments};
use anyhow::Context as _;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HeaderAppendAction,
};
use envoy_types::ext_authz::v3::{
    CheckRequestExt as _, CheckResponseExt as _, OkHttpResponseBuilder,
};
use std::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use watershed_engine::{Headers, Noop, Plan};
use watershed_proto::{CLUSTER_HEADER, EXPERIMENT_HEADER, VARIANT_HEADER};

const NOW_MS: i64 = 1_795_000_000_000;

struct Service(Plan);

/// Serves on a free port of the loopback interface, which it prints, until it is killed.
///
/// # Errors
/// Where there is no port or the configuration is refused.
pub fn serve() -> anyhow::Result<()> {
    let plan = Plan::compile(&bootstrap::routing(&experiments(100), "bench")?)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tonic::transport::Server::builder()
            .add_service(AuthorizationServer::new(Service(plan)))
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .context("the service ended")
    })
}

#[tonic::async_trait]
impl Authorization for Service {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let headers = request.get_ref().get_client_headers();
        let headers = headers.ok_or_else(|| Status::invalid_argument("no headers"))?;
        let pairs: Vec<(&[u8], &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let mut response = CheckResponse::with_status(Status::ok("assigned"));
        response.set_http_response(self.decide(Headers::new(&pairs)).build());
        Ok(Response::new(response))
    }
}

impl Service {
    fn decide(&self, headers: Headers<'_>) -> OkHttpResponseBuilder {
        let mut answer = OkHttpResponseBuilder::new();
        let Some(service) = self.0.service(headers.host().as_deref(), headers.path()) else {
            return answer;
        };
        let request = watershed_engine::Request::new(headers, self.0.attributes());
        let decisions: Vec<_> = self
            .0
            .assign(service, &request, NOW_MS, &mut Noop)
            .collect();
        let joined = |keys: Vec<&str>| keys.join(",");
        let keys = decisions.iter().map(|one| one.experiment.key()).collect();
        let variants = decisions.iter().map(|one| one.variant.key()).collect();
        let mut set = |name: &str, value: String| {
            answer.add_header(
                name,
                value,
                Some(HeaderAppendAction::OverwriteIfExistsOrAdd),
                false,
            );
        };
        if !decisions.is_empty() {
            set(EXPERIMENT_HEADER, joined(keys));
            set(VARIANT_HEADER, joined(variants));
        }
        if let Some(cluster) = decisions.iter().find_map(|one| one.variant.cluster()) {
            set(CLUSTER_HEADER, cluster.to_owned());
        }
        answer
    }
}
