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
/// Rules that one rule comes to, with the segments that it names counted each time.
pub const RULE_SIZE: usize = 200_000;
/// Segments, and holdouts.
pub const SEGMENTS: usize = 10_000;
/// Requirements of one experiment.
pub const REQUIREMENTS: usize = 16;
/// Experiments that one experiment draws in by its requirements, and theirs, counted each time.
pub const DRAWN_IN: usize = 256;
/// Names on the path to a JWT claim.
pub const CLAIM_DEPTH: usize = 16;
/// Request headers, response headers and baggage entries of one variant, each.
pub const HEADERS: usize = 16;
/// Bytes of a header's or baggage entry's value.
pub const HEADER_VALUE_BYTES: usize = 1_024;
/// Routing rules of one service.
pub const ROUTING_RULES: usize = 1_000;
/// Bytes of a body that may be buffered.
pub const BODY_BYTES: u32 = 1 << 20;
/// Seconds of a cookie's life: 400 days, where browsers cut.
pub const COOKIE_SECONDS: u32 = 400 * 24 * 60 * 60;
/// Bytes of one signing secret.
pub const SECRET_BYTES: usize = 1_024;
