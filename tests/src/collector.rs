//! A collector of OpenTelemetry for a story: takes traces over gRPC and keeps the spans. Judges nothing.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::Port;

/// A collector that runs until it is dropped.
#[derive(Debug)]
pub struct Collector {
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Kept {
    resources: Vec<Resource>,
    spans: Vec<Span>,
}

impl Collector {
    /// Starts one on a port.
    pub async fn start(port: &Port) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let listener = TcpListener::bind(port.address()).await.expect("the port");
        let service = TraceServiceServer::new(Service(Arc::clone(&kept)));
        let server = Server::builder().add_service(service);
        let serving = server.serve_with_incoming(TcpListenerStream::new(listener));
        let task = tokio::spawn(async move { serving.await.expect("the collector serves") });
        Self { kept, task }
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.kept).spans.clone()
    }

    /// Who sent them.
    pub fn resources(&self) -> Vec<Resource> {
        lock(&self.kept).resources.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(kept: &Mutex<Kept>) -> std::sync::MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Service(Arc<Mutex<Kept>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = lock(&self.0);
        for of_one in request.into_inner().resource_spans {
            kept.resources.extend(of_one.resource);
            let spans = of_one.scope_spans.into_iter().flat_map(|it| it.spans);
            kept.spans.extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
