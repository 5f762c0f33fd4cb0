//! An exposure as a message, and the names of NATS that it goes under. Pure.

use crate::evidence::lines;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;
use watershed_evidence::Exposure;
use watershed_evidence::store::Cursor;

/// An exposure on its way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    /// The prefix and the experiment.
    pub subject: String,
    /// What JetStream knows it by when it comes again.
    pub id: String,
    /// The object of its line.
    pub body: String,
}

impl Message {
    /// Of an exposure whose line has this cursor.
    pub fn of(prefix: &Subject, cursor: Cursor, exposure: &Exposure) -> Self {
        Self {
            subject: format!("{prefix}.{}", token(&exposure.experiment)),
            id: id(exposure),
            body: lines::object(cursor, exposure),
        }
    }
}

/// What an experiment is called in a subject. Its key as it is: that has letters, digits and dashes; what a
/// proxy made up instead has `_` where NATS would read something else into it.
fn token(experiment: &str) -> String {
    let safe = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    let token = experiment.chars().map(|it| if safe(it) { it } else { '_' });
    match token.collect::<String>() {
        none if none.is_empty() => "_".to_owned(),
        token => token,
    }
}

/// 128 bits of what makes the exposure this one, as hexadecimal digits: the same from whichever replica and
/// version it comes.
fn id(exposure: &Exposure) -> String {
    let (proxy, time, request, experiment, unit) = exposure.identity();
    let mut hash = Sha256::new();
    // Each text with its length, so that two texts can't be cut in two ways.
    for text in [proxy, request, experiment] {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        hash.update(length.to_le_bytes());
        hash.update(text);
    }
    hash.update(time.to_le_bytes());
    hash.update(unit.0);
    let mut id = hex::encode(hash.finalize());
    id.truncate(32);
    id
}

/// A text that is no name for NATS.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadName {
    /// Of a stream.
    #[error("a stream's name has letters, digits, - and _, and at most 200 of them")]
    Stream,
    /// Of a subject.
    #[error(
        "a subject has words of letters, digits, - and _ with dots in between, and at most 200 characters"
    )]
    Subject,
}

/// How long a name may be. NATS has its own bounds, which are wider.
const LONGEST: usize = 200;

fn is_word(text: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
    !text.is_empty() && text.bytes().all(allowed)
}

/// The name of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamName(String);

impl FromStr for StreamName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match is_word(text) && text.len() <= LONGEST {
            true => Ok(Self(text.to_owned())),
            false => Err(BadName::Stream),
        }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the subjects of all messages begin with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject(String);

impl Subject {
    /// All of them: the prefix and one word more.
    pub(super) fn all(&self) -> String {
        format!("{}.*", self.0)
    }
}

impl FromStr for Subject {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.split('.').all(is_word) && text.len() <= LONGEST {
            true => Ok(Self(text.to_owned())),
            false => Err(BadName::Subject),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether all subjects that `inner` matches are among those that `outer` does.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    let (mut outer, mut inner) = (outer.split('.'), inner.split('.'));
    loop {
        match (outer.next(), inner.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(it)) if it != ">" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::fake;
    use std::sync::Arc;

    fn exposure(experiment: &str, request: &str) -> Exposure {
        let mut it = fake::exposure();
        experiment.clone_into(&mut it.experiment);
        let execution = Arc::make_mut(&mut it.execution);
        request.clone_into(&mut execution.request_id);
        it
    }

    fn message(cursor: i64, exposure: &Exposure) -> Message {
        let prefix: Subject = "watershed.exposures".parse().unwrap();
        Message::of(&prefix, Cursor(cursor), exposure)
    }

    #[test]
    fn a_message_is_the_line_of_the_api_under_the_experiments_subject() {
        let message = message(7, &exposure("chat-model", "r-1"));
        assert_eq!(message.subject, "watershed.exposures.chat-model");
        let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(
            (&body["cursor"], &body["request_id"], &body["experiment"]),
            (&7.into(), &"r-1".into(), &"chat-model".into())
        );
    }

    #[test]
    fn what_comes_again_has_the_same_id_and_nothing_else_has_it() {
        let first = message(1, &exposure("a", "r-1"));
        assert_eq!(message(2, &exposure("a", "r-1")).id, first.id);
        assert_eq!(first.id.len(), 32);
        for (experiment, request) in [("a", "r-2"), ("b", "r-1"), ("ar", "-1"), ("", "r-1a")] {
            assert_ne!(message(1, &exposure(experiment, request)).id, first.id);
        }
    }

    #[test]
    fn an_id_stays_what_it_is_from_version_to_version() {
        let id = message(1, &exposure("chat-model", "r-1")).id;
        assert_eq!(id, "0556eab41191c681ac24be3d9529fffb");
    }

    #[test]
    fn what_a_proxy_made_up_is_one_word_of_a_subject() {
        for (experiment, word) in [
            ("chat", "chat"),
            ("a.b", "a_b"),
            ("*", "_"),
            (">", "_"),
            ("", "_"),
            ("a b\r\nPUB x", "a_b__PUB_x"),
            ("ü", "_"),
        ] {
            assert_eq!(token(experiment), word, "{experiment}");
        }
    }

    #[test]
    fn names_that_nats_would_read_something_else_into_are_refused() {
        for bad in ["", "a b", "a.b", "*", "a>", "ü", "a/b", &"a".repeat(201)] {
            assert_eq!(bad.parse::<StreamName>(), Err(BadName::Stream), "{bad}");
        }
        for bad in ["", ".", "a..b", "a.", "a.*", ">", "a b", &"a.".repeat(101)] {
            assert_eq!(bad.parse::<Subject>(), Err(BadName::Subject), "{bad}");
        }
        let subject: Subject = "our.exposures".parse().unwrap();
        assert_eq!(subject.all(), "our.exposures.*");
    }

    #[test]
    fn a_stream_takes_the_subjects_that_its_own_cover() {
        for outer in ["a.b.*", "a.b.>", "a.>", ">", "*.b.*", "*.*.*"] {
            assert!(covers(outer, "a.b.*"), "{outer}");
        }
        for outer in ["a.b", "a.b.c", "a.*", "a.b.*.*", "b.>", "a.b.*.>", ""] {
            assert!(!covers(outer, "a.b.*"), "{outer}");
        }
        assert!(!covers("a.*", "a.>"));
    }
}
