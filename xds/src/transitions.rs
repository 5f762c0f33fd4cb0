//! A table of transitions, each row replayed in both protocols: what a proxy asks and answers, what the
//! snapshot becomes, and what is sent then. Longer stories of one protocol are with that protocol.
//!
//! A row of `transitions/rows.txt` is a script of lines:
//!
//! - `= a@1 b@2` a snapshot with these resources;
//! - `> a b` the proxy asks for these names from now on (`*`: all), with the nonce of its last response;
//! - `again a` it asks for a name that it asked for before (incremental only, where asking is a change);
//! - `ack`, `nack` it answers the last response; `stale` it answers the one before that;
//! - `reconnect` a new stream, on which it says what it has; after `away`, the old one has ended before;
//! - `< a@1 -b` what is sent: resources, and names said to be gone; `< nothing` for an empty response.
//!
//! `d<` and `s<` are lines of the incremental and of the state-of-the-world protocol alone. A line that
//! says what is sent comes after each line that makes something be sent; where there is none, silence.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};

use crate::{
    DeltaStream, ResourceType, Snapshot, SotwStream, XdsStream,
    testing::{Readable, ack, ask, delta_ack, delta_nack, nack, resource, snapshot, subscribe},
};

/// Each row: its type, what it says, and its script.
fn rows() -> impl Iterator<Item = (ResourceType, &'static str, &'static str)> {
    let rows = include_str!("transitions/rows.txt").split("# ").skip(1);
    rows.map(|row| {
        let (head, script) = row.split_once('\n').unwrap();
        let (ty, says) = head.split_once(": ").unwrap();
        let is = |it: &ResourceType| it.abbreviation() == ty;
        let ty = ResourceType::ALL.into_iter().find(is).unwrap();
        (ty, says, script.trim())
    })
}

/// One protocol's proxy and its stream.
trait Peer {
    /// The prefix of lines that are for this protocol only, and of those that are not.
    const OWN: char;
    const OTHER: char;
    fn new() -> Self;
    fn snapshot(&mut self, snapshot: &Snapshot) -> Vec<String>;
    /// Asks for these names from now on.
    fn ask(&mut self, ty: ResourceType, names: &[&str]) -> Vec<String>;
    fn again(&mut self, ty: ResourceType, name: &str) -> Vec<String>;
    /// Answers the response so many before the last one.
    fn answer(&mut self, back: usize, accepts: bool) -> Vec<String>;
    fn reconnect(&mut self, ty: ResourceType) -> Vec<String>;
}

struct Proxy<S: XdsStream> {
    stream: S,
    names: Vec<String>,
    responses: Vec<S::Response>,
    /// What it has accepted, by name.
    has: BTreeMap<String, String>,
}

impl<S: XdsStream> Proxy<S>
where
    S::Response: Readable + Clone,
{
    fn new() -> Self {
        Self {
            stream: S::default(),
            names: Vec::new(),
            responses: Vec::new(),
            has: BTreeMap::new(),
        }
    }

    /// What was sent, without the name of its type.
    fn take(&mut self, responses: Vec<S::Response>) -> Vec<String> {
        let said = responses.iter().map(|response| {
            let line = response.line();
            match line.split_once(' ') {
                Some((_, said)) => said.to_owned(),
                None => "nothing".to_owned(),
            }
        });
        let said = said.collect();
        self.responses.extend(responses);
        said
    }

    fn request(&mut self, request: S::Request) -> Vec<String> {
        let responses = self.stream.on_request(request).unwrap();
        self.take(responses)
    }

    fn response(&self, back: usize) -> &S::Response {
        &self.responses[self.responses.len() - 1 - back]
    }
}

impl Peer for Proxy<DeltaStream> {
    const OWN: char = 'd';
    const OTHER: char = 's';

    fn new() -> Self {
        Self::new()
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let responses = self.stream.on_snapshot(snapshot);
        self.take(responses)
    }

    fn ask(&mut self, ty: ResourceType, names: &[&str]) -> Vec<String> {
        let gone: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let gone: Vec<&str> = gone.into_iter().filter(|it| !names.contains(it)).collect();
        // A name that the wildcard brought is asked for like any other.
        let new: Vec<&str> = names
            .iter()
            .filter(|name| !self.names.iter().any(|it| it == *name))
            .copied()
            .collect();
        let request = subscribe(ty, &new, &gone);
        self.names = names.iter().map(ToString::to_string).collect();
        self.request(request)
    }

    fn again(&mut self, ty: ResourceType, name: &str) -> Vec<String> {
        self.request(subscribe(ty, &[name], &[]))
    }

