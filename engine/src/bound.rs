//! A request whose values were all read beforehand. What lives here: [`Bound`], for whoever asks one
//! request many times, or many requests of the same shape: simulations, benches. What does not: how
//! values are read (see [`surroundings`](crate::surroundings), which reads them as they are asked
//! for).

use crate::attribute::{Attribute, AttributeId, Subject};
use crate::condition::Numbering;
use crate::pin::Pin;

/// The values of one request in the order of a plan's attributes, each with the numbers that it is.
#[derive(Clone, Debug, Default)]
pub struct Bound<'a> {
    values: Box<[Value<'a>]>,
    chance: u64,
    pins: Vec<Pin>,
}

#[derive(Clone, Copy, Debug)]
struct Value<'a> {
    text: Option<&'a str>,
    /// By each [`Numbering`].
    numbers: [u64; Numbering::ALL.len()],
}

impl<'a> Bound<'a> {
    /// The values that `read` gives for the attributes.
    pub fn new(
        attributes: &[Attribute],
        mut read: impl FnMut(&Attribute) -> Option<&'a str>,
    ) -> Self {
        let value = |text: Option<&'a str>| Value {
            text,
            numbers: Numbering::ALL.map(|by| by.number(|| text.map(str::as_bytes))),
        };
        Self {
            values: attributes.iter().map(|one| value(read(one))).collect(),
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
    fn value(&self, id: AttributeId) -> Option<&'a str> {
        self.values.get(id.index())?.text
    }
}

impl Subject for Bound<'_> {
    #[inline]
    fn get(&self, id: AttributeId) -> Option<&[u8]> {
        self.value(id).map(str::as_bytes)
    }

    #[inline]
    fn text(&self, id: AttributeId) -> Option<&[u8]> {
        self.get(id)
    }

    #[inline]
    fn number(&self, id: AttributeId, by: Numbering) -> u64 {
        match self.values.get(id.index()) {
            Some(value) => by.of(&value.numbers),
            None => by.number(|| None),
        }
    }

    fn chance(&self) -> u64 {
        self.chance
    }

    fn pins(&self) -> &[Pin] {
        &self.pins
    }
}
