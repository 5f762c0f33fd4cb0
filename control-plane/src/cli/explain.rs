//! `watershed explain`: asks the API what would become of a request, and shows why. How the answer
//! looks is `tree`'s.

mod tree;

use super::output;
use super::server::ServerArgs;
use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use std::str::FromStr;

/// Arguments of `watershed explain`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExplainArgs {
    /// The experiment; every one in scope where not given.
    #[arg(short, long, value_name = "KEY")]
    experiment: Option<String>,
    /// The unit, put where the experiment looks first.
    #[arg(short, long, value_name = "UNIT", requires = "experiment")]
    unit: Option<String>,
    #[command(flatten)]
    request: RequestArgs,
    /// What chance says, from 0 to below 1.
    #[arg(long)]
    chance: Option<f64>,
    /// `tree` for people, `json` for programs.
    #[arg(short, long, default_value = "tree")]
    output: Output,
    #[command(flatten)]
    server: ServerArgs,
}

/// What a request is, as far as it matters.
#[derive(Debug, Clone, clap::Args)]
pub struct RequestArgs {
    /// The method.
    #[arg(short = 'X', long)]
    method: Option<String>,
    /// The host; the experiment's where not given.
    #[arg(long)]
    host: Option<String>,
    /// The path, with or without query; the experiment's where not given.
    #[arg(long)]
    path: Option<String>,
    /// A header, as `name: value`. May repeat.
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<Header>,
    /// A query parameter, as `name=value`. May repeat.
    #[arg(long, value_name = "NAME=VALUE")]
    query: Vec<Parameter>,
    /// The body, or `@FILE`.
    #[arg(short = 'd', long, value_name = "BODY")]
    body: Option<String>,
    /// The client's address.
    #[arg(long, value_name = "IP")]
    source_address: Option<String>,
    /// The payload of a verified token, as `provider={"sub": "u"}`. May repeat.
    #[arg(long, value_name = "PROVIDER=JSON")]
    jwt: Vec<Parameter>,
    /// The time, in RFC 3339.
    #[arg(long)]
    time: Option<String>,
    /// The fleet that serves the request.
    #[arg(long)]
    fleet: Option<String>,
    /// The slice of the fleet that its proxy is in.
    #[arg(long)]
    slice: Option<String>,
    /// The listener that takes the request, as `0.0.0.0:10000`.
    #[arg(long)]
    listener: Option<String>,
}

/// How the answer is shown.
#[derive(Debug, Clone, Copy, Eq, PartialEq, clap::ValueEnum)]
enum Output {
    Tree,
    Json,
}

/// `name: value`
#[derive(Debug, Clone, Eq, PartialEq)]
struct Header(String, String);

/// `name=value`
#[derive(Debug, Clone, Eq, PartialEq)]
struct Parameter(String, String);

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').ok_or("expected `name: value`")?;
        Ok(Self(name.trim().to_owned(), value.trim().to_owned()))
    }
}

impl FromStr for Parameter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("expected `name=value`")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// Prints what becomes of the request that `args` describe.
///
/// # Errors
/// A body that cannot be read, or the API's problem.
pub async fn run(args: ExplainArgs) -> anyhow::Result<()> {
    output::print(&explained(&args).await?)
}

pub(super) async fn explained(args: &ExplainArgs) -> anyhow::Result<String> {
    let request = args.request()?;
    let client = args.server.client();
    let answer = client.post_with("/v1/evaluate", &request).await?;
    Ok(match args.output {
        Output::Json => serde_json::to_string_pretty(&answer)? + "\n",
        Output::Tree => tree::show(&answer, args.experiment.as_deref()),
    })
}

impl ExplainArgs {
    /// The body of the request to the API.
    fn request(&self) -> anyhow::Result<Value> {
        let mut request = self.request.described()?;
        for (field, value) in [("experiment", &self.experiment), ("unit", &self.unit)] {
            if let Some(value) = value {
                request.insert(field.to_owned(), value.clone().into());
            }
        }
        if let Some(chance) = self.chance {
            request.insert("chance".to_owned(), chance.into());
        }
        Ok(Value::Object(request))
    }
}