    fn answer(&mut self, back: usize, accepts: bool) -> Vec<String> {
        let response: DeltaDiscoveryResponse = self.response(back).clone();
        if !accepts {
            return self.request(delta_nack(&response));
        }
        for resource in &response.resources {
            let version = resource.version.clone();
            self.has.insert(resource.name.clone(), version);
        }
        for name in &response.removed_resources {
            self.has.remove(name);
        }
        self.request(delta_ack(&response))
    }

    fn reconnect(&mut self, ty: ResourceType) -> Vec<String> {
        self.stream = DeltaStream::new();
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let request = DeltaDiscoveryRequest {
            initial_resource_versions: self.has.clone().into_iter().collect(),
            ..subscribe(ty, &names, &[])
        };
        self.request(request)
    }
}

impl Peer for Proxy<SotwStream> {
    const OWN: char = 's';
    const OTHER: char = 'd';

    fn new() -> Self {
        Self::new()
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let responses = self.stream.on_snapshot(snapshot);
        self.take(responses)
    }

    fn ask(&mut self, ty: ResourceType, names: &[&str]) -> Vec<String> {
        self.names = names.iter().map(ToString::to_string).collect();
        let request = match self.responses.last() {
            Some(last) => ack(last, names),
            None => ask(ty, names),
        };
        self.request(request)
    }

    fn again(&mut self, _: ResourceType, name: &str) -> Vec<String> {
        panic!("{name}: nothing is asked for again where all is named every time")
    }

    fn answer(&mut self, back: usize, accepts: bool) -> Vec<String> {
        let response: DiscoveryResponse = self.response(back).clone();
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let request = if accepts {
            ack(&response, &names)
        } else {
            nack(&response, &names)
        };
        self.request(request)
    }

    fn reconnect(&mut self, ty: ResourceType) -> Vec<String> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let request = DiscoveryRequest {
            version_info: self.response(0).version_info.clone(),
            ..ask(ty, &names)
        };
        self.stream = SotwStream::new();
        self.request(request)
    }
}

fn parse(ty: ResourceType, text: &str) -> Snapshot {
    snapshot(text.split_whitespace().map(|word| {
        let (name, revision) = word.split_once('@').unwrap();
        resource(ty, name, revision.parse().unwrap(), &[])
    }))
}

fn replay<P: Peer>(says: &str, ty: ResourceType, script: &str) {
    let mut proxy = P::new();
    let mut newest: Option<Snapshot> = None;
    // Whether the proxy has a stream.
    let mut connected = true;
    let mut sent: Vec<String> = Vec::new();
    for line in script.lines().map(str::trim) {
        let own = line.strip_prefix(P::OWN).map(str::trim_start);
        let line = match own {
            Some(own) if own.starts_with(['<', '>', '=']) || line[1..].starts_with(' ') => own,
            _ => line,
        };
        if line.starts_with(P::OTHER)
            && matches!(line.as_bytes().get(1), Some(b'<' | b'>' | b'=' | b' '))
        {
            continue;
        }
        if let Some(expected) = line.strip_prefix('<') {
            let expected = expected.trim();
            assert_eq!(sent, [expected], "{} {says}: `{line}`", P::OWN);
            sent.clear();
            continue;
        }
        assert_eq!(sent, [""; 0], "{} {says}: before `{line}`", P::OWN);
        let words: Vec<&str> = line.split_whitespace().collect();
        sent = match words.as_slice() {
            ["=", ..] => {
                let made = parse(ty, &line[1..]);
                newest = Some(made.clone());
                if connected {
                    proxy.snapshot(&made)
                } else {
                    Vec::new()
                }
            }
            [">", "-"] => proxy.ask(ty, &[]),
            [">", names @ ..] => proxy.ask(ty, names),
            ["again", name] => proxy.again(ty, name),
            ["ack"] => proxy.answer(0, true),
            ["nack"] => proxy.answer(0, false),
            ["stale"] => proxy.answer(1, true),
            ["away"] => {
                connected = false;
                Vec::new()
            }
            ["reconnect"] => {
                connected = true;
                let mut said = proxy.reconnect(ty);
                said.extend(newest.iter().flat_map(|newest| proxy.snapshot(newest)));
                said
            }
            other => panic!("{says}: {other:?}"),
        };
    }
    assert_eq!(sent, [""; 0], "{} {says}: at the end", P::OWN);
}

#[test]
fn every_transition_of_the_table_is_as_it_says_in_the_incremental_protocol() {
    for (ty, says, script) in rows() {
        replay::<Proxy<DeltaStream>>(says, ty, script);
    }
}

#[test]
fn every_transition_of_the_table_is_as_it_says_in_the_state_of_the_world_protocol() {
    for (ty, says, script) in rows() {
        replay::<Proxy<SotwStream>>(says, ty, script);
    }
}
