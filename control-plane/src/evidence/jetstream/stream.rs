//! A stream of NATS JetStream to publish to: the connection, and a stream that takes our subjects. What does
//! not live here: what is published and when.

use super::message::{Message, Subject, covers};
use super::servers::Credentials;
use super::{NatsServers, StreamName};
use async_nats::connection::State;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, stream};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, HeaderValue, ServerAddr, header};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// How long a connection or an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a stream that we make recognises a message that comes again.
const RECOGNISED: Duration = Duration::from_secs(2 * 60);

/// Where exposures are published.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which NATS.
    pub servers: NatsServers,
    /// Who vouches for its certificate, as a file; whom the system trusts where nothing is given.
    pub ca: Option<PathBuf>,
    /// Which stream; made where there is none.
    pub stream: StreamName,
    /// What subjects begin with.
    pub subject: Subject,
    /// For how long a stream that we make keeps messages.
    pub keep: Duration,
}

/// Why nothing is published.
#[derive(Debug, Error)]
pub enum StreamFault {
    /// There is no connection.
    #[error("NATS at {servers} cannot be reached: {reason}")]
    Unreachable {
        /// Which.
        servers: NatsServers,
        /// Why not.
        reason: String,
    },
    /// There is one, and it does not let us in.
    #[error("NATS at {0} does not let us in: is who its URL says we are right?")]
    Refused(NatsServers),
    /// The connection is lost.
    #[error("the connection to NATS at {0} is lost")]
    Lost(NatsServers),
    /// There is no stream and none can be made, or JetStream does not answer.
    #[error("the stream {stream} cannot be had: {reason}")]
    NoStream {
        /// Which.
        stream: StreamName,
        /// Why not.
        reason: String,
    },
    /// It is a stream of something else.
    #[error(
        "the stream {stream} takes the subjects {found:?} and not {wanted}: give it that one as well, or name \
         another stream with --exposures-nats-stream"
    )]
    OtherSubjects {
        /// Which.
        stream: StreamName,
        /// What it takes.
        found: Vec<String>,
        /// What it would have to.
        wanted: String,
    },
    /// It says of no message whether it is kept.
    #[error("the stream {0} acknowledges nothing (no_ack): nobody would know what it has")]
    NoAcknowledgement(StreamName),
    /// Messages were not acknowledged.
    #[error("the stream {stream} does not take exposures: {reason}")]
    NotTaken {
        /// Which.
        stream: StreamName,
        /// Why not.
        reason: String,
    },
}

/// A stream that takes our messages.
#[derive(Debug)]
pub(super) struct Stream {
    client: Client,
    context: Context,
    stream: stream::Stream,
    target: Target,
}

impl Stream {
    /// Connects, and makes the stream where there is none.
    ///
    /// # Errors
    /// [`StreamFault`] where there is no connection or no stream of that name for our subjects.
    pub async fn open(target: &Target) -> Result<Self, StreamFault> {
        let client = connect(target).await?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        let stream = find(&context, target).await?;
        fits(&stream.cached_info().config, target)?;
        Ok(Self {
            client,
            context,
            stream,
            target: target.clone(),
        })
    }

    /// Which of these ids the stream ends with: from its last message back to one that is none of them. All of
    /// them may be told, or none where other messages came in between.
    pub async fn ends_with(&self, ids: &HashSet<&str>) -> HashSet<String> {
        let mut found = HashSet::new();
        let mut sequence = self.stream.cached_info().state.last_sequence;
        while found.len() < ids.len() {
            // One that is gone ends it, too: what came again is known by its id.
            let Ok(message) = self.stream.get_raw_message(sequence).await else {
                break;
            };
            let id = message.headers.get(header::NATS_MESSAGE_ID);
            match id.map(HeaderValue::as_str) {
                Some(id) if ids.contains(id) => found.insert(id.to_owned()),
                Some(_) | None => break,
            };
            sequence = sequence.saturating_sub(1);
        }
        found
    }

