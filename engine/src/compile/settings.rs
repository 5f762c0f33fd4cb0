//! What concerns the configuration as a whole.

use super::fault::{At, CompileError, Fault};
use super::{limits, text};
use crate::plan::ForceSources;
use crate::token::Keys;
use watershed_proto::CONFIG_SCHEMA;
use watershed_proto::filter::v1::{FilterConfig, SigningKey, Trust};

/// 64 KiB.
const BODY_BYTES: u32 = 64 * 1_024;

pub(super) struct Settings {
    pub(super) keys: Keys,
    pub(super) force: ForceSources,
    pub(super) trusts_stamps: bool,
    pub(super) body_limit: usize,
}

pub(super) fn settings(config: &FilterConfig) -> Result<Settings, CompileError> {
    let at = At::config();
    if config.schema > CONFIG_SCHEMA {
        let fault = Fault::Schema {
            found: config.schema,
        };
        return Err(at.fault("schema", fault));
    }
    text::printable(&config.version, limits::TEXT_BYTES).map_err(|f| at.fault("version", f))?;
    counts(at, config)?;
    let trusts_stamps = match Trust::try_from(config.trust) {
        Ok(Trust::Unspecified | Trust::Edge) => false,
        Ok(Trust::Mesh) => true,
        Err(_) => {
            let value = config.trust;
            return Err(at.fault("trust", Fault::UnknownValue { value }));
        }
    };
    let keys = keys(&config.signing_keys).map_err(|fault| at.fault("signing_keys", fault))?;
    Ok(Settings {
        force: force(at, config, &keys)?,
        keys,
        trusts_stamps,
        body_limit: body_limit(config.body_limit_bytes)
            .map_err(|fault| at.fault("body_limit_bytes", fault))?,
    })
}

fn counts(at: At<'_>, config: &FilterConfig) -> Result<(), CompileError> {
    let counts = [
        ("services", config.services.len(), limits::SERVICES),
        ("layers", config.layers.len(), limits::LAYERS),
        ("experiments", config.experiments.len(), limits::EXPERIMENTS),
        ("segments", config.segments.len(), limits::SEGMENTS),
        ("holdouts", config.holdouts.len(), limits::SEGMENTS),
    ];
    for (field, count, limit) in counts {
        text::count(count, limit).map_err(|fault| at.fault(field, fault))?;
    }
    Ok(())
}

fn keys(specs: &[SigningKey]) -> Result<Keys, Fault> {
    for spec in specs {
        let (count, limit) = (spec.secret.len(), limits::SECRET_BYTES);
        if count > limit {
            return Err(Fault::TooLong {
                bytes: count,
                limit,
            });
        }
    }
    let pairs = specs.iter().map(|spec| (spec.id.as_str(), &*spec.secret));
    Ok(Keys::try_new(pairs)?)
}

fn force(at: At<'_>, config: &FilterConfig, keys: &Keys) -> Result<ForceSources, CompileError> {
    let Some(spec) = &config.force else {
        return Ok(ForceSources::default());
    };
    if keys.is_empty() {
        return Err(at.fault("force", Fault::NeedsKeys));
    }
    let there = |name: &str| (!name.is_empty()).then(|| name.into());
    if !spec.header.is_empty() {
        super::attribute::header(&spec.header).map_err(|f| at.fault("force.header", f))?;
    }
    if !spec.cookie.is_empty() {
        text::token(&spec.cookie).map_err(|fault| at.fault("force.cookie", fault))?;
    }
    text::length(&spec.query, limits::NAME_BYTES).map_err(|f| at.fault("force.query", f))?;
    Ok(ForceSources {
        header: there(&spec.header.to_ascii_lowercase()),
        query: there(&spec.query),
        cookie: there(&spec.cookie),
    })
}

fn body_limit(bytes: u32) -> Result<usize, Fault> {
    let bytes = if bytes == 0 { BODY_BYTES } else { bytes };
    text::require(
        bytes <= limits::BODY_BYTES,
        &bytes.to_string(),
        "at most 1048576 bytes",
    )?;
    Ok(bytes as usize)
}
