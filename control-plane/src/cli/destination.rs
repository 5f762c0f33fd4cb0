//! Where files go that commands write: a folder, or a bucket of S3 or of what speaks its protocol. What does not
//! live here: what is in them.

use super::client;
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{self, connect};
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _};
use std::fs;

/// A folder or a bucket's part that files are written to.
#[derive(Debug)]
pub(super) struct Destination {
    store: Box<dyn ObjectStore>,
    /// What all names begin with.
    prefix: Path,
    /// The same as it was named, for people.
    named: String,
}

impl Destination {
    /// Opens `named`: `s3://BUCKET/PREFIX` with what `environment` says in AWS's own variables of keys, region and
    /// endpoint, or a folder, which is made where there is none.
    ///
    /// # Errors
    /// A folder that can't be made, or a bucket or variable that makes no sense. Whether the bucket is there shows when
    /// something is written.
    pub(super) fn open(
        named: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let (store, prefix) = match named.split_once("://") {
            Some(("s3", rest)) => {
                let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                anyhow::ensure!(!name.is_empty(), "{named} names no bucket");
                let prefix =
                    Path::parse(prefix).with_context(|| format!("the prefix in {named}"))?;
                (
                    bucket(name, environment).with_context(|| format!("open {named}"))?,
                    prefix,
                )
            }
            Some(_) => anyhow::bail!("{named} is neither a folder nor s3://BUCKET/PREFIX"),
            None => (folder(named)?, Path::default()),
        };
        let named = named.trim_end_matches('/').to_owned();
        Ok(Self {
            store,
            prefix,
            named,
        })
    }

    /// Writes a file, whole or not at all, over the one that has this name. Gives where it is.
    ///
    /// # Errors
    /// What the file system or the service says. A service that is away is asked again for some minutes.
    pub(super) async fn write(&self, name: &str, content: Bytes) -> anyhow::Result<String> {
        let place = format!("{}/{name}", self.named);
        let path = self.prefix.clone().join(name);
        let written = self.store.put(&path, content.into()).await;
        written.with_context(|| format!("write {place}"))?;
        Ok(place)
    }
}

fn folder(named: &str) -> anyhow::Result<Box<dyn ObjectStore>> {
    let cannot = || format!("write {named}");
    fs::create_dir_all(named).with_context(cannot)?;
    let folder = LocalFileSystem::new_with_prefix(named).with_context(cannot)?;
    Ok(Box::new(folder))
}

fn bucket(
    name: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<Box<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::new().with_bucket_name(name);
    for (name, value) in environment {
        if name.starts_with("AWS_")
            && let Ok(key) = name.to_ascii_lowercase().parse()
        {
            builder = builder.with_config(key, value);
        }
    }
    Ok(Box::new(builder.with_http_connector(Connector).build()?))
}

/// Makes clients of the one HTTP library that is here.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plaintext = options.get_config_value(&ClientConfigKey::AllowHttp);
        Ok(HttpClient::new(Service {
            http: client::http(client::system_roots()),
            allows_plaintext: plaintext.as_deref() == Some("true"),
        }))
    }
}

