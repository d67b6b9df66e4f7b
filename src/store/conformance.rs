//! The suite.
use super::Store;
/// x
pub async fn run<S: Store, F: Future<Output = S>>(make: impl Fn() -> F) {
    let _ = make().await;
}
