//! The decisions for a request. What lives here: the iterator, which takes the straight way where there
//! is one. What does not: the ways (see [`straight`](super::straight) and [`abreast`](super::abreast)).

use super::Walk;
use super::abreast::Layers;
use super::straight::Straight;
use crate::assign::{Decision, Visitor};
use crate::attribute::Subject;
use crate::plan::Plan;
use crate::service::Service;

/// What is asked.
pub(crate) struct Question<'p, 's, 'v, S, V> {
    pub(crate) plan: &'p Plan,
    pub(crate) service: &'p Service,
    pub(crate) subject: &'s S,
    pub(crate) now_ms: i64,
    pub(crate) visitor: &'v mut V,
}

impl<'p, 's, S, V> Question<'p, 's, '_, S, V> {
    /// The same question, for a part of the answer.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> Question<'p, 's, '_, S, V> {
        Question {
            plan: self.plan,
            service: self.service,
            subject: self.subject,
            now_ms: self.now_ms,
            visitor: self.visitor,
        }
    }
}

/// The decisions for a request, layer by layer.
pub(crate) struct Decisions<'p, 's, 'v, S, V> {
    /// Before the first layer.
    question: Option<Question<'p, 's, 'v, S, V>>,
    /// From there on.
    layers: Option<Layers<'p, 's, 'v, S, V>>,
}

impl<'p, 's, 'v, S: Subject, V: Visitor> Decisions<'p, 's, 'v, S, V> {
    #[inline]
    pub(crate) fn new(question: Question<'p, 's, 'v, S, V>) -> Self {
        Self {
            question: Some(question),
            layers: None,
        }
    }
}

impl<'p, 's, S: Subject, V: Visitor> Iterator for Decisions<'p, 's, '_, S, V> {
    type Item = Decision<'p, 's>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(question) = self.question.take() {
            self.layers = Some(Layers::new(Walk::new(question)));
        }
        self.layers.as_mut()?.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match (&self.question, &self.layers) {
            (Some(question), _) => (0, Some(question.service.scopes.len())),
            (None, Some(layers)) => layers.size_hint(),
            (None, None) => (0, Some(0)),
        }
    }

    /// As calling [`Iterator::next`] until the end, with nothing to remember in between where one layer
    /// decides.
    #[inline(always)]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut act: F) -> B {
        let Some(question) = self.question else {
            return self.layers.into_iter().flatten().fold(init, act);
        };
        if let Some(straight) = Straight::new(&question) {
            return match straight.decide(question) {
                Some(given) => act(init, given),
                None => init,
            };
        }
        Layers::new(Walk::new(question)).fold(init, act)
    }
}
