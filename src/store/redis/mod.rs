//! The shared store: records in Redis, behind a fence that every node sees.

mod change;
mod connections;
mod entry;
mod facts;
mod fence;
mod layout;
mod mirror;
mod options;
mod queue;
mod reply;
mod scan;
mod script;
mod store;
