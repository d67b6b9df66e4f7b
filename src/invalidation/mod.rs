//! What a change frees, said in one place: rules for the events that an application emits.
//!
//! ```text
//! change the data ─► commit ─► emit ─► each rule of the event's type ─► Purges ─► one purge of the store
//! ```
//!
//! A handler that changes data knows what has happened, and need not know which pages show it: it emits an event, and the rules of the event's
//! type say what goes. Several rules may be there for one type, each by whoever makes such pages. One that fails or panics is logged and
//! reported by its name; the others run, and what they ask for is freed.
//!
//! ```
//! use axum::extract::{Extension, Path};
//! use axum::routing::{get, post};
//! use axum::{Router, body::Body};
//! use http::Request;
//! use larder::{Cache, Invalidation, MIB, MemoryStore, minutes};
//! # use tower::ServiceExt;
//!
//! struct DishChanged {
//!     id: u64,
//! }
//!
//! async fn change(Extension(rules): Extension<Invalidation>, Path(id): Path<u64>) -> Result<(), String> {
//!     // Change the data, commit; then:
//!     rules.emit(DishChanged { id }).await.map_err(|error| error.to_string())?;
//!     Ok(())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let cache = Cache::builder(MemoryStore::new(MIB)).build()?;
//! let rules = Invalidation::new(&cache)
//!     .on::<DishChanged>(|_, purges| purges.tag("menu"))
//!     .on::<DishChanged>(|dish, purges| purges.page(&format!("/dishes/{}", dish.id)));
//! let app: Router = Router::new()
//!     .route("/menu", get(async || "soup").layer(cache.page(minutes(30)).tag("menu")))
//!     .route("/dishes/{id}/edit", post(change))
//!     .layer(Extension(rules));
//!
//! # let ask = async |request: http::request::Builder| {
//! #     let request = request.header("host", "shop.example").body(Body::empty()).unwrap();
//! #     app.clone().oneshot(request).await.unwrap()
//! # };
//! for said in ["fwd=uri-miss; stored", "hit; ttl=1800"] {
//!     let answer = ask(Request::get("/menu")).await;
//!     assert_eq!(answer.headers()["cache-status"], format!("larder; {said}"));
//!     # drop(axum::body::to_bytes(answer.into_body(), 9).await?);
//! }
//! ask(Request::post("/dishes/5/edit")).await;
//! let answer = ask(Request::get("/menu")).await;
//! assert_eq!(answer.headers()["cache-status"], "larder; fwd=uri-miss; stored");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Traps
//!
//! * Emit after the commit, never before: a page made in between would be of the old data, and would stay. [`Invalidation::pending`]
//!   collects events while a transaction is open, [`Invalidation::after_commit`] emits them once it has succeeded.
//! * A statement that changes many rows is one emit of many events ([`emit_all`](Invalidation::emit_all)), or an event of its own whose rule
//!   purges a tag that all of them carry. Nothing here looks at the database: what nobody emits frees nothing.
//! * The events are found by their type. `emit(&event)` would look for rules of a reference, and finds none.

mod emitting;
mod error;
mod pending;
mod purges;
mod rule;
#[cfg(test)]
mod tests;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use self::rule::{Event, Rule};
use crate::cache::{Cache, Purged};

pub use self::emitting::Emitting;
pub use self::error::{InvalidationError, RuleFailure};
pub use self::pending::Pending;
pub use self::purges::Purges;
pub use self::rule::{RuleError, RuleFuture};

/// The rules by which events free what a cache holds. See the [module](self).
///
/// A clone is cheap and has the same rules; it goes into the state of a router, or into an extension.
#[derive(Clone)]
pub struct Invalidation {
    cache: Cache,
    rules: Arc<Rules>,
}

#[derive(Clone, Default)]
struct Rules {
    by_type: HashMap<TypeId, Vec<Rule>>,
    /// Where the youngest rule is.
    last: Option<TypeId>,
}

/// An event whose type is found out when it is emitted.
type BoxedEvent = Box<Event>;

