//! Segments: rules that audiences, routing rules and other segments share by name.

use super::audience::Rule;
use super::check;
use super::fault::Faults;
use super::rule_spec::RuleSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A segment as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentSpec {
    /// Who is in it.
    pub rule: RuleSpec,
    /// Anything worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What a validated segment is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SegmentDesign {
    /// Who is in it.
    pub rule: Rule,
    /// Anything worth knowing.
    pub description: Option<String>,
}

impl SegmentSpec {
    /// Validates, noting every fault. Whether the segments that it names exist is for the model.
    pub fn validate(&self, faults: &mut Faults) -> Option<SegmentDesign> {
        let rule = self.rule.validate("/rule", faults);
        Some(SegmentDesign {
            description: check::text(self.description.as_ref(), 16_384, "/description", faults),
            rule: rule?,
        })
    }
}

impl From<&SegmentDesign> for SegmentSpec {
    fn from(design: &SegmentDesign) -> Self {
        Self {
            rule: (&design.rule).into(),
            description: design.description.clone(),
        }
    }
}
