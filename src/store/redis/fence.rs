//! The fence of a namespace as a node sees it: what it mirrors, what it owes, and how it follows.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use deadpool_redis::redis::Value;

use super::connections::Connections;
use super::layout::Layout;
use super::mirror::{Fence, Mirror};
use super::queue::{Debt, Queue, Strike};
use super::reply;
use super::script::Script;
use crate::clock::Now;
use crate::store::record::random;
use crate::store::watch::Watchers;
use crate::store::{Mark, Notice, Stamp, StoreError, Struck};

macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(
            include_str!("scripts/prelude.lua"),
            include_str!($file)
        ))
    };
}

static PURGE: Script = script!("scripts/purge.lua");
static FOLLOW: Script = script!("scripts/follow.lua");
static RENEW: Script = script!("scripts/renew.lua");
static SWEEP: Script = script!("scripts/sweep.lua");
pub(super) static APPLY: Script = script!("scripts/apply.lua");
pub(super) static DISCARD: Script = script!("scripts/discard.lua");
pub(super) static PEEK: Script = script!("scripts/peek.lua");

/// How many marks of each set are read at once.
const MARKS_AT_ONCE: usize = 10_000;

/// The fence of one namespace, shared by all that read it in this process.
pub(super) struct FenceState {
    connections: Arc<Connections>,
    keys: [Vec<u8>; 5],
    mirror: RwLock<Mirror>,
    /// Held while the mirror is brought up to date, and while owed purges are delivered: once is enough for all who wait.
    following: tokio::sync::Mutex<()>,
    settling: tokio::sync::Mutex<()>,
    /// The furthest that the fence was seen: a server that is behind that has lost something.
    seen: Mutex<Stamp>,
    /// How many servers have been met whose loss of acknowledged purges was made good.
    servers: AtomicU64,
    pub(super) queue: Queue,
    /// Is there a task that tries to deliver what is owed?
    pub(super) is_trying: AtomicBool,
    pub(super) watchers: Watchers,
    marks_bound: usize,
}

/// What one step of the fence has done.
pub(super) struct Step {
    pub(super) stamp: Stamp,
    /// Which of the entries that were named are gone now, in their order.
    pub(super) removed: Vec<bool>,
    /// Was the fill admitted until then on whose behalf it was done?
    pub(super) was_admitted: bool,
}

/// What a purge has done.
pub(super) struct Delivered {
    pub(super) struck: Struck,
    /// Which of the entries that it named are gone now, in their order.
    pub(super) removed: Vec<bool>,
}

/// The fill on whose behalf a purge is done.
pub(super) struct OnBehalf<'a> {
    pub(super) stamp: Stamp,
    pub(super) carried: &'a [Mark],
}

