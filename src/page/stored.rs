//! A stored response as it is kept in memory, ready to be answered from.

mod wire;

use std::any::Any;
use std::mem::size_of;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::asker::Owner;
use super::complete::Completed;
use super::compressible::is_compressible;
use super::terms::Terms;
use crate::clock::Now;
use crate::header::{CacheName, Member, cache_status, strip_hop_by_hop};
use crate::store::{HeadObject, Times};

pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub(super) const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Values that many responses share: their clones touch no counter.
const COMMON: [&str; 18] = [
    "no-cache",
    "text/html; charset=utf-8",
    "text/html",
    "application/json",
    "text/plain; charset=utf-8",
    "text/css; charset=utf-8",
    "image/svg+xml",
    "image/png",
    "gzip",
    "br",
    "Accept-Encoding",
    "accept-encoding",
    "Accept",
    "accept",
    "nosniff",
    "DENY",
    "SAMEORIGIN",
    "bytes",
];

/// Fields about one answer, not about the page: timings, and what other caches said in passing.
const PER_ANSWER: [&str; 8] = [
    "age",
    "x-cache",
    "x-cache-hits",
    "x-cache-hit-rate",
    "x-cache-misses",
    "x-cache-lookup",
    "server-timing",
    "x-response-time",
];

/// How the fields of limits begin, which are of this moment and this client (RL-HDR-17).
const LIMITS: [&str; 3] = ["ratelimit", "x-ratelimit", "x-rate-limit"];

/// Trailers about one person, as the fields that keep a response from being stored at all.
const PERSONAL_TRAILERS: [&str; 3] = ["set-cookie", "authentication-info", "clear-site-data"];

/// The head of a stored response.
#[derive(Debug)]
pub(super) struct StoredPage {
    status: StatusCode,
    headers: HeaderMap,
    trailers: Option<Box<HeaderMap>>,
    /// The freshness lifetime, in seconds.
    lifetime: u64,
    terms: Terms,
    completed: Completed,
    /// When the handler was asked.
    asked: Now,
    owner: Owner,
    /// How long it took, up to the head, in microseconds.
    took: u32,
    /// Did a cache further in leave a `Cache-Status` of its own?
    inner_status: bool,
    last: Mutex<Option<Fields>>,
}

/// The fields that change once a second, as they were last written.
#[derive(Clone, Debug)]
struct Fields {
    age: u64,
    age_value: HeaderValue,
    status: HeaderValue,
    cache_control: Option<HeaderValue>,
}

