//! The OpenAPI 3.1 document, made of the endpoints and of the types that their handlers read and
//! write. Nothing is described here that is not somebody else's: only OpenAPI's own shape is.

use super::endpoint::{Answer, Content, Endpoint, Operation, Verb};
use super::error::Problem;
use super::idempotency::{self, Repeat};
use super::preview::Preview;
use crate::auth::{Access, Role};
use crate::model::Key;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROBLEM: &str = "application/problem+json";
const SECURITY: &str = "key";
const DESCRIPTION: &str = "Splits live traffic for experiments inside Envoy. What is wrong with a \
    request comes back as `application/problem+json` with a JSON pointer to each fault. \
    Each operation says which role it needs; a role may do what the earlier ones may: \
    viewer, editor, operator, admin. A reporter may only report outcomes, as operators may.";

/// The document of `endpoints`.
pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let mut generator = generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let described = operation(endpoint, &problem, &mut generator);
        if let Some(methods) = paths
            .entry(endpoint.path.as_ref())
            .or_insert_with(|| json!({}))
            .as_object_mut()
        {
            methods.insert(endpoint.verb.as_str().to_owned(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Watershed",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                SECURITY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or a token of the OpenID provider.",
                },
            },
        },
    })
}

/// JSON Schema 2020-12, which is what OpenAPI 3.1 speaks.
fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

fn operation(endpoint: &Endpoint, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let Operation {
        id, summary, tag, ..
    } = &endpoint.operation;
    let mut described = Map::new();
    let mut say = |field: &str, value: Value| drop(described.insert(field.to_owned(), value));
    say("operationId", json!(id));
    say("summary", json!(summary));
    say("tags", json!([tag]));
    say("parameters", parameters(endpoint, generator).into());
    say(
        "responses",
        responses(&endpoint.operation, problem, generator),
    );
    match endpoint.access {
        Access::Open => say("security", json!([])),
        Access::Role(role) => {
            say("security", json!([{SECURITY: []}]));
            say("description", needs(role, endpoint.verb).into());
            say("x-role", role.as_str().into());
        }
    }
    if let Some(body) = endpoint.operation.body {
        let schema = body(generator);
        let content = match endpoint.operation.yaml {
            true => json!({JSON: {"schema": schema}, YAML: {"schema": schema}}),
            false => json!({JSON: {"schema": schema}}),
        };
        say("requestBody", json!({"required": true, "content": content}));
    }
    described.into()
}

/// What a change needs can depend on what it changes.
fn needs(role: Role, verb: Verb) -> String {
    if verb == Verb::Get {
        return format!("Needs the role `{role}`.");
    }
    format!("Needs the role `{role}` at least; what requests depend on needs `operator`.")
}

fn parameters(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in names(&endpoint.path) {
        let schema = generator.subschema_for::<Key>();
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    if let Some(query) = endpoint.operation.query {
        parameters.extend(query_parameters(query(generator)));
    }
    if endpoint.operation.precondition {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "description": "The ETag that the document must have: `\"REVISION\"`, or `*` for any.",
            "schema": {"type": "string", "pattern": "^(\\*|\"[0-9]{1,19}\")$"},
        }));
    }
    if endpoint.operation.repeat == Repeat::Answered {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Any text; sent again with the same request within a day, it gets the same answer.",
            "schema": {"type": "string", "pattern": format!("^[!-~]{{1,{}}}$", idempotency::MAX_KEY)},
        }));
    }
    if endpoint.verb != Verb::Get && endpoint.operation.query.is_some() {
        parameters.push(json!({
            "name": "X-Change-Reason",
            "in": "header",
            "description": "Why, for the audit, where the query does not say it.",
            "schema": {"type": "string", "maxLength": 1024},
        }));
    }
    parameters
}

/// The names in braces of a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The fields of a query's type as parameters.
fn query_parameters(schema: Schema) -> Vec<Value> {
    let Value::Object(mut schema) = schema.to_value() else {
        return Vec::new();
    };
    let required = schema.remove("required").unwrap_or_default();
    let is_required = |name: &str| {
        let names = required.as_array();
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let Some(Value::Object(fields)) = schema.remove("properties") else {
        return Vec::new();
    };
    fields
        .into_iter()
        .map(|(name, schema)| {
            let required = is_required(&name);
            query_parameter(&name, schema, required)
        })
        .collect()
}

fn query_parameter(name: &str, schema: Value, required: bool) -> Value {
    let Value::Object(mut schema) = schema else {
        return json!({"name": name, "in": "query", "required": required, "schema": schema});
    };
    // A parameter that is not given is not there, so that none is null.
    if let Some(one) = schema.get("type").and_then(|types| types.get(0)).cloned() {
        schema.insert("type".to_owned(), one);
    }
    let description = schema.remove("description").unwrap_or_default();
    json!({
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
    })
}

fn responses(operation: &Operation, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in &operation.answers {
        let preview = operation.previews && answer.status == 200;
        let made = response(answer, preview, generator);
        match responses.get_mut(&answer.status.to_string()) {
            // Another form of the same answer.
            Some(known) => also(known, &made),
            None => drop(responses.insert(answer.status.to_string(), made)),
        }
    }
    if operation.previews && !responses.contains_key("200") {
        let schema = generator.subschema_for::<Preview>();
        let said = "What would change, where `dry_run` is true.";
        let content = json!({JSON: {"schema": schema}});
        responses.insert(
            "200".to_owned(),
            json!({"description": said, "content": content}),
        );
    }
    let problem = json!({
        "description": "What is wrong, and where.",
        "content": {PROBLEM: {"schema": problem}},
    });
    responses.insert("default".to_owned(), problem);
    responses.into()
}

/// Adds the content types of `other` to those of `response`.
fn also(response: &mut Value, other: &Value) {
    let known = response.get_mut("content").and_then(Value::as_object_mut);
    let more = other.get("content").and_then(Value::as_object);
    if let (Some(known), Some(more)) = (known, more) {
        known.extend(more.clone());
    }
}

fn response(answer: &Answer, preview: bool, generator: &mut SchemaGenerator) -> Value {
    let mut response = Map::new();
    let mut say = |field: &str, value: Value| drop(response.insert(field.to_owned(), value));
    say("description", answer.description.into());
    match &answer.content {
        Content::Empty => {}
        Content::Json(schema) if preview => {
            let one_of = [schema(generator), generator.subschema_for::<Preview>()];
            say("content", json!({JSON: {"schema": {"anyOf": one_of}}}));
        }
        Content::Json(schema) => say("content", json!({JSON: {"schema": schema(generator)}})),
        Content::Text(content_type) => {
            say(
                "content",
                json!({*content_type: {"schema": {"type": "string"}}}),
            );
        }
    }
    if answer.tagged {
        let tag =
            json!({"description": "The revision, for `If-Match`.", "schema": {"type": "string"}});
        say("headers", json!({"ETag": tag}));
    }
    response.into()
}
