//! Items as they change in this process, for whoever watches.

use futures_util::{Stream, stream};
use tokio::sync::{broadcast, watch};
use tonic::Status;

use crate::{
    process::{AnyError, stop_signal},
    proto::Item,
};

/// How many changes a watcher may be behind.
const BEHIND: usize = 256;

#[derive(Clone)]
pub(crate) struct Changes {
    items: broadcast::Sender<Item>,
    /// Closed when the process is asked to end.
    running: watch::Receiver<()>,
}

impl Changes {
    /// Needs the runtime: it waits for the signal, because a server that ends waits for its streams.
    pub(crate) fn new() -> Result<Self, AnyError> {
        let stop = stop_signal()?;
        let (open, running) = watch::channel(());
        tokio::spawn(async move {
            stop.await;
            drop(open);
        });
        Ok(Self {
            items: broadcast::Sender::new(BEHIND),
            running,
        })
    }

    /// Tells all who watch.
    pub(crate) fn tell(&self, item: &Item) {
        // Nobody may be watching.
        let _ = self.items.send(item.clone());
    }

    /// Every change from now on. It ends with an error: when the server ends, and when changes were missed.
    pub(crate) fn watch(&self) -> impl Stream<Item = Result<Item, Status>> + Send + 'static {
        let watcher = Watcher {
            items: self.items.subscribe(),
            running: self.running.clone(),
        };
        stream::unfold(Some(watcher), async |watcher| {
            let mut watcher = watcher?;
            let next = watcher.next().await;
            let watcher = next.is_ok().then_some(watcher);
            Some((next, watcher))
        })
    }
}

struct Watcher {
    items: broadcast::Receiver<Item>,
    running: watch::Receiver<()>,
}

impl Watcher {
    async fn next(&mut self) -> Result<Item, Status> {
        let stopping = || Status::unavailable("the server is stopping");
        tokio::select! {
            item = self.items.recv() => item.map_err(|error| match error {
                broadcast::error::RecvError::Closed => stopping(),
                broadcast::error::RecvError::Lagged(_) => {
                    Status::data_loss("changes were missed: read the items and watch again")
                }
            }),
            _ = self.running.changed() => Err(stopping()),
        }
    }
}
