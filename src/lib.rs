//! Response caching for axum, tonic and any tower stack.
