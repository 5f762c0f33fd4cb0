//! Routing rules: requests that no experiment routes go by attribute alone, premium users to the
//! large model, short prompts to the small one.

use super::audience::Rule;
use super::check;
use super::fault::Faults;
use super::key::Key;
use super::rule_spec::RuleSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use watershed_engine::compile::limits;

/// Where requests go that a rule means; the first rule that holds counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoutingRule {
    /// Its name, for records.
    pub key: Key,
    /// Which requests.
    pub when: Rule,
    /// Where to.
    pub cluster: Key,
}

/// A routing rule as it is written.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingRuleSpec {
    /// Its name, for records.
    pub key: String,
    /// Which requests.
    pub when: RuleSpec,
    /// Where to.
    pub cluster: String,
}

impl RoutingRuleSpec {
    /// Validates a list of them, noting every fault.
    pub(super) fn list(specs: &[Self], faults: &mut Faults) -> Option<Vec<RoutingRule>> {
        const AT: &str = "/routing_rules";
        check::length(specs.len(), &(0..=limits::ROUTING_RULES), AT, faults)?;
        let names: Vec<&str> = specs.iter().map(|spec| spec.key.as_str()).collect();
        let unique = check::unique(&names, AT, faults);
        let read: Vec<Option<RoutingRule>> = specs
            .iter()
            .enumerate()
            .map(|(index, spec)| spec.validate(&format!("{AT}/{index}"), faults))
            .collect();
        unique?;
        read.into_iter().collect()
    }

    fn validate(&self, at: &str, faults: &mut Faults) -> Option<RoutingRule> {
        let key = check::key(&self.key, &format!("{at}/key"), faults);
        let when = self.when.validate(&format!("{at}/when"), faults);
        let cluster = check::key(&self.cluster, &format!("{at}/cluster"), faults);
        Some(RoutingRule {
            key: key?,
            when: when?,
            cluster: cluster?,
        })
    }
}

impl From<&RoutingRule> for RoutingRuleSpec {
    fn from(rule: &RoutingRule) -> Self {
        Self {
            key: rule.key.to_string(),
            when: (&rule.when).into(),
            cluster: rule.cluster.to_string(),
        }
    }
}
