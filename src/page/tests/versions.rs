//! Pages of data that changes, and the ways to purge them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// What pages are made of: a number that only grows.
#[derive(Clone, Default)]
pub(super) struct Data(Arc<AtomicU64>);

impl Data {
    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn change(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// The ways of a purge that strike the page of `/p?q`, as [`World::site_of`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Key,
    Page,
    PageOnHost,
    PageWithQuery,
    LayersTag,
    /// A tag that is known only once the handler has answered.
    HandlersTag,
    Prefix,
    PrefixOnHost,
    Glob,
    Clear,
    ClearNamespace,
}

impl How {
    pub(super) const ALL: [Self; 11] = [
        Self::Key,
        Self::Page,
        Self::PageOnHost,
        Self::PageWithQuery,
        Self::LayersTag,
        Self::HandlersTag,
        Self::Prefix,
        Self::PrefixOnHost,
        Self::Glob,
        Self::Clear,
        Self::ClearNamespace,
    ];
}

impl World {
    pub(super) async fn purge(&self, how: How) {
        let cache = &self.cache;
        match how {
            How::Key => self.purge_key("/p?q").await,
            How::Page => self.purge_page("/p").await,
            How::PageOnHost => self.purge_page("http://shop.example/p").await,
            How::PageWithQuery => self.purge_page("//shop.example/p?q").await,
            How::LayersTag => self.purge_tag("layer").await,
            How::HandlersTag => self.purge_tag("handler").await,
            How::Prefix => {
                let _ = cache.purge_page_prefix("/p").await.unwrap();
            }
            How::PrefixOnHost => {
                let purged = cache.purge_page_prefix("//shop.example/").await;
                let _ = purged.unwrap();
            }
            How::Glob => {
                let _ = cache.purge_pages_matching("/[a-p]").await.unwrap();
            }
            How::Clear => {
                let _ = cache.clear().await.unwrap();
            }
            How::ClearNamespace => {
                let _ = cache.clear_namespace().await.unwrap();
            }
        }
    }

    /// A page of `data` that every [`How`] strikes. It reads the data, answers with its head when `head` lets it, and ends its body when
    /// `body` does.
    pub(super) fn site_of(&self, data: &Data, head: &Gate, body: &Gate) -> Site {
        let (data, head, body) = (data.clone(), head.clone(), body.clone());
        self.site(self.page().tag("layer"), move |_| {
            let (version, head, body) = (data.read(), head.clone(), body.clone());
            async move {
                head.pass().await;
                let end = stream::once(async move {
                    body.pass().await;
                    Ok::<_, Infallible>(version.to_string())
                });
                let beginning = stream::iter([Ok("version ".to_owned())]);
                let mut response = page(&[], Body::from_stream(beginning.chain(end)));
                CacheTags::new(["handler"]).add_to(response.extensions_mut());
                response
            }
        })
    }
}

/// Random numbers that a seed repeats.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len() as u64) as usize]
    }
}
