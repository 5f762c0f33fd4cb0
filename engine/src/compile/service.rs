//! Services: hosts and paths checked and brought into the form that they are compared in, and their
//! routing rules.

use super::fault::{At, CompileError, EntryKind, Fault};
use super::path::Path;
use super::tables::{Tables, Uses};
use super::{limits, number, rule, text};
use crate::service::{HostPattern, PathPrefix, RoutingRule, Service};
use std::collections::BTreeSet;
use watershed_proto::filter::v1::{RoutingRule as RoutingRuleSpec, Service as ServiceSpec};

const HOST: &str = "a host name without port, \"*.\" and a domain, or \"*\"";
const PATH: &str = "a path that starts with \"/\", without query and fragment,";

/// A service, and what its routing rules read of a request.
pub(super) struct Compiled {
    pub(super) service: Service,
    pub(super) uses: Uses,
}

/// The services, with no experiments in scope yet.
pub(super) fn services<'c>(
    tables: &mut Tables<'c>,
    specs: &'c [ServiceSpec],
) -> Result<Vec<Compiled>, CompileError> {
    let mut keys = BTreeSet::new();
    let mut services = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let at = At::new(EntryKind::Service, index, &spec.key);
        if !keys.insert(&spec.key) {
            return Err(at.fault("key", Fault::Duplicate));
        }
        tables.take_uses();
        let mut service = service(tables, at, spec)?;
        service.place = number(index);
        let uses = tables.take_uses();
        services.push(Compiled { service, uses });
    }
    Ok(services)
}

fn service<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    spec: &'c ServiceSpec,
) -> Result<Service, CompileError> {
    text::key(&spec.key).map_err(|fault| at.fault("key", fault))?;
    if !spec.default_cluster.is_empty() {
        text::cluster(&spec.default_cluster).map_err(|f| at.fault("default_cluster", f))?;
    }
    Ok(Service {
        key: spec.key.as_str().into(),
        hosts: patterns(at, "hosts", &spec.hosts, host)?,
        paths: patterns(at, "path_prefixes", &spec.path_prefixes, path)?,
        default_cluster: (!spec.default_cluster.is_empty())
            .then(|| spec.default_cluster.as_str().into()),
        routing_rules: routing_rules(tables, at, &spec.routing_rules)?,
        usage: usage(spec.usage_limit_bytes).map_err(|f| at.fault("usage_limit_bytes", f))?,
        ..Service::default()
    })
}

fn usage(bytes: u32) -> Result<Option<usize>, Fault> {
    text::require(
        bytes <= limits::BODY_BYTES,
        &bytes.to_string(),
        "at most 1048576 bytes",
    )?;
    Ok((bytes > 0).then_some(bytes as usize))
}

fn routing_rules<'c>(
    tables: &mut Tables<'c>,
    at: At<'_>,
    specs: &'c [RoutingRuleSpec],
) -> Result<Box<[RoutingRule]>, CompileError> {
    let list = Path::new("routing_rules");
    text::count(specs.len(), limits::ROUTING_RULES).map_err(|fault| at.fault(list, fault))?;
    let mut keys = BTreeSet::new();
    let mut rules = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let field = list.index(index);
        text::key(&spec.key).map_err(|fault| at.fault(field.field("key"), fault))?;
        if !keys.insert(&spec.key) {
            return Err(at.fault(field.field("key"), Fault::Duplicate));
        }
        text::cluster(&spec.cluster).map_err(|f| at.fault(field.field("cluster"), f))?;
        let place = field.field("when");
        let when = spec.when.as_ref();
        let when = when.ok_or_else(|| at.fault(place, Fault::Missing))?;
        rules.push(RoutingRule {
            key: spec.key.as_str().into(),
            when: rule::rule(tables, at, &place, when)?,
            cluster: spec.cluster.as_str().into(),
        });
    }
    Ok(rules.into())
}

fn patterns<T>(
    at: At<'_>,
    field: &str,
    written: &[String],
    parse: fn(&str) -> Result<T, Fault>,
) -> Result<Box<[T]>, CompileError> {
    text::count(written.len(), limits::PATTERNS).map_err(|fault| at.fault(field, fault))?;
    written
        .iter()
        .enumerate()
        .map(|(index, pattern)| {
            parse(pattern).map_err(|f| at.fault(format_args!("{field}[{index}]"), f))
        })
        .collect()
}

fn host(written: &str) -> Result<HostPattern, Fault> {
    text::name(written, limits::HOST_BYTES)?;
    if written == "*" {
        return Ok(HostPattern::Any);
    }
    let (name, is_family) = match written.strip_prefix("*.") {
        Some(domain) => (domain, true),
        None => (written, false),
    };
    let literal = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|_| !is_family);
    let legal = match literal {
        Some(address) => address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)),
        None => name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    text::require(legal && !name.is_empty(), written, HOST)?;
    let name = name.to_ascii_lowercase();
    Ok(if is_family {
        HostPattern::Suffix(format!(".{name}").into())
    } else {
        HostPattern::Exact(name.into())
    })
}

fn path(written: &str) -> Result<PathPrefix, Fault> {
    text::name(written, limits::PATH_BYTES)?;
    let legal = written.starts_with('/')
        && written
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    text::require(legal, written, PATH)?;
    Ok(PathPrefix(
        written.strip_suffix('/').unwrap_or(written).into(),
    ))
}