#[derive(Debug)]
struct Service {
    http: legacy::Client<HttpsConnector<connect::HttpConnector>, HttpRequestBody>,
    allows_plaintext: bool,
}

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !self.allows_plaintext && request.uri().scheme_str() != Some("https") {
            let fault = std::io::Error::other("plaintext is not allowed (AWS_ALLOW_HTTP=true)");
            return Err(HttpError::new(HttpErrorKind::Unknown, fault));
        }
        let answered = self.http.request(request).await.map_err(|fault| {
            let kind = match fault.is_connect() {
                true => HttpErrorKind::Connect,
                false => HttpErrorKind::Request,
            };
            HttpError::new(kind, fault)
        })?;
        let (head, body) = answered.into_parts();
        let body = body.map_err(|fault| HttpError::new(HttpErrorKind::Interrupted, fault));
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::State;
    use http::{HeaderMap, Method, StatusCode, Uri};
    use std::sync::{Arc, Mutex};

    /// What a stand-in for S3 was sent: method, path, who signed, bytes.
    type Log = Arc<Mutex<Vec<(Method, String, String, Bytes)>>>;

    async fn receive(
        State((log, status)): State<(Log, StatusCode)>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, HeaderMap) {
        let signed = headers["authorization"].to_str().unwrap().to_owned();
        log.lock()
            .unwrap()
            .push((method, uri.path().to_owned(), signed, body));
        (
            status,
            HeaderMap::from_iter([(http::header::ETAG, "\"1\"".parse().unwrap())]),
        )
    }

    async fn stand_in(status: StatusCode) -> (Log, Vec<(String, String)>) {
        let log = Log::default();
        let router = Router::new()
            .fallback(receive)
            .with_state((Arc::clone(&log), status));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let environment = [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "a-key"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret"),
            ("HOME", "/nowhere"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        (log, environment.into())
    }

    #[tokio::test]
    async fn a_file_goes_into_a_bucket_signed_and_under_its_prefix() {
        let (log, environment) = stand_in(StatusCode::OK).await;
        let destination = Destination::open("s3://lake/raw/exposures/", environment).unwrap();
        let place = destination.write("a.parquet", Bytes::from_static(b"PAR1"));
        assert_eq!(place.await.unwrap(), "s3://lake/raw/exposures/a.parquet");
        let log = log.lock().unwrap();
        let [(method, path, signed, body)] = log.as_slice() else {
            panic!("{log:?}");
        };
        assert_eq!((method, body.as_ref()), (&Method::PUT, &b"PAR1"[..]));
        assert_eq!(path, "/lake/raw/exposures/a.parquet");
        let by = "AWS4-HMAC-SHA256 Credential=a-key/";
        assert!(
            signed.starts_with(by) && signed.contains("/eu-central-1/s3/"),
            "{signed}"
        );
    }

    #[tokio::test]
    async fn what_a_bucket_refuses_is_told_with_its_place() {
        let (_, environment) = stand_in(StatusCode::FORBIDDEN).await;
        let destination = Destination::open("s3://lake", environment).unwrap();
        let refused = destination.write("a.parquet", Bytes::new()).await;
        let told = format!("{:#}", refused.unwrap_err());
        assert!(
            told.starts_with("write s3://lake/a.parquet: ") && told.contains("403"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn plaintext_is_spoken_to_nobody_who_was_not_allowed_it() {
        let (log, mut environment) = stand_in(StatusCode::OK).await;
        environment.retain(|(name, _)| name != "AWS_ALLOW_HTTP");
        let destination = Destination::open("s3://lake", environment).unwrap();
        let refused = destination.write("a.parquet", Bytes::new()).await;
        let told = format!("{:#}", refused.unwrap_err());
        assert!(told.contains("AWS_ALLOW_HTTP"), "{told}");
        assert!(log.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_folder_is_made_and_a_file_in_it_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("a/b");
        let destination = Destination::open(within.to_str().unwrap(), []).unwrap();
        for content in ["one", "two"] {
            destination.write("it", Bytes::from(content)).await.unwrap();
        }
        let names: Vec<_> = fs::read_dir(&within).unwrap().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(fs::read_to_string(within.join("it")).unwrap(), "two");
    }

    #[test]
    fn garbage_is_no_destination() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let below_a_file = format!("{}/x", file.path().display());
        for named in [
            "s3://",
            "s3:///a",
            "s3://lake/a//b",
            "gs://lake",
            &below_a_file,
        ] {
            let told = Destination::open(named, []).map(|_| ()).unwrap_err();
            let told = format!("{told:#}");
            assert!(
                told.contains(named.trim_end_matches('/')),
                "{named}: {told}"
            );
        }
    }
}