impl FenceState {
    pub(super) fn new(
        connections: Arc<Connections>,
        layout: &Layout,
        marks_bound: usize,
        queue_bound: usize,
    ) -> Self {
        Self {
            servers: AtomicU64::new(connections.servers()),
            connections,
            keys: layout.fence(),
            mirror: RwLock::new(Mirror::new(marks_bound)),
            following: tokio::sync::Mutex::default(),
            settling: tokio::sync::Mutex::default(),
            seen: Mutex::new(Stamp { epoch: 0, seq: 0 }),
            queue: Queue::new(queue_bound),
            is_trying: AtomicBool::new(false),
            watchers: Watchers::default(),
            marks_bound,
        }
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The key of the fence itself.
    pub(super) fn key(&self) -> &[u8] {
        &self.keys[0]
    }

    /// Runs a script on the fence and these entries.
    pub(super) async fn run(
        &self,
        script: &Script,
        entries: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let fence = self.keys.iter().map(Vec::as_slice);
        let keys: Vec<&[u8]> = fence.chain(entries.iter().copied()).collect();
        self.connections.run(script, &keys, arguments).await
    }

    pub(super) fn mirror(&self) -> RwLockReadGuard<'_, Mirror> {
        self.mirror.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn mirror_mut(&self) -> RwLockWriteGuard<'_, Mirror> {
        self.mirror.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The furthest that the fence was seen so far. Asked before the server is.
    pub(super) fn seen(&self) -> Stamp {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer to what was asked when `before` was the furthest. One that comes late does not take another epoch's place.
    fn saw(&self, stamp: Stamp, before: Stamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_further = match seen.epoch == stamp.epoch {
            true => seen.seq < stamp.seq,
            false => seen.epoch == before.epoch,
        };
        if is_further {
            *seen = stamp;
        }
    }

    /// Was another server met since the losses of the last one were made good?
    pub(super) fn has_new_server(&self) -> bool {
        self.connections.servers() != self.servers.load(Ordering::Acquire)
    }

    /// Is something owed, to this server or to a new one?
    pub(super) fn is_unsettled(&self) -> bool {
        self.has_new_server() || self.queue.len() > 0
    }

    /// Delivers what is owed. Nothing may be read before: it may be what is to go.
    pub(super) async fn settle(&self, now: Now) -> Result<(), StoreError> {
        if !self.is_unsettled() {
            return Ok(());
        }
        let _alone = self.settling.lock().await;
        let servers = self.connections.servers();
        let before = self.servers.load(Ordering::Acquire);
        if servers != before {
            // The first one that is met has lost nothing that this node has ever known.
            if before > 0 || servers > 1 {
                self.queue.repeat(now);
                self.mirror_mut().doubt();
            }
            self.servers.store(servers, Ordering::Release);
        }
        while let Some((strike, behind)) = self.queue.first() {
            self.deliver(strike.clone()).await?;
            self.queue.paid(&strike, behind, now);
        }
        Ok(())
    }

    /// Is the mirror where `fence` stands, or further? `before`: what was seen before `fence` was asked for.
    pub(super) fn has_followed(&self, fence: &Fence, before: Stamp) -> bool {
        fence.stamp == before && self.mirror().covers(fence)
    }

    /// Brings the mirror to where `fence` stands, or further. `before`: what was seen before `fence` was asked for.
    pub(super) async fn follow(&self, fence: &Fence, before: Stamp) -> Result<(), StoreError> {
        self.check(fence, before).await?;
        if self.mirror().covers(fence) {
            return Ok(());
        }
        let _alone = self.following.lock().await;
        let mut target = *fence;
        let mut at_once = MARKS_AT_ONCE;
        while !self.mirror().covers(&target) {
            let before = self.seen();
            let known = self.mirror().known();
            let marks = self.read_marks(known, at_once).await?;
            self.check(&marks.fence, before).await?;
            let upto = marks.upto(at_once);
            if marks.fence.stamp.epoch != target.stamp.epoch {
                // The fence that was asked about is gone: the new one judges what carries its stamps.
                target = marks.fence;
            } else if known.epoch == target.stamp.epoch && upto <= known.seq {
                // One purge has more marks than were asked for.
                at_once = at_once.saturating_mul(2);
            }
            let stamp = marks.fence.stamp;
            let mut mirror = self.mirror_mut();
            if mirror.known() != known {
                // It was doubted meanwhile: these are not all that it has to read.
                continue;
            }
            mirror.note(marks.fence, upto, marks.lasting, marks.keys, marks.soft);
            drop(mirror);
            self.watchers.notify(|| Notice::Marked(stamp));
        }
        Ok(())
    }

    /// Makes the fence where it is missing, and says where it stands.
    pub(super) async fn create(&self) -> Result<Fence, StoreError> {
        let before = self.seen();
        let reply = self.read_marks(Stamp { epoch: 0, seq: 0 }, 1).await?;
        self.check(&reply.fence, before).await?;
        Ok(reply.fence)
    }

    /// A fence that is behind what was seen has lost marks that were acknowledged (a failover, a backup): it is made anew, which outlaws
    /// everything. Numbers are times, so one fence can be older than another, too.
    async fn check(&self, fence: &Fence, before: Stamp) -> Result<(), StoreError> {
        if fence.stamp.seq >= before.seq {
            self.saw(fence.stamp, before);
            return Ok(());
        }
        let arguments = [
            &random().to_be_bytes()[..],
            &fence.stamp.epoch.to_be_bytes(),
        ];
        let renewed = self.run(&RENEW, &[], &arguments).await?;
        let renewed = reply::bulk(renewed).and_then(|raw| Fence::parse(&raw));
        let renewed = renewed.ok_or_else(|| reply::unexpected("renew"))?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = renewed.stamp;
        Err(StoreError::new(
            "read",
            "the server had lost purges; everything was purged",
        ))
    }

    async fn read_marks(&self, known: Stamp, at_once: usize) -> Result<Marks, StoreError> {
        let arguments = [
            &random().to_be_bytes()[..],
            &known.epoch.to_be_bytes(),
            known.seq.to_string().as_bytes(),
            at_once.to_string().as_bytes(),
        ]
        .map(<[u8]>::to_vec);
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let reply = self.run(&FOLLOW, &[], &arguments).await?;
        Marks::parse(reply).ok_or_else(|| reply::unexpected("follow"))
    }

    /// A purge of `strike`: delivered, or owed from now on.
    pub(super) async fn purge(&self, strike: Strike, now: Now) -> Result<Delivered, StoreError> {
        let debt = Debt::new(&self.queue, strike.clone(), now);
        let delivered = self.deliver(strike).await?;
        debt.arrived(now);
        self.repeat(now).await;
        Ok(delivered)
    }

    /// Sees to it that a server which is met by a purge gets the last ones too. What cannot be delivered now stays owed.
    pub(super) async fn repeat(&self, now: Now) {
        if self.has_new_server() {
            drop(self.settle(now).await);
        }
    }

    async fn deliver(&self, strike: Strike) -> Result<Delivered, StoreError> {
        if let Strike::Matching(sweep) = &strike {
            return self.sweep(sweep).await;
        }
        let mut removed = Vec::new();
        let mut stamp = None;
        for piece in strike.pieces() {
            let step = self.strike(&piece, None).await?;
            removed.extend(step.removed);
            stamp = Some(step.stamp);
        }
        let stamp = stamp.ok_or_else(|| reply::unexpected("purge"))?;
        let count = removed.iter().filter(|gone| **gone).count() as u64;
        Ok(Delivered {
            struck: Struck {
                stamp,
                removed: count,
            },
            removed,
        })
    }

    /// One step of the fence.
    pub(super) async fn strike(
        &self,
        strike: &Strike,
        on_behalf: Option<OnBehalf<'_>>,
    ) -> Result<Step, StoreError> {
        let (what, entries, marks): (&[u8], Vec<&[u8]>, Vec<Vec<u8>>) = match strike {
            Strike::Marks(marks) => (b"marks", Vec::new(), marks.iter().map(bytes_of).collect()),
            Strike::Keys(keys) => (
                b"keys",
                keys.iter().map(|(name, _)| name.as_slice()).collect(),
                keys.iter().map(|(_, mark)| bytes_of(mark)).collect(),
            ),
            Strike::Soft(marks, at) => {
                let at = at.as_millis().to_be_bytes();
                let dated = marks.iter().map(|mark| [&bytes_of(mark)[..], &at].concat());
                (b"soft", Vec::new(), dated.collect())
            }
            Strike::Matching(_) => (b"fills", Vec::new(), Vec::new()),
            Strike::All => (b"all", Vec::new(), Vec::new()),
        };
        let (epoch, seq, carried) = match on_behalf {
            None => (Vec::new(), Vec::new(), Vec::new()),
            Some(fill) => (
                fill.stamp.epoch.to_be_bytes().to_vec(),
                fill.stamp.seq.to_be_bytes().to_vec(),
                fill.carried.iter().flat_map(bytes_of).collect(),
            ),
        };
        let new_epoch = random().to_be_bytes();
        let bound = self.marks_bound.to_string();
        let mut arguments: Vec<&[u8]> =
            vec![&new_epoch, bound.as_bytes(), what, &epoch, &seq, &carried];
        arguments.extend(marks.iter().map(Vec::as_slice));
        let before = self.seen();
        let answer = self.run(&PURGE, &entries, &arguments).await?;
        let answer: Option<[Value; 4]> = reply::array(answer).and_then(|all| all.try_into().ok());
        let [stood, raw, removed, admitted] = answer.ok_or_else(|| reply::unexpected("purge"))?;
        let parsed = |raw| reply::bulk(raw).and_then(|raw| Fence::parse(&raw));
        let (stood, fence) = parsed(stood)
            .zip(parsed(raw))
            .ok_or_else(|| reply::unexpected("purge"))?;
        // As it stood before: a purge moves a fence that has gone back past what it has lost of others.
        self.check(&stood, before).await?;
        self.saw(fence.stamp, before);
        self.watchers.notify(|| Notice::Marked(fence.stamp));
        let removed = reply::array(removed).unwrap_or_default();
        Ok(Step {
            stamp: fence.stamp,
            removed: removed
                .iter()
                .map(|gone| reply::integer(gone) == 1)
                .collect(),
            was_admitted: reply::integer(&admitted) == 1,
        })
    }

    /// Refuses all fills under way, looks for what is to go, and refuses what has begun meanwhile: a validation may have read a record just
    /// before it was removed, and would bring it back, or give it to those who wait.
    async fn sweep(&self, sweep: &super::queue::Sweep) -> Result<Delivered, StoreError> {
        let fills = Strike::Matching(sweep.clone());
        self.strike(&fills, None).await?;
        let mut count = 0;
        let mut cursor = super::scan::Cursor::new(sweep.pattern.clone());
        while let Some(names) = cursor.next(&self.connections).await? {
            let peeked = super::scan::peek(self, &names).await?;
            let found: Vec<&[u8]> = names
                .iter()
                .zip(&peeked)
                .filter(|(_, peeked)| {
                    let found = peeked.as_ref();
                    found.is_some_and(|entry| sweep.matching.finds(&entry.key))
                })
                .map(|(name, _)| name.as_slice())
                .collect();
            if found.is_empty() {
                continue;
            }
            // Whatever their stamps: they may have been validated since.
            let removed = self.run(&SWEEP, &found, &[]).await?;
            let removed = u64::try_from(reply::integer(&removed)).unwrap_or_default();
            count = u64::saturating_add(count, removed);
        }
        let after = self.strike(&fills, None).await?;
        Ok(Delivered {
            struck: Struck {
                stamp: after.stamp,
                removed: count,
            },
            removed: Vec::new(),
        })
    }
}

fn bytes_of(mark: &Mark) -> Vec<u8> {
    mark.digest().to_be_bytes().to_vec()
}

/// The answer of the script that a node follows with.
struct Marks {
    fence: Fence,
    lasting: Vec<(Mark, u64)>,
    keys: Vec<(Mark, u64)>,
    soft: Vec<((Mark, Now), u64)>,
}

impl Marks {
    fn parse(reply: Value) -> Option<Self> {
        let [fence, lasting, keys, soft]: [Value; 4] = reply::array(reply)?.try_into().ok()?;
        let plain = |member: &[u8]| {
            let digest = u128::from_be_bytes(member.try_into().ok()?);
            Some(Mark::from_digest(digest))
        };
        let dated = |member: &[u8]| {
            let (mark, at) = member.split_at_checked(16)?;
            let at = u64::from_be_bytes(at.try_into().ok()?);
            Some((plain(mark)?, Now::from_millis(at)))
        };
        Some(Self {
            fence: Fence::parse(&reply::bulk(fence)?)?,
            lasting: reply::scored(lasting, plain)?,
            keys: reply::scored(keys, plain)?,
            soft: reply::scored(soft, dated)?,
        })
    }

    /// Up to which number these are all there are. A set that fills the answer may go on, with marks of the same number too.
    fn upto(&self, at_once: usize) -> u64 {
        fn end<K>(set: &[(K, u64)], at_once: usize) -> Option<u64> {
            let last = set.last()?;
            (set.len() >= at_once).then(|| last.1.saturating_sub(1))
        }
        let cut = [
            end(&self.lasting, at_once),
            end(&self.keys, at_once),
            end(&self.soft, at_once),
        ];
        let all = self.fence.stamp.seq;
        cut.into_iter().flatten().fold(all, u64::min)
    }
}
