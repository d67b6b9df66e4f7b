//! More calls than anyone means well with.

use super::*;
use crate::grpc::CallPolicy;
use crate::ttl::{minutes, seconds};

#[tokio::test(start_paused = true)]
async fn more_calls_than_may_wait_for_one_are_all_answered() {
    let (cache, _) = cache();
    let layer = cache.grpc().method(ITEM, minutes(5)).build().unwrap();
    let handler = Counted::new(|_| async {
        tokio::time::sleep(seconds(1)).await;
        ok(b"soup")
    });
    let calls: Vec<_> = (0..3_000)
        .map(|_| start(&layer, &handler, call(ITEM, b"7")))
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().data, message(b"soup"));
    }
    assert_eq!(ask(&layer, &handler, call(ITEM, b"7")).await.reason, None);
    assert_at_rest(&cache).await;
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_wait_at_all_leave_no_more_behind_than_has_room() {
    for timeout in ["0S", "1n", "1m"] {
        let (cache, _) = cache();
        let policy = CallPolicy::new(minutes(5)).fill_timeout(seconds(20));
        let layer = cache.grpc().method(ITEM, policy).build().unwrap();
        let running = Arc::new(AtomicUsize::new(0));
        let (counted, most) = (running.clone(), Arc::new(AtomicUsize::new(0)));
        let highest = most.clone();
        let handler = Counted::new(move |_| {
            let (running, highest) = (Running::of(&counted), highest.clone());
            async move {
                highest.fetch_max(running.0.load(Ordering::SeqCst), Ordering::SeqCst);
                std::future::pending::<()>().await;
                drop(running);
                ok(b"soup")
            }
        });
        for number in 0..5_000_u32 {
            let asked = call_with(
                ITEM,
                message(&number.to_be_bytes()),
                &[("grpc-timeout", timeout)],
            );
            assert_eq!(ask(&layer, &handler, asked).await.code(), "4");
        }
        let left = running.load(Ordering::SeqCst);
        assert!(left <= 256, "{left} of {timeout} are left");
        tokio::time::sleep(seconds(61)).await;
        assert_eq!(running.load(Ordering::SeqCst), 0, "{timeout}");
        assert_at_rest(&cache).await;
    }
}

/// One run of a handler.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
