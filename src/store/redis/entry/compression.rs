//! Bodies made smaller with zstd, where that pays.

/// From which size on bodies are compressed; `None` never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compression {
    pub(crate) from: Option<usize>,
}

/// Larger bodies are kept as they are: what an entry inflates to is bounded, whoever wrote it.
const LARGEST: usize = 64 << 20;

impl Compression {
    /// The body made smaller by a tenth at least; `None` where it stays as it is.
    pub(super) fn compress(self, body: &[u8]) -> Option<Vec<u8>> {
        let is_meant = self.from.is_some_and(|from| body.len() >= from);
        let most = body.len() - body.len().div_ceil(10);
        (is_meant && body.len() <= LARGEST && most > 0)
            .then(|| codec::compress(body, most))
            .flatten()
    }
}

/// The body of exactly this length that was compressed so.
pub(super) fn inflate(compressed: &[u8], length: usize) -> Option<Vec<u8>> {
    (length <= LARGEST)
        .then(|| codec::inflate(compressed, length))
        .flatten()
}

#[cfg(feature = "compression")]
mod codec {
    use std::cell::RefCell;

    use zstd::bulk::{Compressor, Decompressor};
    use zstd::zstd_safe::get_frame_content_size;

    /// The fastest that is still worth it: a third of the size for text.
    const LEVEL: i32 = 1;

    /// A block holds at most 128 KiB and takes 4 bytes at least (RFC 8878 §3.1.1.2), so no frame inflates by more.
    const MOST_RATIO: usize = 32 << 10;

    thread_local! {
        // 160 KB that would else be made anew for every hit.
        static INFLATER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }

    pub(super) fn compress(body: &[u8], most: usize) -> Option<Vec<u8>> {
        let mut compressed = Vec::with_capacity(most);
        let mut compressor = Compressor::new(LEVEL).ok()?;
        // It fails where `most` bytes are not enough.
        compressor.compress_to_buffer(body, &mut compressed).ok()?;
        compressed.shrink_to_fit();
        Some(compressed)
    }

    pub(super) fn inflate(compressed: &[u8], length: usize) -> Option<Vec<u8>> {
        // Nothing is allocated for a length that cannot be true.
        let said = get_frame_content_size(compressed).ok().flatten()?;
        if said != u64::try_from(length).ok()? || length / MOST_RATIO > compressed.len() {
            return None;
        }
        let mut body = Vec::with_capacity(length);
        let inflated = INFLATER.with_borrow_mut(|inflater| {
            let inflater = match inflater {
                Some(inflater) => inflater,
                None => inflater.insert(Decompressor::new().ok()?),
            };
            inflater.decompress_to_buffer(compressed, &mut body).ok()
        })?;
        (inflated == length).then_some(body)
    }
}

#[cfg(not(feature = "compression"))]
mod codec {
    pub(super) const fn compress(_: &[u8], _: usize) -> Option<Vec<u8>> {
        None
    }

    /// To a node that cannot read it, it is absent.
    pub(super) const fn inflate(_: &[u8], _: usize) -> Option<Vec<u8>> {
        None
    }
}
