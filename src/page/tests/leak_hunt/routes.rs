//! The routes of the site: who is told apart where, by which layers.

use http::header::AUTHORIZATION;

use super::super::*;
use super::origin::{Answering, answer};
use super::people::{User, Way};
use crate::identity::{cookie, header};
use crate::{Anonymous, RequestRules, seconds};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Varies on the user.
    User,
    /// Varies on the session.
    Session,
    /// Varies on the API key.
    Key,
    /// Varies on `Authorization`.
    Authorization,
    /// Varies on the session, and keeps nothing for those who have none.
    Members,
    /// For everyone.
    Plain,
    /// For everyone, by declaration.
    Shared,
    /// For everyone, by all of RFC 9111.
    Gateway,
    PlainRoundUser,
    PlainRoundKey,
    UserRoundPlain,
    GatewayRoundKey,
    /// A gateway of another process in front, which sees nothing but messages.
    OutsideRoundKey,
}

/// How the site's own authentication knows its users.
pub(super) const USER: [Way; 2] = [Way::Extension, Way::Session];

impl Route {
    pub(super) const ALL: [Self; 13] = [
        Self::User,
        Self::Session,
        Self::Key,
        Self::Authorization,
        Self::Members,
        Self::Plain,
        Self::Shared,
        Self::Gateway,
        Self::PlainRoundUser,
        Self::PlainRoundKey,
        Self::UserRoundPlain,
        Self::GatewayRoundKey,
        Self::OutsideRoundKey,
    ];

    /// The second answers for the same as the first, by `No-Vary-Search`.
    pub(super) fn target(self, page: usize) -> String {
        let query = ["p=0", "p=0&utm=1", "p=1"][page];
        format!("/{self:?}?{query}").to_lowercase()
    }

    pub(super) fn path(self) -> String {
        format!("/{self:?}").to_lowercase()
    }

    /// Whom every layer that stores tells apart, so that what is `public` here is one person's all the same.
    pub(super) const fn keyed(self) -> &'static [Way] {
        match self {
            Self::User | Self::PlainRoundUser => &USER,
            Self::Session | Self::Members => &[Way::Session],
            Self::Key | Self::PlainRoundKey | Self::GatewayRoundKey | Self::OutsideRoundKey => {
                &[Way::Key]
            }
            Self::Authorization => &[Way::Authorization],
            Self::Plain | Self::Shared | Self::Gateway | Self::UserRoundPlain => &[],
        }
    }

    /// Whom any layer tells apart; where none does, whom the site knows.
    pub(super) const fn varies_on(self) -> &'static [Way] {
        match self.keyed() {
            [] => &USER,
            keyed => keyed,
        }
    }

    /// Does a layer tell people apart? Then dates count for nothing, since they do not.
    pub(super) const fn is_of_people(self) -> bool {
        !matches!(self, Self::Plain | Self::Shared | Self::Gateway)
    }

    /// What a handler looks at without telling: what the key holds, and what larder knows for a credential.
    pub(super) const fn looked_at(self) -> &'static [Way] {
        const OTHERS: [Way; 4] = [
            Way::Extension,
            Way::Session,
            Way::Authorization,
            Way::Analytics,
        ];
        match self.keyed() {
            [Way::Key] => &[
                Way::Key,
                Way::Extension,
                Way::Session,
                Way::Authorization,
                Way::Analytics,
            ],
            [Way::Authorization] => &[
                Way::Authorization,
                Way::Extension,
                Way::Session,
                Way::Analytics,
            ],
            [Way::Session] => &[
                Way::Session,
                Way::Extension,
                Way::Authorization,
                Way::Analytics,
            ],
            _ => &OTHERS,
        }
    }

    /// Does `must-revalidate` say here that an answer to `Authorization` is for all (RFC 9111 §3.5)?
    pub(super) const fn is_gateway(self) -> bool {
        matches!(self, Self::Gateway)
    }

    pub(super) fn site(self, world: &World, data: &Data, options: Options) -> Site {
        let (runs, data) = (Runs::default(), data.clone());
        let handler = runs.handler(move |request| answer(self, data.clone(), request));
        let page = || options.dress(world.cache.page(seconds(10)).tag("all"));
        let user = || page().vary_on_user().unwrap();
        let by_key = || {
            let name = HeaderName::from_static("x-api-key");
            page().vary_on_identity(header(name)).unwrap()
        };
        let by_session = || page().vary_on_identity(cookie("session")).unwrap();
        let world = world.clone();
        match self {
            Self::User => Site::of(world, runs, user().layer(handler)),
            Self::Session => Site::of(world, runs, by_session().layer(handler)),
            Self::Key => Site::of(world, runs, by_key().layer(handler)),
            Self::Authorization => {
                let by = header(AUTHORIZATION);
                let layer = page().vary_on_identity(by).unwrap();
                Site::of(world, runs, layer.layer(handler))
            }
            Self::Members => {
                let layer = by_session().anonymous(Anonymous::Bypass);
                Site::of(world, runs, layer.layer(handler))
            }
            Self::Plain => Site::of(world, runs, page().layer(handler)),
            Self::Shared => Site::of(world, runs, page().shared().layer(handler)),
            Self::Gateway => {
                let gateway = options.dress(world.cache.gateway());
                Site::of(world, runs, gateway.layer(handler))
            }
            Self::PlainRoundUser => Site::of(world, runs, page().layer(user().layer(handler))),
            Self::PlainRoundKey => Site::of(world, runs, page().layer(by_key().layer(handler))),
            Self::UserRoundPlain => Site::of(world, runs, user().layer(page().layer(handler))),
            Self::GatewayRoundKey => {
                let gateway = options.dress(world.cache.gateway());
                Site::of(world, runs, gateway.layer(by_key().layer(handler)))
            }
            Self::OutsideRoundKey => {
                let outside = Cache::builder(MemoryStore::new(MIB))
                    .name("outside")
                    .clock(world.clock.clone())
                    .background(world.cache.background().clone())
                    .build()
                    .unwrap();
                let gateway = options.dress(outside.gateway());
                let service = gateway.layer(over_the_wire(by_key().layer(handler)));
                Site::of(world, runs, service)
            }
        }
    }
}

