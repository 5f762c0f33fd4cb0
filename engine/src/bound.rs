//! A request whose values were all read beforehand. What lives here: [`Bound`], for whoever asks one
//! request many times, or many requests of the same shape: simulations, benches. What does not: how
//! values are read (see [`surroundings`](crate::surroundings), which reads them as they are asked
//! for).

use crate::attribute::{Attribute, AttributeId, Subject};
use crate::condition::{head, release};
use crate::pin::Pin;

/// The values of one request in the order of a plan's attributes, each with the numbers that it is.
#[derive(Clone, Debug, Default)]
pub struct Bound<'a> {
    values: Box<[Option<Value<'a>>]>,
    chance: u64,
    pins: Vec<Pin>,
}

#[derive(Clone, Copy, Debug)]
struct Value<'a> {
    text: &'a str,
    head: u64,
    release: Option<u64>,
}

impl<'a> Bound<'a> {
    /// The values that `read` gives for the attributes.
    pub fn new(
        attributes: &[Attribute],
        mut read: impl FnMut(&Attribute) -> Option<&'a str>,
    ) -> Self {
        let value = |text: &'a str| Value {
            text,
            head: head(text.as_bytes()),
            release: release(text.as_bytes()),
        };
        Self {
            values: attributes.iter().map(|one| read(one).map(value)).collect(),
            chance: 0,
            pins: Vec::new(),
        }
    }

    /// With this for [`Subject::chance`], which is 0 otherwise.
    #[must_use]
    pub fn with_chance(self, chance: u64) -> Self {
        Self { chance, ..self }
    }

    /// With these for [`Subject::pins`], of which there are none otherwise.
    #[must_use]
    pub fn with_pins(self, pins: Vec<Pin>) -> Self {
        Self { pins, ..self }
    }

    #[inline]
    fn value(&self, id: AttributeId) -> Option<&Value<'a>> {
        self.values.get(id.index())?.as_ref()
    }
}

impl Subject for Bound<'_> {
    #[inline]
    fn get(&self, id: AttributeId) -> Option<&[u8]> {
        self.value(id).map(|value| value.text.as_bytes())
    }

    #[inline]
    fn text(&self, id: AttributeId) -> Option<&str> {
        self.value(id).map(|value| value.text)
    }

    #[inline]
    fn head(&self, id: AttributeId) -> Option<u64> {
        self.value(id).map(|value| value.head)
    }

    #[inline]
    fn release(&self, id: AttributeId) -> Option<u64> {
        self.value(id).and_then(|value| value.release)
    }

    fn chance(&self) -> u64 {
        self.chance
    }

    fn pins(&self) -> &[Pin] {
        &self.pins
    }
}
