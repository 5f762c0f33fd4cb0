//! What entries share: each attribute, condition and unit is kept once, however many experiments
//! name it. A configuration of 1,000 experiments has few of them, and most of its compilation is
//! looking them up.

use super::fault::{At, CompileError};
use super::path::Path;
use super::segment::Segments;
use super::{attribute, condition, number};
use crate::attribute::{Attribute, AttributeId};
use crate::audience::{ConditionId, Rule};
use crate::condition::Condition;
use crate::plan::{Unit, UnitId};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::BitOrAssign;
use std::sync::Arc;
use watershed_proto::filter::v1 as wire;

/// A map that needs no randomness. Whoever writes configurations could make it slow, and could make
/// everything else slow with less effort.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// FxHash, as the Rust compiler uses it: good enough for keys that nobody chose to collide.
#[derive(Default)]
pub(super) struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        // A table takes its place from the low bits, and the product is best in the high ones.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let rest = rest
            .iter()
            .fold(0, |word: u64, byte| word.wrapping_shl(8) | u64::from(*byte));
        self.mix(rest);
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(byte.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }
}

/// What is read of a request beyond its headers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Uses {
    pub(super) time: bool,
    pub(super) body: bool,
    pub(super) generated: bool,
}

impl BitOrAssign for Uses {
    fn bitor_assign(&mut self, other: Self) {
        self.time |= other.time;
        self.body |= other.body;
        self.generated |= other.generated;
    }
}

/// The tables as they grow. `'c` is the configuration.
#[derive(Default)]
pub(super) struct Tables<'c> {
    pub(super) attributes: Vec<Attribute>,
    attribute_ids: Map<&'c wire::Attribute, AttributeId>,
    /// By meaning: headers that differ in case are one attribute.
    distinct: Map<Attribute, AttributeId>,
    pub(super) conditions: Vec<Condition>,
    condition_ids: Map<&'c wire::Condition, ConditionId>,
    pub(super) units: Vec<Unit>,
    unit_ids: Map<Unit, UnitId>,
    unit_types: Map<&'c str, Arc<str>>,
    pub(super) segments: Segments<'c>,
    /// What was used since somebody asked last.
    uses: Uses,
}

impl<'c> Tables<'c> {
    /// What was used since this was asked last.
    pub(super) fn take_uses(&mut self) -> Uses {
        std::mem::take(&mut self.uses)
    }

    pub(super) fn note(&mut self, uses: Uses) {
        self.uses |= uses;
    }

    pub(super) fn attribute(
        &mut self,
        at: At<'_>,
        field: &Path<'_>,
        spec: &'c wire::Attribute,
    ) -> Result<AttributeId, CompileError> {
        let id = match self.attribute_ids.get(spec) {
            Some(id) => *id,
            None => {
                let attribute = attribute::parse(spec).map_err(|fault| at.fault(field, fault))?;
                let id = self.distinct(attribute);
                self.attribute_ids.insert(spec, id);
                id
            }
        };
        if let Some(attribute) = self.attributes.get(id.index()) {
            self.uses.time |= attribute.is_timed();
            self.uses.body |= matches!(attribute, Attribute::Body(_));
            self.uses.generated |= matches!(attribute, Attribute::Generated(_));
        }
        Ok(id)
    }

    fn distinct(&mut self, attribute: Attribute) -> AttributeId {
        if let Some(id) = self.distinct.get(&attribute) {
            return *id;
        }
        let id = AttributeId(number(self.attributes.len()));
        self.attributes.push(attribute.clone());
        self.distinct.insert(attribute, id);
        id
    }

    pub(super) fn condition(
        &mut self,
        at: At<'_>,
        field: &Path<'_>,
        spec: &'c wire::Condition,
    ) -> Result<ConditionId, CompileError> {
        if let Some(id) = self.condition_ids.get(spec).copied() {
            // Its attribute counts as used again.
            if let Some(attribute) = &spec.attribute {
                self.attribute(at, field, attribute)?;
            }
            if let Some(condition) = self.conditions.get_mut(id.0 as usize) {
                condition.is_shared = true;
            }
            return Ok(id);
        }
        let condition = condition::compile(self, at, field, spec)?;
        let id = ConditionId(number(self.conditions.len()));
        self.conditions.push(condition);
        self.condition_ids.insert(spec, id);
        Ok(id)
    }

    /// Another rule is the same: its conditions are asked more than once.
    pub(super) fn share(&mut self, rule: &Rule) {
        match rule {
            Rule::All(rules) | Rule::Any(rules) => rules.iter().for_each(|rule| self.share(rule)),
            Rule::Not(rule) => self.share(rule),
            Rule::Condition(id) => {
                if let Some(condition) = self.conditions.get_mut(id.0 as usize) {
                    condition.is_shared = true;
                }
            }
            Rule::Segment(_) => {}
        }
    }

    pub(super) fn unit(&mut self, sources: Vec<AttributeId>) -> UnitId {
        let sources: Unit = sources.into();
        if let Some(id) = self.unit_ids.get(&sources) {
            return *id;
        }
        let id = UnitId(number(self.units.len()));
        self.units.push(sources.clone());
        self.unit_ids.insert(sources, id);
        id
    }

    pub(super) fn unit_type(&mut self, text: &'c str) -> Arc<str> {
        Arc::clone(self.unit_types.entry(text).or_insert_with(|| text.into()))
    }
}
