//! One engine at one piece of work. What lives here: how a case is named, built and run. What does
//! not: which cases there are.

/// Runs the work so many times, each time with the next unit, and gives how many answers came out:
/// variants given, experiments compiled, buckets computed. Nothing in it is boxed away from the
/// optimiser but the call itself, which stands outside of the loop.
pub type Run = Box<dyn FnMut(u64) -> u64>;

/// One engine at one piece of work.
pub struct Case {
    /// The work's name; figures of one work can be compared.
    pub work: &'static str,
    /// Who does it.
    pub by: &'static str,
    /// The answers that one time gives; what a case that doesn't do its work would miss.
    pub answers: Answers,
    /// About how many times a second-long measurement runs it: 10^this.
    pub magnitude: u32,
    /// Gets it ready. Anything may fail here and nowhere later.
    pub build: fn() -> anyhow::Result<Run>,
}

/// What one time of a case has to give.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answers {
    /// This many.
    Exactly(u64),
    /// About this many on the average of all units: an engine without layers, which gives each
    /// experiment its share by chance.
    About(u64),
}

impl Case {
    /// `work/by`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.work, self.by)
    }

    /// How many times it runs where its instructions are counted: a round of all units where that
    /// doesn't take minutes.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        match self.magnitude {
            0..=2 => 2,
            3..=4 => 32,
            _ => 1_024,
        }
    }

    /// Whether `answers` of `times` are what they have to be.
    #[must_use]
    pub fn is_done(&self, answers: u64, times: u64) -> bool {
        match self.answers {
            Answers::Exactly(each) => answers == each * times,
            Answers::About(each) => {
                let expected = each * times;
                answers.abs_diff(expected) * 5 < expected
            }
        }
    }
}

/// Every case there is.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = crate::ours::cases();
    cases.extend(crate::peers::cases());
    cases.extend(crate::hashes::cases());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_does_its_work() {
        for case in all() {
            let mut run = (case.build)().unwrap();
            let times = case.rounds();
            let answers = run(times);
            assert!(
                case.is_done(answers, times),
                "{}: {answers} of {times}",
                case.name()
            );
        }
    }

    #[test]
    fn a_case_that_does_nothing_is_noticed() {
        for case in all() {
            assert!(!case.is_done(0, case.rounds()), "{}", case.name());
        }
    }
}
