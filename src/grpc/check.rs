//! What must hold of any bytes: an answer comes to the same however it is cut, and what is read as kept is read back. Property tests and the
//! fuzzer ask the same.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::frame::{PREFIX, one_message};
use super::kept::Kept;
use super::read::{MOST_FRAMES, Read, any, read};
use crate::page::Budget;

/// Reads `content` in pieces of these lengths, over and over, and panics unless all of it comes back, and whole if it is one message, or the
/// beginning of one, of at most `limit` bytes.
pub(crate) fn check_reading(content: &[u8], lengths: &[u8], trailers: bool, limit: usize) {
    let pieces = cut(content, lengths);
    let are_few = pieces.len() <= MOST_FRAMES;
    let trailers = trailers.then(|| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers
    });
    let last = trailers.clone().map(Frame::trailers);
    let frames = pieces.into_iter().map(Frame::data).chain(last);
    let body = StreamBody::new(Frames(frames.collect::<Vec<_>>().into_iter()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime is at hand");
    let (came_back, is_whole) = runtime.block_on(async {
        let mut share = Budget::new(usize::MAX).share();
        match read(any(body), limit, &mut share).await {
            Read::Whole(whole) => ((whole.content, whole.trailers), true),
            Read::Other(body, _) | Read::Failed(body) => {
                let body = body.collect().await.expect("nothing has failed");
                let trailers = body.trailers().cloned();
                ((body.to_bytes(), trailers), false)
            }
        }
    });
    assert_eq!(came_back.0, content);
    assert_eq!(came_back.1, trailers);
    assert_eq!(is_whole, are_few && may_become_one(content, limit));
    if is_whole && content.len() >= PREFIX {
        // What is too short is judged by its end.
        assert!(one_message(content).is_some() || came_back.0.len() < end_of(content));
    }
}

/// Panics where these bytes are read as a kept call that is not read back from what it is written as.
pub(crate) fn check_kept(bytes: &[u8]) {
    if let Some(kept) = Kept::decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!(Kept::decode(kept.encode()), Some(kept));
    }
}

/// The same said of all bytes at once.
fn may_become_one(content: &[u8], limit: usize) -> bool {
    let is_flag = content.first().is_none_or(|flag| *flag < 2);
    let fits = content.len() < PREFIX || (content.len()..=limit).contains(&end_of(content));
    is_flag && fits && content.len() <= limit
}

/// Where the first message ends, as its prefix says.
fn end_of(content: &[u8]) -> usize {
    let length = content[1..PREFIX].iter();
    length.fold(0, |length, byte| (length << 8) + usize::from(*byte)) + PREFIX
}

/// Some of the pieces may be empty, if not all are.
fn cut(content: &[u8], lengths: &[u8]) -> Vec<Bytes> {
    let is_endless = lengths.iter().all(|length| *length == 0);
    let mut lengths = lengths.iter().map(|length| usize::from(*length)).cycle();
    let mut rest = Bytes::copy_from_slice(content);
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = match is_endless {
            true => rest.len(),
            false => lengths.next().map_or(rest.len(), |it| it.min(rest.len())),
        };
        pieces.push(rest.split_to(length));
    }
    pieces
}

/// Frames that are there.
struct Frames(std::vec::IntoIter<Frame<Bytes>>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{check_kept, check_reading};

    /// Bytes that are one message, nearly one, or any.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let framed =
            (0_u8..3, vec(any::<u8>(), 0..40), -2_i64..3).prop_map(|(flag, message, lie)| {
                let length = (message.len() as i64 + lie).max(0) as u32;
                [&[flag][..], &length.to_be_bytes(), &message].concat()
            });
        prop_oneof![
            4 => framed,
            1 => vec(0_u8..3, 0..12),
            1 => vec(any::<u8>(), 0..12),
        ]
    }

    proptest! {
        #[test]
        fn what_is_read_as_kept_is_read_back(
            names in vec("[a-c]{1,2}", 0..4),
            message in vec(any::<u8>(), 0..8),
            cut in 0_usize..8,
        ) {
            let mut bytes = (names.len() as u32).to_be_bytes().to_vec();
            for part in names.iter().flat_map(|name| [name, name]) {
                bytes.extend((part.len() as u32).to_be_bytes());
                bytes.extend(part.bytes());
            }
            bytes.extend([0, 0]);
            bytes.extend((message.len() as u32).to_be_bytes());
            bytes.extend(message);
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            check_kept(&bytes);
        }

        #[test]
        fn borders_mean_nothing_and_nothing_is_lost(
            content in content(),
            lengths in vec(0_u8..9, 0..6),
            trailers in any::<bool>(),
            limit in 0_usize..60,
        ) {
            check_reading(&content, &lengths, trailers, limit);
        }
    }
}
