//! Walking over the keys of the server, a bounded step at a time, never with `KEYS`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use deadpool_redis::redis::{Cmd, Value};
use futures_core::Stream;

use super::connections::Connections;
use super::entry;
use super::fence::{FenceState, PEEK};
use super::reply;
use crate::store::{Scanned, StoreError};

/// How many keys of the database one step looks at.
const STEP: usize = 1_000;

/// A walk over the keys that match a pattern. A key that is there all the time is met at least once.
pub(super) struct Cursor {
    pattern: Vec<u8>,
    at: Option<Vec<u8>>,
}

impl Cursor {
    pub(super) fn new(pattern: Vec<u8>) -> Self {
        Self {
            pattern,
            at: Some(b"0".to_vec()),
        }
    }

    /// The keys of the next step, perhaps none; `None` at the end.
    pub(super) async fn next(
        &mut self,
        connections: &Connections,
    ) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        let Some(at) = self.at.take() else {
            return Ok(None);
        };
        let mut scan = Cmd::new();
        scan.arg("SCAN").arg(&at).arg("MATCH").arg(&self.pattern);
        scan.arg("COUNT").arg(STEP);
        let answer = reply::array(connections.send(&scan).await?);
        let answer: Option<[Value; 2]> = answer.and_then(|all| all.try_into().ok());
        let [cursor, names] = answer.ok_or_else(|| reply::unexpected("scan"))?;
        let cursor = reply::bulk(cursor).ok_or_else(|| reply::unexpected("scan"))?;
        let names = reply::array(names).ok_or_else(|| reply::unexpected("scan"))?;
        self.at = (cursor != b"0").then_some(cursor);
        Ok(Some(names.into_iter().filter_map(reply::bulk).collect()))
    }
}

/// What is known of entries without reading them whole, in the order of their names.
pub(super) async fn peek(
    fence: &FenceState,
    names: &[Vec<u8>],
) -> Result<Vec<Option<Scanned>>, StoreError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let answers = reply::array(fence.run(&PEEK, &keys, &[]).await?);
    let answers = answers.ok_or_else(|| reply::unexpected("scan"))?;
    let peeked = names.iter().zip(answers);
    Ok(peeked
        .map(|(name, answer)| peeked_at(name, answer))
        .collect())
}

fn peeked_at(name: &[u8], answer: Value) -> Option<Scanned> {
    let [beginning, length]: [Value; 2] = reply::array(answer)?.try_into().ok()?;
    let beginning = reply::bulk(beginning)?;
    let entry = entry::peek(&beginning)?;
    let length = u64::try_from(reply::integer(&length)).ok()?;
    let weight = length + name.len() as u64;
    Some(Scanned::new(
        entry.key.into(),
        weight,
        entry.times,
        entry.kind,
    ))
}

type Step = Result<Option<Vec<Scanned>>, StoreError>;
type Walking = Pin<Box<dyn Future<Output = (Cursor, Step)> + Send>>;

/// The entries whose full key starts with a prefix.
pub(super) struct Scanning {
    fence: Arc<FenceState>,
    prefix: Vec<u8>,
    left: usize,
    ready: std::vec::IntoIter<Scanned>,
    next: Option<Walking>,
}

impl Scanning {
    /// At most `budget` of those whose names match `pattern`.
    pub(super) fn new(
        fence: Arc<FenceState>,
        pattern: Vec<u8>,
        prefix: &[u8],
        budget: usize,
    ) -> Self {
        let mut scanning = Self {
            fence,
            prefix: prefix.to_vec(),
            left: budget,
            ready: Vec::new().into_iter(),
            next: None,
        };
        scanning.go_on(Cursor::new(pattern));
        scanning
    }

    fn go_on(&mut self, mut cursor: Cursor) {
        let fence = self.fence.clone();
        self.next = Some(Box::pin(async move {
            let step = step(&fence, &mut cursor).await;
            (cursor, step)
        }));
    }
}

async fn step(fence: &FenceState, cursor: &mut Cursor) -> Step {
    let Some(names) = cursor.next(fence.connections()).await? else {
        return Ok(None);
    };
    let peeked = peek(fence, &names).await?;
    Ok(Some(peeked.into_iter().flatten().collect()))
}

impl Stream for Scanning {
    type Item = Result<Scanned, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            while let Some(scanned) = self.ready.next() {
                if scanned.key.starts_with(&self.prefix) {
                    self.left -= 1;
                    return Poll::Ready(Some(Ok(scanned)));
                }
            }
            let Some(next) = self.next.as_mut() else {
                return Poll::Ready(None);
            };
            let (cursor, step) = ready!(next.as_mut().poll(cx));
            self.next = None;
            match step {
                Ok(None) => return Poll::Ready(None),
                Ok(Some(scanned)) => {
                    self.ready = scanned.into_iter();
                    self.go_on(cursor);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