    /// Whether the connection is there, as far as known.
    ///
    /// # Errors
    /// [`StreamFault::Lost`] where it is not.
    pub fn check(&self) -> Result<(), StreamFault> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => {
                Err(StreamFault::Lost(self.target.servers.clone()))
            }
        }
    }

    /// Publishes messages, and returns how many of them the stream did not have; all are kept by it then.
    ///
    /// # Errors
    /// [`StreamFault::NotTaken`] where one was not acknowledged; any of them may be there, and all may be
    /// published again.
    pub async fn publish(
        &self,
        messages: impl Iterator<Item = &Message>,
    ) -> Result<u64, StreamFault> {
        let not_taken = |reason: String| StreamFault::NotTaken {
            stream: self.target.stream.clone(),
            reason,
        };
        let mut acknowledgements = Vec::new();
        for Message { subject, id, body } in messages {
            let message = PublishMessage::build()
                .message_id(id)
                .payload(body.clone().into());
            let sent = self.context.send_publish(subject.clone(), message).await;
            acknowledgements.push(sent.map_err(|fault| not_taken(fault.to_string()))?);
        }
        let mut new = 0;
        for acknowledgement in acknowledgements {
            let taken = acknowledgement.await;
            let taken = taken.map_err(|fault| not_taken(fault.to_string()))?;
            new += u64::from(!taken.duplicate);
        }
        Ok(new)
    }
}

async fn connect(target: &Target) -> Result<Client, StreamFault> {
    let unreachable = |reason: String| StreamFault::Unreachable {
        servers: target.servers.clone(),
        reason,
    };
    let addresses: Result<Vec<ServerAddr>, _> =
        target.servers.urls().map(|url| url.parse()).collect();
    let addresses = addresses.map_err(|fault| unreachable(fault.to_string()))?;
    let mut options = ConnectOptions::new()
        .name("watershed")
        .connection_timeout(PATIENCE)
        // Each server once. A lost connection is made anew here, where it is told why it can't be.
        .max_reconnects(addresses.len())
        // What happens to a connection is told here, once an outage.
        .event_callback(|event| async move { tracing::debug!(%event, "NATS") });
    if let Some(file) = &target.ca {
        options = options.add_root_certificates(file.clone());
    }
    options = match target.servers.credentials() {
        Credentials::Nobody => options,
        Credentials::Token(token) => options.token(token.clone()),
        Credentials::User { name, password } => {
            options.user_and_password(name.clone(), password.clone())
        }
    };
    options
        .connect(addresses)
        .await
        .map_err(|fault| match fault.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                StreamFault::Refused(target.servers.clone())
            }
            _ => unreachable(fault.to_string()),
        })
}

/// Whether exposures may be published to such a stream.
fn fits(found: &stream::Config, target: &Target) -> Result<(), StreamFault> {
    let wanted = target.subject.all();
    if !found.subjects.iter().any(|it| covers(it, &wanted)) {
        return Err(StreamFault::OtherSubjects {
            stream: target.stream.clone(),
            found: found.subjects.clone(),
            wanted,
        });
    }
    match found.no_ack {
        true => Err(StreamFault::NoAcknowledgement(target.stream.clone())),
        false => Ok(()),
    }
}

/// The stream; it is made where there is none.
async fn find(context: &Context, target: &Target) -> Result<stream::Stream, StreamFault> {
    let no_stream = |reason: String| StreamFault::NoStream {
        stream: target.stream.clone(),
        reason,
    };
    let name = target.stream.to_string();
    match context.get_stream(&name).await {
        Ok(found) => return Ok(found),
        Err(fault) if is_missing(fault.kind()) => {}
        Err(fault) => return Err(no_stream(fault.to_string())),
    }
    context
        .create_stream(stream::Config {
            name,
            subjects: vec![target.subject.all()],
            max_age: target.keep,
            duplicate_window: RECOGNISED,
            ..stream::Config::default()
        })
        .await
        .map_err(|fault| no_stream(fault.to_string()))
}

fn is_missing(kind: GetStreamErrorKind) -> bool {
    let missing = jetstream::ErrorCode::STREAM_NOT_FOUND;
    matches!(kind, GetStreamErrorKind::JetStream(fault) if fault.error_code() == missing)
}