impl StoredPage {
    /// Keeps what may be kept of `headers`, in allocations of its own: a value can be a slice that pins a whole read buffer.
    pub(super) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        lifetime: u64,
        terms: Terms,
        completed: Completed,
    ) -> Self {
        let mut kept = headers.clone();
        strip_what_passes(&mut kept);
        let inner_status = kept.contains_key(CACHE_STATUS);
        let mut headers = compact(&kept, 4);
        // Places for what every answer says anew.
        headers.insert(AGE, HeaderValue::from_static("0"));
        if !inner_status {
            headers.insert(CACHE_STATUS, HeaderValue::from_static(""));
        }
        Self {
            status,
            headers,
            trailers: None,
            lifetime,
            terms,
            completed,
            asked: Now::from_millis(0),
            owner: Owner::Everyone,
            took: 0,
            inner_status,
            last: Mutex::default(),
        }
    }

    /// The same head of a response that was asked for at this moment.
    pub(super) fn asked_at(mut self, asked: Now) -> Self {
        self.asked = asked;
        self
    }

    pub(super) fn asked(&self) -> Now {
        self.asked
    }

    /// The same head, of a response that is stored for `owner`.
    pub(super) fn of(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    /// The same head of a response that its handler took so long for.
    pub(super) fn made_in(mut self, micros: u64) -> Self {
        self.took = u32::try_from(micros).unwrap_or(u32::MAX);
        self
    }

    pub(super) fn took_micros(&self) -> u64 {
        self.took.into()
    }

    /// The same head with what only the end of the body tells.
    pub(super) fn completed(&self, body: &[u8], trailers: Option<HeaderMap>, etag: bool) -> Self {
        let mut headers = self.headers.clone();
        // With a length a message cannot carry trailers in HTTP/1.1; and 204 has none at all (RFC 9110 §8.6).
        if self.status == StatusCode::NO_CONTENT {
            headers.remove(CONTENT_LENGTH);
        } else if trailers.is_none() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if etag && self.status == StatusCode::OK && !headers.contains_key(ETAG) {
            let tag = format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(body));
            headers.insert(ETAG, shared_value(tag));
        }
        let trailers = trailers.map(|mut trailers| {
            strip_personal(&mut trailers);
            compact(&trailers, 0)
        });
        Self {
            status: self.status,
            headers,
            trailers: trailers.map(Box::new),
            lifetime: self.lifetime,
            terms: self.terms,
            completed: self.completed.clone(),
            asked: self.asked,
            owner: self.owner,
            took: self.took,
            inner_status: self.inner_status,
            last: Mutex::default(),
        }
    }

    /// The fields as the handler sent them, as far as they were kept: what a 304 is merged into (RFC 9111 §3.2).
    pub(super) fn original_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.remove(AGE);
        if !self.inner_status {
            headers.remove(CACHE_STATUS);
        }
        self.completed.undo(&mut headers);
        headers
    }

    /// The fields as they are answered, but for what each answer says anew.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// What is left of its lifetime at this age, in seconds.
    pub(super) fn ttl(&self, age: u64) -> i64 {
        i64::try_from(self.lifetime).unwrap_or(i64::MAX) - i64::try_from(age).unwrap_or(i64::MAX)
    }

    /// Has a soft purge ended its freshness before its lifetime was over?
    pub(super) fn is_cut_short(&self, times: &Times) -> bool {
        times.fresh_until < times.born + Duration::from_secs(self.lifetime)
    }

    /// The fields of an answer from the store at this age. `status` is written if the request may see it.
    pub(super) fn hit_headers(&self, age: u64, name: &CacheName, shows_status: bool) -> HeaderMap {
        let fields = self.fields(age, name);
        let mut headers = self.headers.clone();
        headers.insert(AGE, fields.age_value);
        if let Some(cache_control) = fields.cache_control {
            headers.insert(CACHE_CONTROL, cache_control);
        }
        self.write_status(&mut headers, fields.status, shows_status);
        headers
    }

    /// The fields of any other answer made of this head. `age` is `None` for what has just been made.
    pub(super) fn shared_headers(
        &self,
        age: Option<u64>,
        status: HeaderValue,
        shows_status: bool,
    ) -> HeaderMap {
        let mut headers = self.headers.clone();
        match age {
            Some(age) => headers.insert(AGE, HeaderValue::from(age)),
            None => headers.remove(AGE),
        };
        let age = age.unwrap_or_default();
        if let Some(cache_control) = self.cache_control(age) {
            headers.insert(CACHE_CONTROL, cache_control);
        }
        self.write_status(&mut headers, status, shows_status);
        headers
    }

    fn write_status(&self, headers: &mut HeaderMap, status: HeaderValue, shows: bool) {
        match (shows, self.inner_status) {
            (true, true) => cache_status::append(headers, status),
            (true, false) => {
                headers.insert(CACHE_STATUS, status);
            }
            // The slot was only a place.
            (false, false) => {
                headers.remove(CACHE_STATUS);
            }
            (false, true) => {}
        }
    }

    /// Written once a second, not once an answer.
    fn fields(&self, age: u64, name: &CacheName) -> Fields {
        let Ok(mut last) = self.last.try_lock() else {
            return self.write_fields(age, name);
        };
        match &*last {
            Some(fields) if fields.age == age => fields.clone(),
            _ => last.insert(self.write_fields(age, name)).clone(),
        }
    }

    fn write_fields(&self, age: u64, name: &CacheName) -> Fields {
        Fields {
            age,
            age_value: shared_value(age.to_string()),
            status: shared(Member::hit(name).ttl(self.ttl(age)).to_value()),
            cache_control: self.cache_control(age),
        }
    }

    fn cache_control(&self, age: u64) -> Option<HeaderValue> {
        self.completed.client.as_ref().map(|client| client.at(age))
    }
}

impl HeadObject for StoredPage {
    fn weight(&self) -> usize {
        let trailers = self.trailers.as_deref().map_or(0, headers_weight);
        size_of::<Self>() + headers_weight(&self.headers) + trailers + self.completed.weight()
    }

    fn to_wire(&self) -> Option<Vec<u8>> {
        self.write()
    }

