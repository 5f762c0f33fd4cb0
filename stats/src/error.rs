//! Why there is no answer. Each error names the input that it is about; [`StatsError::code`] is its stable name for
//! answers that machines read. Checks come in one order everywhere: not finite, lengths, ranges, too little data,
//! degenerate data.

/// What an input must be for a method to have an answer, and was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// A NaN or an infinity where a number was needed.
    #[error("{input} is not a finite number")]
    NonFiniteInput {
        /// Which input.
        input: &'static str,
    },
    /// A number outside of what the method is defined for.
    #[error("{input} is out of range: expected {expected}")]
    OutOfRange {
        /// Which input.
        input: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// Too few observations.
    #[error("too little data in {input}: needs {needs}")]
    InsufficientData {
        /// Which input.
        input: &'static str,
        /// How much the method needs.
        needs: &'static str,
    },
    /// No variation to compare an effect with.
    #[error("{input} does not vary")]
    ZeroVariance {
        /// Which input.
        input: &'static str,
    },
    /// A relative effect against a control of zero.
    #[error("the baseline is zero, so a relative effect is not defined")]
    ZeroBaseline,
    /// A ratio metric whose denominator sums to zero.
    #[error("the denominator of {input} is zero")]
    ZeroDenominator {
        /// Which input.
        input: &'static str,
    },
    /// A contingency table with an empty row or column.
    #[error("a row or a column of the table is empty")]
    ZeroMargin,
    /// No value of the unknown solves the equation.
    #[error("no {unknown} solves this")]
    NoSolution {
        /// What was asked for.
        unknown: &'static str,
    },
    /// A list with nothing in it.
    #[error("{input} is empty")]
    EmptyInput {
        /// Which input.
        input: &'static str,
    },
    /// Lists that belong together differ in length.
    #[error("{input} differ in length")]
    LengthMismatch {
        /// Which inputs.
        input: &'static str,
    },
    /// A list that must increase strictly, and does not.
    #[error("{input} must increase strictly")]
    NotIncreasing {
        /// Which input.
        input: &'static str,
    },
    /// Sums that no data could have, such as a sum of squares that is too small for the sum.
    #[error("the sums of {input} contradict each other")]
    InconsistentMoments {
        /// Which input.
        input: &'static str,
    },
    /// Units in an arm that takes no traffic.
    #[error("{input} has units in an arm of weight zero")]
    UnexpectedArm {
        /// Which input.
        input: &'static str,
    },
    /// Covariates that are linearly dependent.
    #[error("{input} is singular")]
    SingularMatrix {
        /// Which matrix.
        input: &'static str,
    },
    /// The confidence set is not an interval: the baseline cannot be told from zero.
    #[error("the interval has no bounds: the baseline is not significantly different from zero")]
    UnboundedInterval,
}

impl StatsError {
    /// The stable name of the error, in `snake_case`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NonFiniteInput { .. } => "non_finite_input",
            Self::OutOfRange { .. } => "out_of_range",
            Self::InsufficientData { .. } => "insufficient_data",
            Self::ZeroVariance { .. } => "zero_variance",
            Self::ZeroBaseline => "zero_baseline",
            Self::ZeroDenominator { .. } => "zero_denominator",
            Self::ZeroMargin => "zero_margin",
            Self::NoSolution { .. } => "no_solution",
            Self::EmptyInput { .. } => "empty_input",
            Self::LengthMismatch { .. } => "length_mismatch",
            Self::NotIncreasing { .. } => "not_increasing",
            Self::InconsistentMoments { .. } => "inconsistent_moments",
            Self::UnexpectedArm { .. } => "unexpected_arm",
            Self::SingularMatrix { .. } => "singular_matrix",
            Self::UnboundedInterval => "unbounded_interval",
        }
    }
}

/// An answer, or why there is none.
pub type Result<T> = std::result::Result<T, StatsError>;
