//! A gateway between an origin whose answers are a table's rows and clients that ask once and read to the end.
//!
//! ```text
//! let stage = Stage::start(|asked, nth| ok(&["Cache-Control: max-age=60"], &format!("{nth}"))).await;
//! assert!(!stage.get("/", &[]).await.is_hit());
//! assert!(stage.get("/", &[]).await.is_hit());
//! assert_eq!(stage.count("/"), 1);
//! ```

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use crate::{
    cache_status::CacheStatus,
    origin::{Act, Asked, Script, answer, ok},
    raw::{Connection, Head},
    server::Server,
};

pub(crate) struct Stage {
    pub(crate) origin: Script,
    pub(crate) gateway: Server,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) head: Head,
    /// `None` where it broke off.
    pub(crate) body: Option<String>,
}

impl Stage {
    /// `answer` also gets how many requests for the same target were before.
    pub(crate) async fn start(
        mut answer: impl FnMut(&Asked, usize) -> Vec<u8> + Send + 'static,
    ) -> Self {
        Self::acting(&[], move |asked, nth| vec![Act::Send(answer(asked, nth))]).await
    }

    /// The same with flags of the gateway, and an origin that does more than to answer.
    pub(crate) async fn acting(
        flags: &[&str],
        mut act: impl FnMut(&Asked, usize) -> Vec<Act> + Send + 'static,
    ) -> Self {
        let mut counts = HashMap::new();
        let origin = Script::start(move |asked| {
            let count = counts.entry(asked.target.clone()).or_insert(0);
            let acts = act(asked, *count);
            *count += 1;
            acts
        })
        .await;
        let gateway = origin.gateway(flags).await;
        Self { origin, gateway }
    }

    pub(crate) async fn get(&self, target: &str, fields: &[&str]) -> Reply {
        self.ask("GET", target, fields).await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, fields: &[&str]) -> Reply {
        ask(&self.gateway, method, target, fields).await
    }

    /// The origin is no more: connections to it are refused.
    pub(crate) fn without_origin(self) -> Server {
        self.gateway
    }

    /// What the origin was asked for a target.
    pub(crate) fn asked(&self, target: &str) -> Vec<Asked> {
        let mut asked = self.origin.asked();
        asked.retain(|asked| asked.target == target);
        asked
    }

    pub(crate) fn count(&self, target: &str) -> usize {
        self.origin.count(target)
    }

    /// Waits for what happens in the background.
    pub(crate) async fn counts(&self, target: &str, count: usize) {
        crate::raw::within("the origin is asked", async {
            while self.count(target) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(self.count(target), count, "{target}");
    }
}

/// Asks on a connection of its own.
pub(crate) async fn ask(gateway: &Server, method: &str, target: &str, fields: &[&str]) -> Reply {
    let reply = ask_if_any(gateway, method, target, fields).await;
    reply.expect("the gateway answers instead of closing")
}

/// `None` when the gateway closes without an answer.
pub(crate) async fn ask_if_any(
    gateway: &Server,
    method: &str,
    target: &str,
    fields: &[&str],
) -> Option<Reply> {
    let mut client = Connection::open(gateway.address).await;
    let fields: Vec<_> = fields.iter().map(|field| dated(field)).collect();
    let mut fields: Vec<_> = fields.iter().map(String::as_str).collect();
    fields.push("Connection: close");
    client.ask(method, target, &fields).await;
    let head = client.head_if_any().await?;
    let body = match (method, head.status) {
        // They end with their heads, whatever these say.
        ("HEAD", _) | (_, 204 | 304) => Some(client.rest().await),
        _ => client.body(&head).await,
    };
    Some(Reply {
        head,
        body: body.map(|body| String::from_utf8_lossy(&body).into_owned()),
    })
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    pub(crate) fn body(&self) -> &str {
        self.body.as_deref().expect("it is whole")
    }

    pub(crate) fn age(&self) -> Option<u64> {
        let age = self.get("age")?;
        Some(age.parse().expect("an age is a number"))
    }

    /// `None` for what the gateway says itself.
    pub(crate) fn cache(&self) -> Option<CacheStatus> {
        self.get("cache-status").map(CacheStatus::parse)
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.cache().is_some_and(|cache| cache.is_hit())
    }

    /// Why it was forwarded.
    pub(crate) fn forwarded(&self) -> Option<String> {
        Some(self.cache()?.get("fwd")?.to_owned())
    }
}

/// A field as a table has it: `Date: @-10` is ten seconds ago.
pub(crate) fn dated(field: &str) -> String {
    match field.split_once(": @") {
        Some((name, offset)) => format!("{name}: {}", date(offset.parse().expect("seconds"))),
        None => field.to_owned(),
    }
}

pub(crate) fn date(offset: i64) -> String {
    let distance = Duration::from_secs(offset.unsigned_abs());
    let now = SystemTime::now();
    httpdate::fmt_http_date(match offset {
        ..0 => now - distance,
        _ => now + distance,
    })
}

/// A 200 whose fields are a table's.
pub(crate) fn page(fields: &[&str], body: &str) -> Vec<u8> {
    let fields: Vec<_> = fields.iter().map(|field| dated(field)).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    ok(&fields, body)
}

/// An answer that has no body: 304, or one to HEAD.
pub(crate) fn bare(status: &str, fields: &[&str]) -> Vec<u8> {
    let fields: Vec<_> = fields.iter().map(|field| dated(field)).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    crate::origin::head(status, &fields)
}

/// The page, or 304 to whom has this tag already.
pub(crate) fn tagged(asked: &Asked, tag: &str, fields: &[&str], body: &str) -> Vec<u8> {
    let tag_field = format!("ETag: {tag}");
    let fields = [&[tag_field.as_str()], fields].concat();
    match asked.get("if-none-match") {
        Some(tags) if tags.contains(tag) => bare("304 Not Modified", &fields),
        _ => page(&fields, body),
    }
}

/// The fields of a page, and whether a second request is answered with it.
pub(crate) type Row = (&'static [&'static str], bool);

/// Asks twice for each page, and says of all rows at once which do not hold.
pub(crate) async fn assert_reuse(rows: &'static [Row]) {
    let stage = Stage::start(move |asked, nth| {
        let row: usize = asked.target[1..].parse().expect("a row");
        page(rows[row].0, &format!("{row} {nth}"))
    })
    .await;
    let mut wrong = Vec::new();
    for (row, (fields, reused)) in rows.iter().enumerate() {
        let target = format!("/{row}");
        let first = stage.get(&target, &[]).await;
        assert_eq!(first.body(), format!("{row} 0"), "{fields:?}");
        assert_eq!(first.status(), 200, "{fields:?}");
        let second = stage.get(&target, &[]).await;
        let is_first = second.body() == first.body();
        let is_asked = stage.count(&target) == 2;
        if is_first != *reused || is_asked == *reused || second.is_hit() != *reused {
            wrong.push(format!("{fields:?}: {:?}", second.head));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every status with these fields.
pub(crate) fn with_status(status: &str, fields: &[&str], body: &str) -> Vec<u8> {
    let fields: Vec<_> = fields.iter().map(|field| dated(field)).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    answer(status, &fields, body)
}
