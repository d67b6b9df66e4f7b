//! The shared store: records in Redis, behind a fence that every node sees.

mod connections;
mod entry;
mod options;
mod script;