    fn is_compressible(&self) -> bool {
        is_compressible(&self.headers)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Leaves out what is of one connection, one answer, or one client's limits.
pub(super) fn strip_what_passes(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    for name in PER_ANSWER {
        headers.remove(name);
    }
    let of_limits: Vec<HeaderName> = headers
        .keys()
        .filter(|name| LIMITS.iter().any(|limit| name.as_str().starts_with(limit)))
        .cloned()
        .collect();
    for name in of_limits {
        headers.remove(name);
    }
}

/// Leaves out of trailers what is for the one who asked first.
pub(super) fn strip_personal(trailers: &mut HeaderMap) {
    for name in PERSONAL_TRAILERS {
        trailers.remove(name);
    }
}

/// What a map takes: its names and values, a bucket for each place, and the hash table. Standard names take nothing, but cannot be told.
fn headers_weight(headers: &HeaderMap) -> usize {
    let texts: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    texts + headers.capacity() * (size_of::<HeaderName>() + size_of::<HeaderValue>() + 32)
}

/// A copy of the fields whose values share one allocation, with room for some more.
fn compact(headers: &HeaderMap, more: usize) -> HeaderMap {
    let total = headers.values().map(HeaderValue::len).sum();
    let mut texts = Vec::with_capacity(total);
    for value in headers.values() {
        texts.extend_from_slice(value.as_bytes());
    }
    let texts = Bytes::from(texts);
    let mut compact = HeaderMap::with_capacity(headers.len() + more);
    let mut start = 0;
    for (name, value) in headers {
        let end = start + value.len();
        compact.append(name.clone(), compact_value(value, texts.slice(start..end)));
        start = end;
    }
    compact
}

fn compact_value(value: &HeaderValue, text: Bytes) -> HeaderValue {
    if let Some(common) = COMMON.iter().find(|common| **common == value) {
        return HeaderValue::from_static(common);
    }
    // The bytes are those of a value, so they make one; were they not, the value itself does, at the price of what it pins.
    let mut copy = HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| value.clone());
    copy.set_sensitive(value.is_sensitive());
    copy
}

/// A value whose clones share its bytes from the start.
pub(super) fn shared_value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("0"))
}

fn shared(value: HeaderValue) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value.as_bytes())).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::super::complete::ClientTtl;
    use super::*;

    fn stored(headers: &HeaderMap, client: Option<ClientTtl>) -> StoredPage {
        let completed = Completed { client, said: None };
        StoredPage::new(StatusCode::OK, headers, 60, Terms::default(), completed)
    }

    fn name() -> CacheName {
        CacheName::new("larder").unwrap()
    }

    #[test]
    fn fields_of_one_answer_are_not_kept() {
        let mut headers = HeaderMap::new();
        for field in PER_ANSWER {
            headers.insert(
                HeaderName::from_static(field),
                HeaderValue::from_static("1"),
            );
        }
        headers.insert("connection", HeaderValue::from_static("x-hop"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        headers.append("x-kept", HeaderValue::from_static("a"));
        headers.append("x-kept", HeaderValue::from_static("b"));
        let page = stored(&headers, None);
        let answer = page.hit_headers(5, &name(), false);
        assert_eq!(answer["age"], "5");
        let kept: Vec<_> = answer.get_all("x-kept").iter().collect();
        assert_eq!(kept, ["a", "b"]);
        assert_eq!(answer.len(), 3, "{answer:?}");
    }

    #[test]
    fn age_and_status_follow_the_clock() {
        let client = ClientTtl {
            before: "public".to_owned(),
            seconds: 10,
        };
        let page = stored(&HeaderMap::new(), Some(client));
        for age in [0, 7, 7, 61] {
            let answer = page.hit_headers(age, &name(), true);
            assert_eq!(answer["age"], age.to_string());
            let ttl = 60 - i64::try_from(age).unwrap();
            assert_eq!(answer["cache-status"], format!("larder; hit; ttl={ttl}"));
            assert_eq!(
                answer["cache-control"],
                format!("public, max-age={}", age + 10)
            );
        }
    }

    #[test]
    fn the_status_of_a_cache_further_in_comes_first() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_STATUS, HeaderValue::from_static("inner; hit"));
        let page = stored(&headers, None);
        let answer = page.hit_headers(0, &name(), true);
        let lines: Vec<_> = answer.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(lines, ["inner; hit", "larder; hit; ttl=60"]);
    }

    #[test]
    fn a_complete_page_names_its_length_unless_it_has_trailers() {
        let page = stored(&HeaderMap::new(), None);
        assert_eq!(
            page.completed(b"abc", None, false).headers()[CONTENT_LENGTH],
            "3"
        );
        let trailers = Some(HeaderMap::new());
        assert!(
            !page
                .completed(b"abc", trailers, false)
                .headers()
                .contains_key(CONTENT_LENGTH)
        );
    }

    #[test]
    fn values_are_copied_out_of_what_they_pin() {
        let buffer = Bytes::from(vec![b'x'; 1_000]);
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-a",
            HeaderValue::from_maybe_shared(buffer.slice(0..3)).unwrap(),
        );
        let page = stored(&headers, None);
        drop(headers);
        assert!(buffer.is_unique(), "nothing of the buffer is held");
        assert_eq!(page.headers()["x-a"], "xxx");
    }
}