impl Invalidation {
    /// No rules yet, for what `cache` holds.
    pub fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            rules: Arc::default(),
        }
    }

    /// Adds a rule for events of type `E`. Rules of one type add up, and run in the order in which they were added.
    ///
    /// ```
    /// # use larder::{Cache, Invalidation, NullStore};
    /// struct OrderPlaced { id: u64 }
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let rules = Invalidation::new(&cache).on::<OrderPlaced>(|order, purges| {
    ///     purges.tag("orders");
    ///     purges.tag(format!("order:{}", order.id));
    /// });
    /// ```
    #[track_caller]
    #[must_use]
    pub fn on<E: Any + Send + Sync>(
        self,
        rule: impl Fn(&E, &mut Purges) + Send + Sync + 'static,
    ) -> Self {
        self.try_on::<E>(move |event, purges| {
            rule(event, purges);
            Ok(())
        })
    }

    /// The same for a rule that may fail. What it has asked for until then is freed.
    #[track_caller]
    #[must_use]
    pub fn try_on<E: Any + Send + Sync>(
        self,
        rule: impl Fn(&E, &mut Purges) -> Result<(), RuleError> + Send + Sync + 'static,
    ) -> Self {
        self.add::<E>(Rule::now(rule))
    }

    /// The same for a rule that has to wait, for what it looks up. Nothing bounds its time: it should set a limit itself.
    ///
    /// ```
    /// # use larder::invalidation::RuleError;
    /// # use larder::{Cache, Invalidation, NullStore};
    /// struct DishChanged { id: u64 }
    ///
    /// async fn orders_of(dish: u64) -> Result<Vec<u64>, RuleError> {
    ///     Ok(vec![dish])
    /// }
    ///
    /// # let cache = Cache::builder(NullStore).build().unwrap();
    /// let rules = Invalidation::new(&cache).on_async::<DishChanged>(|dish, purges| {
    ///     Box::pin(async move {
    ///         for order in orders_of(dish.id).await? {
    ///             purges.tag(format!("order:{order}"));
    ///         }
    ///         Ok(())
    ///     })
    /// });
    /// ```
    #[track_caller]
    #[must_use]
    pub fn on_async<E: Any + Send + Sync>(
        self,
        rule: impl for<'a> Fn(&'a E, &'a mut Purges) -> RuleFuture<'a> + Send + Sync + 'static,
    ) -> Self {
        self.add::<E>(Rule::waiting(rule))
    }

    /// Names the rule that was added last, for logs and errors. Default: where in the source it was added.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        let last = rules.last.and_then(|event| rules.by_type.get_mut(&event));
        if let Some(rule) = last.and_then(|rules| rules.last_mut()) {
            rule.name = name.into().into();
        }
        self
    }

    #[track_caller]
    fn add<E: Any>(mut self, rule: Rule) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        let event = TypeId::of::<E>();
        rules.by_type.entry(event).or_default().push(rule);
        rules.last = Some(event);
        self
    }

    /// Runs the rules of this event, and frees what they ask for. Call it after the data has changed (after the commit).
    ///
    /// Once it has returned `Ok`, no request that starts later is answered with what was read before. It begins when it is first polled, and
    /// goes on in the background when whoever waits for it goes away, even before that.
    ///
    /// # Errors
    ///
    /// When a rule failed, or the store did not take the purge. What the other rules asked for is freed all the same.
    pub fn emit<E: Any + Send + Sync>(&self, event: E) -> Emitting {
        self.emit_all([event])
    }

    /// The same for many events of one type, in one purge: for a statement that has changed many rows.
    ///
    /// # Errors
    ///
    /// As those of [`emit`](Self::emit).
    pub fn emit_all<E: Any + Send + Sync>(&self, events: impl IntoIterator<Item = E>) -> Emitting {
        let events = events
            .into_iter()
            .map(|event| Box::new(event) as BoxedEvent);
        Emitting::new(self.clone(), events.collect())
    }

    /// Collects events of any types while a transaction is open.
    pub fn pending(&self) -> Pending {
        Pending::new(self.clone())
    }

    /// Makes a change, and emits the events that it has added, if it has succeeded. `change` must have committed when it returns `Ok`; where
    /// it fails, its events are dropped.
    ///
    /// What `change` returned comes back with what became of the events, since the data has changed whether all is freed or not.
    ///
    /// ```
    /// use larder::invalidation::Pending;
    /// # use larder::{Cache, Invalidation, NullStore};
    /// # struct OrderPlaced { id: u64 }
    /// # struct Transaction;
    /// # impl Transaction { async fn commit(self) -> Result<(), std::io::Error> { Ok(()) } }
    /// # async fn begin() -> Result<Transaction, std::io::Error> { Ok(Transaction) }
    ///
    /// # async fn run(rules: Invalidation) -> Result<(), Box<dyn std::error::Error>> {
    /// let placed = rules.after_commit(async |events: &mut Pending| {
    ///     let transaction = begin().await?;
    ///     events.add(OrderPlaced { id: 7 });
    ///     transaction.commit().await?;
    ///     Ok::<_, std::io::Error>(7)
    /// });
    /// let (id, emitted) = placed.await?;
    /// emitted?;
    /// # let _ = id;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `change`.
    pub async fn after_commit<T, F>(
        &self,
        change: impl AsyncFnOnce(&mut Pending) -> Result<T, F>,
    ) -> Result<(T, Result<Emitted, InvalidationError>), F> {
        let mut pending = self.pending();
        match change(&mut pending).await {
            Ok(value) => Ok((value, pending.emit().await)),
            Err(error) => {
                pending.discard();
                Err(error)
            }
        }
    }

    fn rules_of(&self, event: &Event) -> &[Rule] {
        // Of what is in the box, not of the box.
        let rules = self.rules.by_type.get(&event.type_id());
        rules.map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rules.by_type.values().flatten();
        f.debug_list()
            .entries(names.map(|rule| &rule.name))
            .finish()
    }
}

/// What events have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Emitted {
    /// How often a rule ran: once for each event that it is for. None means that nobody has registered these types.
    pub rules: usize,
    /// The purge; `None` where nobody asked for any.
    pub purged: Option<Purged>,
}
