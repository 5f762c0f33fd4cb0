//! Whether a request passes a rule.

use super::Walk;
use crate::assign::{Step, Visitor};
use crate::attribute::Subject;
use crate::audience::{ConditionId, Rule};
use crate::experiment::Experiment;

impl<'p, S: Subject, V: Visitor> Walk<'p, '_, '_, S, V> {
    /// Whether the experiment's audience takes the request: a hundred experiments for the same people
    /// ask once.
    #[inline(always)]
    pub(super) fn takes(&mut self, experiment: &'p Experiment) -> bool {
        let Some(rule) = &experiment.audience else {
            return true;
        };
        let number = experiment.audience_number;
        if !V::THOROUGH
            && let Some(holds) = self.audiences.recall(number)
        {
            return holds;
        }
        let holds = self.audience(rule);
        self.audiences.keep(number, holds);
        holds
    }

    /// The verdict of an audience: most are a list of conditions.
    #[inline(always)]
    fn audience(&mut self, rule: &'p Rule) -> bool {
        match rule {
            Rule::All(rules) if !V::THOROUGH => !self.is_any(rules, false),
            rule => self.rule(rule),
        }
    }

    /// The verdict of a rule.
    pub(super) fn rule(&mut self, rule: &'p Rule) -> bool {
        if let Rule::Condition(id) = rule {
            return self.condition(rule, *id);
        }
        self.visitor.visit(Step::Enter { rule });
        let holds = match rule {
            Rule::All(rules) => !self.is_any(rules, false),
            Rule::Any(rules) => self.is_any(rules, true),
            Rule::Not(rule) => !self.rule(rule),
            Rule::Segment(id) => {
                let segment = self.plan.segment(*id);
                segment.is_some_and(|segment| self.rule(&segment.rule))
            }
            Rule::Condition(_) => false,
        };
        let value = None;
        self.visitor.visit(Step::Leave { rule, value, holds });
        holds
    }

    /// Whether the verdict of any rule is `sought`.
    #[inline(always)]
    fn is_any(&mut self, rules: &'p [Rule], sought: bool) -> bool {
        let mut found = false;
        for rule in rules {
            let holds = match rule {
                Rule::Condition(id) => self.condition(rule, *id),
                rule => self.rule(rule),
            };
            if holds == sought {
                found = true;
                if !V::THOROUGH {
                    break;
                }
            }
        }
        found
    }

    #[inline(always)]
    fn condition(&mut self, rule: &'p Rule, id: ConditionId) -> bool {
        let Some(condition) = self.plan.condition(id) else {
            return false;
        };
        if condition.is_shared
            && !V::THOROUGH
            && let Some(holds) = self.conditions.recall(id.0)
        {
            return holds;
        }
        let holds = condition.holds(self.subject);
        if V::THOROUGH {
            let value = self.subject.get(condition.attribute);
            self.visitor.visit(Step::Enter { rule });
            self.visitor.visit(Step::Leave { rule, value, holds });
        } else if condition.is_shared {
            self.conditions.keep(id.0, holds);
        }
        holds
    }
}

/// Verdicts that will be asked for again, by number: a hundred experiments for one country ask for it
/// once. Those with the lowest 64 numbers are kept.
#[derive(Clone, Copy, Default)]
pub(super) struct Memory {
    known: u64,
    holds: u64,
}

impl Memory {
    #[inline]
    fn recall(self, number: u32) -> Option<bool> {
        let bit = 1_u64.checked_shl(number)?;
        (self.known & bit != 0).then_some(self.holds & bit != 0)
    }

    #[inline]
    fn keep(&mut self, number: u32, verdict: bool) {
        if let Some(bit) = 1_u64.checked_shl(number) {
            self.known |= bit;
            self.holds |= if verdict { bit } else { 0 };
        }
    }
}
