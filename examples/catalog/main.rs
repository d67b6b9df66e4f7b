//! The menu of the restaurant as a gRPC service whose answers are cached by larder.

#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "it is generated"
)]
#[rustfmt::skip]
mod proto;

fn main() {
    println!("{}", std::any::type_name::<proto::Item>());
}
