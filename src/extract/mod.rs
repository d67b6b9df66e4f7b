//! Extractors for axum handlers.

mod missing;
mod not_met;
mod preconditions;
mod validators;

#[cfg(test)]
mod preconditions_tests;

pub use self::missing::MissingLayer;
pub use self::not_met::NotMet;
pub use self::preconditions::Preconditions;
pub use self::validators::Validators;
