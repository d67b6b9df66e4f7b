//! Several calls at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// The outputs of all `futures`, in their order.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> = futures
        .map(|future| Running::Going(Box::pin(future)))
        .collect();
    poll_fn(move |cx| {
        let mut is_pending = false;
        for one in &mut running {
            if let Running::Going(future) = one {
                match future.as_mut().poll(cx) {
                    Poll::Ready(output) => *one = Running::Done(output),
                    Poll::Pending => is_pending = true,
                }
            }
        }
        if is_pending {
            return Poll::Pending;
        }
        let done = running.drain(..).filter_map(|one| match one {
            Running::Done(output) => Some(output),
            Running::Going(_) => None,
        });
        Poll::Ready(done.collect())
    })
    .await
}

enum Running<F: Future> {
    Going(Pin<Box<F>>),
    Done(F::Output),
}

impl<F: Future> Unpin for Running<F> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn outputs_come_in_order_and_together() {
        let began = tokio::time::Instant::now();
        let futures = [3_u64, 1, 2].map(|seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        });
        assert_eq!(all(futures.into_iter()).await, [3, 1, 2]);
        assert_eq!(began.elapsed().as_secs(), 3);
        let none: Vec<()> = all(std::iter::empty::<std::future::Ready<()>>()).await;
        assert_eq!(none.len(), 0);
    }
}
