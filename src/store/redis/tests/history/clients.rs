//! What clients do on a node.

use std::convert::Infallible;
use std::future::IntoFuture;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};

use super::data::{PAGES, TAGS, VALUES, address, is_page, key, tag_of, varies};
use super::*;
use crate::cache::Lookup;
use crate::clock::{Clock, SystemClock};
use crate::store::{Purge, PurgeError};
use crate::{CacheError, CacheLayer, CacheTags, InvalidationLayer, PageKey, RequestHead};

/// A value: which item, and which version of it.
type Value = (usize, u64);

/// A node, and what it serves.
pub(super) struct Site {
    pub(super) number: usize,
    pub(super) node: Node,
    world: Arc<World>,
    pages: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
}

impl Site {
    pub(super) fn new(
        number: usize,
        store: RedisStoreBuilder,
        world: &Arc<World>,
        seed: u64,
    ) -> Self {
        let node = Node::of(store);
        let (handled, turn) = (world.clone(), Arc::new(AtomicU64::new(number as u64)));
        let handler = tower::service_fn(move |request: Request<Body>| {
            let turn = turn.fetch_add(1_000, Ordering::Relaxed);
            let dice = Dice::new(seed, (1 << 40) + turn);
            let world = handled.clone();
            async move { Ok::<_, Infallible>(answer(&world, request, dice).await) }
        });
        let pages = layer(&node.cache).layer(handler);
        let pages = InvalidationLayer::new(&node.cache).layer(pages);
        let pages = pages.map_response(|response: Response<_>| response.map(Body::new));
        Self {
            number,
            node,
            world: world.clone(),
            pages: BoxCloneSyncService::new(pages),
        }
    }

    /// `None` where its body has not come to its end.
    async fn page(&self, page: usize, language: &'static str) -> Option<Value> {
        let answer = self.open(page, Method::GET, language).await;
        if answer.status() != 200 {
            let wrong = format!("a request failed: {answer:?}");
            self.world.log.wrong(wrong);
            return None;
        }
        let said = answer.headers().get("cache-status");
        let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
        self.count(said.starts_with("larder; hit"));
        let body = axum::body::to_bytes(answer.into_body(), 1024).await.ok()?;
        let body = std::str::from_utf8(&body).unwrap();
        let mut words = body.split(' ');
        let (item, shown) = (words.next()?, words.next()?);
        assert!(shown == language || !varies(page), "{body} for {language}");
        Some((item.parse().unwrap(), words.next()?.parse().unwrap()))
    }

    async fn open(&self, page: usize, method: Method, language: &'static str) -> Response<Body> {
        let asked = request(page, method, language);
        self.pages.clone().oneshot(asked).await.unwrap()
    }