/// Lets nothing through but the messages themselves, and what the script needs of them.
fn over_the_wire<S, B>(
    inner: S,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    tower::service_fn(move |mut request: Request<Body>| {
        let inner = inner.clone();
        async move {
            let before = std::mem::take(request.extensions_mut());
            let kept = request.extensions_mut();
            if let Some(user) = before.get::<User>() {
                kept.insert(user.clone());
            }
            if let Some(answering) = before.get::<Answering>() {
                kept.insert(answering.clone());
            }
            let mut response = inner.oneshot(request).await?;
            response.extensions_mut().clear();
            Ok(response.map(Body::new))
        }
    })
}

/// Options that all layers of a script have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) while_revalidate: bool,
    pub(super) if_error: bool,
    pub(super) soft_timeout: bool,
    pub(super) etag: bool,
    pub(super) search: bool,
    pub(super) parts: bool,
    pub(super) posts: bool,
    pub(super) validates: bool,
    pub(super) heeds: bool,
    pub(super) client_ttl: bool,
}

/// The handler's time before something stale is better.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

impl Options {
    fn dress(self, layer: CacheLayer) -> CacheLayer {
        type Set = fn(CacheLayer) -> CacheLayer;
        let sets: [(bool, Set); 10] = [
            (self.while_revalidate, |layer| {
                layer.stale_while_revalidate(seconds(30))
            }),
            (self.if_error, |layer| layer.stale_if_error(seconds(30))),
            (self.soft_timeout, |layer| {
                layer.soft_timeout(PATIENCE).unwrap()
            }),
            (self.etag, CacheLayer::etag),
            (self.search, |layer| {
                layer.no_vary_search(Vec::<String>::new())
            }),
            (self.parts, |layer| layer.store_parts(true)),
            (self.posts, |layer| layer.store_posts(true)),
            (self.validates, |layer| layer.store_to_validate(true)),
            (self.heeds, |layer| layer.request_rules(RequestRules::ALL)),
            (self.client_ttl, |layer| layer.client_ttl(seconds(60))),
        ];
        let wanted = sets.into_iter().filter(|(wanted, _)| *wanted);
        wanted.fold(layer, |layer, (_, set)| set(layer))
    }
}
