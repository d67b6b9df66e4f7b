//! Extractors for axum handlers.

mod client_ip;
mod missing;

pub use self::client_ip::ClientIpRejection;
pub use self::missing::MissingLayer;
