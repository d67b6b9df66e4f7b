//! Extractors for axum handlers.

mod missing;

pub use self::missing::MissingLayer;