impl RequestArgs {
    /// The fields that describe it to the API.
    pub(super) fn described(&self) -> anyhow::Result<Map<String, Value>> {
        let mut request = Map::new();
        let texts = [
            ("method", &self.method),
            ("host", &self.host),
            ("path", &self.path),
            ("source_address", &self.source_address),
            ("time", &self.time),
            ("fleet", &self.fleet),
            ("slice", &self.slice),
            ("listener", &self.listener),
        ];
        for (field, value) in texts {
            if let Some(value) = value {
                request.insert(field.to_owned(), value.clone().into());
            }
        }
        if let Some(body) = &self.body {
            request.insert("body".to_owned(), read_body(body)?.into());
        }
        let headers = self.header.iter().map(|Header(n, v)| (n, v.clone().into()));
        insert(&mut request, "headers", headers)?;
        let query = self
            .query
            .iter()
            .map(|Parameter(n, v)| (n, v.clone().into()));
        insert(&mut request, "query", query)?;
        let mut claims = Vec::new();
        for Parameter(provider, payload) in &self.jwt {
            let payload: Value = serde_json::from_str(payload)
                .with_context(|| format!("the claims of `{provider}` are not JSON"))?;
            claims.push((provider, payload));
        }
        insert(&mut request, "jwt_claims", claims.into_iter())?;
        Ok(request)
    }
}

/// An object of the pairs, where there are any.
fn insert<'a>(
    request: &mut Map<String, Value>,
    field: &str,
    pairs: impl Iterator<Item = (&'a String, Value)>,
) -> anyhow::Result<()> {
    let mut object = Map::new();
    for (name, value) in pairs {
        if object.insert(name.clone(), value).is_some() {
            bail!("`{name}` is given twice; join its values with a comma");
        }
    }
    if !object.is_empty() {
        request.insert(field.to_owned(), Value::Object(object));
    }
    Ok(())
}

fn read_body(body: &str) -> anyhow::Result<String> {
    match body.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("read {file}")),
        None => Ok(body.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: ExplainArgs,
    }

    fn request(arguments: &[&str]) -> anyhow::Result<Value> {
        let words = ["explain"].iter().chain(arguments);
        Cli::try_parse_from(words)?.args.request()
    }

    #[test]
    fn arguments_become_a_described_request() {
        let words = [
            "--experiment",
            "chat-model",
            "--unit",
            "c-1",
            "-H",
            "X-Plan: premium",
            "--header",
            "x-empty:",
            "--path",
            "/v1/chat?a=b",
            "--query",
            "q=a=b",
            "-d",
            r#"{"user": "u"}"#,
            "--jwt",
            r#"idp={"sub": "u"}"#,
            "--chance",
            "0.25",
        ];
        assert_eq!(
            request(&words).unwrap(),
            json!({
                "experiment": "chat-model",
                "unit": "c-1",
                "headers": {"X-Plan": "premium", "x-empty": ""},
                "path": "/v1/chat?a=b",
                "query": {"q": "a=b"},
                "body": r#"{"user": "u"}"#,
                "jwt_claims": {"idp": {"sub": "u"}},
                "chance": 0.25,
            })
        );
        assert_eq!(request(&[]).unwrap(), json!({}));
    }

    #[test]
    fn a_body_can_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body.json");
        std::fs::write(&file, "{}").unwrap();
        let body = format!("@{}", file.display());
        assert_eq!(request(&["-d", &body]).unwrap(), json!({"body": "{}"}));
        assert!(request(&["-d", "@/nowhere/at/all"]).is_err());
    }

    #[test]
    fn garbage_is_refused_before_anything_is_sent() {
        for words in [
            &["--header", "no-colon"] as &[_],
            &["--query", "no-equals"],
            &["--unit", "u"],
            &["--jwt", "idp=not json"],
            &["-H", "a: 1", "-H", "a: 2"],
            &["--chance", "often"],
            &["--output", "xml"],
        ] {
            assert!(request(words).is_err(), "{words:?}");
        }
    }
}
