//! Response caching for axum, tonic and any tower stack.

#[allow(dead_code)]
mod header;
