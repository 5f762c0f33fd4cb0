//! Endpoints: where each is, who may use it, what handles it, and what it says of itself. One table of
//! them ([`super::router`]) makes the routes, the access and the OpenAPI document, so that none of the
//! three can know an endpoint that another does not.

use super::AppState;
use super::idempotency::Repeat;
use super::request::Parameters;
use crate::auth::{Access, Role};
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

/// Makes the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) verb: Verb,
    pub(super) path: Cow<'static, str>,
    pub(super) access: Access,
    pub(super) handler: MethodRouter<AppState>,
    pub(super) operation: Operation,
}

/// A method that an endpoint can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

/// What an endpoint says of itself.
pub(super) struct Operation {
    /// Unique among all endpoints, and a good name for a function of a client.
    pub(super) id: Cow<'static, str>,
    pub(super) summary: Cow<'static, str>,
    /// The group it is shown in.
    pub(super) tag: &'static str,
    /// The query's parameters, as the fields of a type.
    pub(super) query: Option<SchemaOf>,
    /// Whether it reads `If-Match`.
    pub(super) precondition: bool,
    /// Whether it can be only tried.
    pub(super) previews: bool,
    /// What it makes of an `Idempotency-Key`.
    pub(super) repeat: Repeat,
    pub(super) body: Option<SchemaOf>,
    /// Whether the body may be YAML, too.
    pub(super) yaml: bool,
    pub(super) answers: Vec<Answer>,
}

/// One good answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) content: Content,
    /// Whether it carries an `ETag`.
    pub(super) tagged: bool,
}

/// What an answer's body is.
pub(super) enum Content {
    Empty,
    Json(SchemaOf),
    Text(&'static str),
}

impl Verb {
    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Put => MethodFilter::PUT,
            Self::Post => MethodFilter::POST,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// As OpenAPI writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// The schema of `T`, by reference where it has a name.
pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schema of `T` itself.
fn fields_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

impl Endpoint {
    /// An endpoint for those who have `role`.
    pub(super) fn new<H, T>(
        verb: Verb,
        path: impl Into<Cow<'static, str>>,
        role: Role,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        Self {
            verb,
            path: path.into(),
            access: Access::Role(role),
            handler: on(verb.filter(), handler),
            operation: Operation {
                id: "".into(),
                summary: "".into(),
                tag: "",
                query: None,
                precondition: false,
                previews: false,
                repeat: Repeat::Harmless,
                body: None,
                yaml: true,
                answers: Vec::new(),
            },
        }
    }

    /// Lets everybody who reaches the API use it.
    pub(super) fn open(mut self) -> Self {
        self.access = Access::Open;
        self
    }

    /// What it is called, and what it does in one line.
    pub(super) fn says(
        mut self,
        tag: &'static str,
        id: impl Into<Cow<'static, str>>,
        summary: impl Into<Cow<'static, str>>,
    ) -> Self {
        let operation = &mut self.operation;
        (operation.tag, operation.id, operation.summary) = (tag, id.into(), summary.into());
        self
    }

    /// The query's parameters are the fields of `T`.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        self.operation.query = Some(fields_of::<T>);
        self
    }

    /// It changes the model: for a reason, on a condition, only tried where that is asked for, and once
    /// where it is sent again.
    pub(super) fn changes(mut self) -> Self {
        self.operation.precondition = true;
        self.operation.previews = true;
        self.operation.repeat = Repeat::Answered;
        self.query::<Parameters>()
    }

    /// It does something that is not the model's: for a reason, and only tried where that is asked for.
    pub(super) fn acts(mut self) -> Self {
        self.operation.previews = true;
        self.operation.repeat = Repeat::Refused;
        self.query::<Parameters>()
    }

    /// It reads a body.
    pub(super) fn body<T: JsonSchema>(mut self) -> Self {
        self.operation.body = Some(schema_of::<T>);
        self
    }

    /// Its body is JSON alone: the shape is another protocol's.
    pub(super) fn json_only(mut self) -> Self {
        self.operation.yaml = false;
        self
    }

    /// It answers with JSON.
    pub(super) fn answers<T: JsonSchema>(self, status: u16, description: &'static str) -> Self {
        self.answer(status, description, Content::Json(schema_of::<T>), false)
    }

    /// It answers with JSON that has an `ETag`.
    pub(super) fn answers_tagged<T: JsonSchema>(
        self,
        status: u16,
        description: &'static str,
    ) -> Self {
        self.answer(status, description, Content::Json(schema_of::<T>), true)
    }

    /// It answers with text of this content type.
    pub(super) fn answers_text(self, content_type: &'static str, what: &'static str) -> Self {
        self.answer(200, what, Content::Text(content_type), false)
    }

    /// It answers with nothing.
    pub(super) fn answers_empty(self, description: &'static str) -> Self {
        self.answer(204, description, Content::Empty, false)
    }

    /// It answers with nothing where the caller has the answer already.
    pub(super) fn answers_unchanged(self, description: &'static str) -> Self {
        self.answer(304, description, Content::Empty, true)
    }

    fn answer(
        mut self,
        status: u16,
        description: &'static str,
        content: Content,
        tagged: bool,
    ) -> Self {
        self.operation.answers.push(Answer {
            status,
            description,
            content,
            tagged,
        });
        self
    }
}