    fn count(&self, is_hit: bool) {
        let tally = &self.world.tally;
        let count = if is_hit { &tally.hits } else { &tally.made };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn is_not_old(&self, item: usize, how: &str, found: Value, least: u64) {
        let (of, version) = found;
        if of != item || version < least {
            let number = self.number;
            self.world.log.wrong(format!(
                "node {number} answers {how} of item {item} with version {version} of {of}; it is {least} at least"
            ));
        }
    }

    /// Once all is well again.
    pub(super) async fn reads_the_newest(&self, item: usize) {
        let newest = self.world.data.read(item);
        if is_page(item) {
            for language in ["de", "en"] {
                match self.page(item, language).await {
                    Some(found) => self.is_not_old(item, "at last a page", found, newest),
                    None => self.world.log.wrong(format!("no whole page of {item}")),
                }
            }
            return;
        }
        let reading = async {
            loop {
                match self.node.cache.get::<Value>(key(item)).await {
                    Ok(found) => return found,
                    // It may be left alone still.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Some(found)) => self.is_not_old(item, "at last a value", found, newest),
            Ok(None) => {}
            Err(_) => self.world.log.wrong(format!("no answer for {item}")),
        }
    }
}

fn layer(cache: &Cache) -> CacheLayer {
    cache.page(minutes(30)).tag("pages").grace(minutes(30))
}

fn request(page: usize, method: Method, language: &'static str) -> Request<Body> {
    let request = Request::builder().method(method).uri(address(page));
    let request = request
        .header("host", "shop.example")
        .header("x-l", language);
    request.body(Body::empty()).unwrap()
}

/// The page with the data as it is at some moment, at once or a while later. What is posted changes it.
async fn answer(world: &World, request: Request<Body>, mut dice: Dice) -> Response<Body> {
    let page: usize = request.uri().path()[3..].parse().unwrap();
    // Who refreshes in the background asks for no more than the page varies on.
    let language = request.headers().get("x-l");
    let language = language.map_or("none", |language| language.to_str().unwrap());
    let language = language.to_owned();
    dice.dawdle(4).await;
    let version = match *request.method() {
        Method::GET => world.data.read(page),
        _ => world.data.change(page),
    };
    dice.dawdle(8).await;
    let body = match dice.roll(2) {
        0 => Body::from(format!("{page} {language} {version}")),
        _ => {
            let beginning = format!("{page} {language} ");
            let end = stream::once(async move {
                dice.dawdle(8).await;
                Bytes::from(version.to_string())
            });
            let whole = stream::iter([Bytes::from(beginning)]).chain(end);
            Body::from_stream(whole.map(Ok::<_, Infallible>))
        }
    };
    let mut response = Response::new(body);
    if varies(page) {
        let language = http::HeaderValue::from_static("x-l");
        response.headers_mut().insert(http::header::VARY, language);
    }
    // To be told of it, also where nothing is stored.
    response.headers_mut().insert("x-version", version.into());
    CacheTags::new([tag_of(page)]).add_to(response.extensions_mut());
    response
}

/// A purge, and what it strikes.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Tag(usize),
    AllPages,
    AllValues,
    Page(usize),
    PageKey(usize),
    Key(usize),
    Keys(usize, usize),
    Prefix(&'static str),
    Glob(&'static str),
    Clear,
}

impl Strike {
    fn any(dice: &mut Dice) -> Self {
        let number = |sides: u64| usize::try_from(sides).unwrap();
        let page = number(dice.roll(PAGES as u64));
        let value = PAGES + number(dice.roll(VALUES as u64));
        match dice.roll(12) {
            0..2 => Self::Tag(number(dice.roll(TAGS as u64))),
            2 => Self::AllPages,
            3 => Self::AllValues,
            4 => Self::Page(page),
            5 => Self::PageKey(page),
            6..8 => Self::Key(value),
            8 => Self::Keys(value, PAGES),
            9 => Self::Prefix(dice.pick(&["v:a:", "v:b:", "v:"])),
            10 => Self::Glob(dice.pick(&["v:*:0", "v:?:1", "*"])),
            _ => Self::Clear,
        }
    }

    fn strikes(self, item: usize) -> bool {
        let name = if is_page(item) { None } else { Some(key(item)) };
        match self {
            Self::Tag(tag) => item % TAGS == tag,
            Self::AllPages => is_page(item),
            Self::AllValues => !is_page(item),
            Self::Page(one) | Self::PageKey(one) | Self::Key(one) => item == one,
            Self::Keys(one, other) => item == one || item == other,
            Self::Prefix(prefix) => name.is_some_and(|name| name.starts_with(prefix)),
            Self::Glob("v:*:0") => name.is_some_and(|name| name.ends_with('0')),
            Self::Glob("v:?:1") => name.is_some_and(|name| name.ends_with('1')),
            Self::Glob(_) => name.is_some(),
            Self::Clear => true,
        }
    }

    async fn purge(self, cache: &Cache) -> Result<(), CacheError> {
        let purged = match self {
            Self::Tag(tag) => cache.purge_tag(&tag_of(tag)).await,
            Self::AllPages => cache.purge_tag("pages").await,
            Self::AllValues => cache.purge_tags(["none", "values"]).await,
            Self::Page(page) => cache.purge_page(&address(page)).await,
            Self::PageKey(page) => cache.purge_key(&page_key(cache, page)).await,
            Self::Clear => cache.clear().await,
            Self::Key(value) => return cache.delete(key(value)).await.map(drop),
            Self::Keys(one, other) => {
                return cache.delete_many([key(one), key(other)]).await.map(drop);
            }
            Self::Prefix(prefix) => return cache.delete_prefix(prefix).await.map(drop),
            Self::Glob(glob) => return cache.delete_matching(glob).await.map(drop),
        };
        Ok(purged.map(drop)?)
    }
}

fn page_key(cache: &Cache, page: usize) -> PageKey {
    let asked = request(page, Method::GET, "de");
    layer(cache).key(&RequestHead::of(&asked)).unwrap()
}

/// One that does one thing after the other.
pub(super) struct Client {
    site: Arc<Site>,
    dice: Dice,
}

impl Client {
    pub(super) const fn new(site: Arc<Site>, dice: Dice) -> Self {
        Self { site, dice }
    }

    pub(super) async fn run(mut self) {
        let world = self.site.world.clone();
        while !world.is_over.load(Ordering::SeqCst) && !world.log.is_wrong() {
            let item = usize::try_from(self.dice.roll(ITEMS as u64)).unwrap();
            let kind = self.dice.roll(20);
            let ended = tokio::time::timeout(PATIENCE, self.step(kind, item)).await;
            if ended.is_err() {
                let number = self.site.number;
                world.log.wrong(format!(
                    "node {number}: step {kind} with item {item} never ends"
                ));
            }
            self.dice.dawdle(6).await;
        }
    }

    async fn step(&mut self, kind: u64, item: usize) {
        match kind {
            0..2 => self.change().await,
            2 if is_page(item) => self.post(item).await,
            2 => self.soften(item).await,
            _ if is_page(item) => self.read_page(item).await,
            _ => self.read_value(item).await,
        }
    }

    /// Changes all that a purge is about, and purges it.
    async fn change(&mut self) {
        let Site {
            world,
            node,
            number,
            ..
        } = &*self.site;
        let strike = Strike::any(&mut self.dice);
        let struck = (0..ITEMS).filter(|item| strike.strikes(*item));
        let changed: Vec<_> = struck.map(|item| (item, world.data.change(item))).collect();
        self.dice.dawdle(3).await;
        let purging = strike.purge(&node.cache);
        let purged = match self.dice.roll(8) {
            // Its caller goes away.
            0 => tokio::time::timeout(Duration::from_millis(self.dice.roll(3)), purging)
                .await
                .ok(),
            _ => Some(purging.await),
        };
        let has_arrived = matches!(purged, Some(Ok(())));
        for (item, version) in &changed {
            world.data.purged(*item, *version, *number, has_arrived);
        }
        let tally = match &purged {
            Some(Ok(())) => &world.tally.delivered,
            Some(Err(CacheError::Purge(PurgeError::Undelivered(_)))) => &world.tally.undelivered,
            Some(Err(error)) => return world.log.wrong(format!("{strike:?}: {error:?}")),
            None => &world.tally.abandoned,
        };
        tally.fetch_add(1, Ordering::Relaxed);
        world.log.note(|| {
            let purged = purged.map(|purged| purged.is_ok());
            format!("node {number}: {strike:?} after (item, version) {changed:?}: {purged:?}")
        });
    }

    /// Whether its purge has arrived at other nodes nobody says. This node knows of it.
    async fn post(&mut self, page: usize) {
        let Site { world, number, .. } = &*self.site;
        let answer = self.site.open(page, Method::POST, "de").await;
        let version: u64 = answer.headers()["x-version"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        drop(answer);
        world.data.purged(page, version, *number, false);
        world
            .log
            .note(|| format!("node {number}: a POST makes version {version} of page {page}"));
    }

    /// This promises nothing; and takes nothing away from other promises.
    async fn soften(&mut self, item: usize) {
        let cache = &self.site.node.cache;
        let mark = cache.shared.tag_mark(&tag_of(item));
        let now = SystemClock::new().now();
        drop(
            cache
                .store()
                .purge(&Purge::Soft(vec![mark], now), now)
                .await,
        );
    }

    async fn read_page(&mut self, page: usize) {
        let site = &self.site;
        let language = self.dice.pick(&["de", "en"]);
        match self.dice.roll(12) {
            // A client that goes away, with the head or without it.
            0 => drop(site.open(page, Method::GET, language).await),
            1 => {
                let gone = Duration::from_millis(self.dice.roll(8));
                drop(tokio::time::timeout(gone, site.open(page, Method::GET, language)).await);
            }
            _ => {
                let least = site.world.data.least(page, site.number);
                if let Some(found) = site.page(page, language).await {
                    site.is_not_old(page, "a page", found, least);
                }
            }
        }
    }

    async fn read_value(&mut self, item: usize) {
        let site = self.site.clone();
        let (cache, world) = (&site.node.cache, &site.world);
        let (key, tag) = (key(item), tag_of(item));
        let least = world.data.least(item, site.number);
        let mut dice = Dice(self.dice.roll(u64::MAX >> 17) | 1);
        let (kind, gone) = (self.dice.roll(8), self.dice.roll(8));
        let has_loaded = Arc::new(AtomicBool::new(false));
        let mut load = {
            let (world, has_loaded) = (world.clone(), has_loaded.clone());
            async move || {
                has_loaded.store(true, Ordering::Relaxed);
                dice.dawdle(4).await;
                let version = world.data.read(item);
                dice.dawdle(8).await;
                (item, version)
            }
        };
        let (how, found): (_, Option<Value>) = match kind {
            0 => ("get", cache.get(key).await.ok().flatten()),
            1..3 => match cache.lookup(key).await {
                Ok(Lookup::Hit(found)) => ("lookup", Some(found)),
                Ok(Lookup::Miss(miss)) => {
                    let read = load().await;
                    drop(miss.fill(&read, minutes(30)).tag("values").tag(&tag).await);
                    ("fill", Some(read))
                }
                Err(_) => ("lookup", None),
            },
            3 => {
                let refreshing = cache.get_or_set(key, minutes(30), load).tag("values");
                ("refresh", refreshing.tag(&tag).refresh().await.ok())
            }
            4 => {
                let loading = cache
                    .get_or_set(key, minutes(30), load)
                    .tag("values")
                    .tag(&tag);
                let gone = Duration::from_millis(gone);
                let loaded = tokio::time::timeout(gone, loading.into_future()).await;
                ("get_or_set in time", loaded.ok().and_then(Result::ok))
            }
            _ => {
                let loading = cache
                    .get_or_set(key, minutes(30), load)
                    .tag("values")
                    .tag(&tag);
                ("get_or_set", loading.stale_for(minutes(30)).await.ok())
            }
        };
        if let Some(found) = found {
            site.count(!has_loaded.load(Ordering::Relaxed));
            site.is_not_old(item, how, found, least);
        }
    }
}
