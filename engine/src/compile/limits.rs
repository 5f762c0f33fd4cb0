//! How much a configuration may hold. Generous for people, and small enough that no configuration
//! can take a proxy's memory or time.

/// Services.
pub const SERVICES: usize = 10_000;
/// Layers; an experiment that shares with nobody has one of its own.
pub const LAYERS: usize = 20_000;
/// Experiments.
pub const EXPERIMENTS: usize = 20_000;
/// Variants of one experiment.
pub const VARIANTS: usize = 64;
/// Unit sources of one experiment.
pub const UNIT_SOURCES: usize = 8;
/// Services that one experiment names.
pub const NAMED_SERVICES: usize = 1_000;
/// Hosts, and path prefixes, of one service.
pub const PATTERNS: usize = 256;
/// Rules directly below an `all` or `any`.
pub const RULES: usize = 1_000;
/// Rules inside rules; a condition alone is 1 deep.
pub const RULE_DEPTH: usize = 16;
/// Values of one `one_of`.
pub const VALUES: usize = 100_000;
/// Bytes of one value in an audience.
pub const VALUE_BYTES: usize = 4_096;
/// Bytes of a name: key, header, cookie, query parameter.
pub const NAME_BYTES: usize = 64;
/// Bytes of a cluster name.
pub const CLUSTER_BYTES: usize = 128;
/// Bytes of a host name.
pub const HOST_BYTES: usize = 255;
/// Bytes of a path prefix.
pub const PATH_BYTES: usize = 1_024;
/// Bytes of a version, a salt, a unit type.
pub const TEXT_BYTES: usize = 128;
