//! Where in an entry the compilation is: `audience.all[2].not.condition`. Written out only when there
//! is a fault to report.

use std::fmt;

/// A field, and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    above: Option<&'a Path<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Field(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) fn new(field: &'a str) -> Self {
        Self {
            above: None,
            part: Part::Field(field),
        }
    }

    pub(super) fn field(&'a self, field: &'a str) -> Self {
        Self {
            above: Some(self),
            part: Part::Field(field),
        }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self {
            above: Some(self),
            part: Part::Index(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match (self.part, self.above) {
            (Part::Field(field), None) => f.write_str(field),
            (Part::Field(field), Some(_)) => write!(f, ".{field}"),
            (Part::Index(index), _) => write!(f, "[{index}]"),
        }
    }
}
