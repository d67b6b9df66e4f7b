//! What is done to the server, and to the way to it.

use super::*;

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Nothing,
    /// On the way to a node.
    Delays(usize),
    Cuts(usize),
    Swallows(usize),
    /// Of the server, for all.
    Pauses,
    Dies,
    IsReplacedAtOnce,
    ForgetsScripts,
    ForgetsEverything,
    Loses(&'static str),
    EndsConnections,
}

impl Trouble {
    /// `proxies`: how many nodes have one in front.
    pub(super) fn any(dice: &mut Dice, proxies: usize) -> Self {
        let node = usize::try_from(dice.roll(proxies as u64)).unwrap();
        match dice.roll(16) {
            0..3 => Self::Nothing,
            3..5 => Self::Delays(node),
            5..7 => Self::Cuts(node),
            7..9 => Self::Swallows(node),
            9 => Self::Pauses,
            10 => Self::Dies,
            11 => Self::IsReplacedAtOnce,
            12 => Self::ForgetsScripts,
            13 => Self::ForgetsEverything,
            14 => {
                let parts = ["shop:#fence", "shop:#marks", "shop:#keys", "shop:#soft"];
                Self::Loses(dice.pick(&parts))
            }
            _ => Self::EndsConnections,
        }
    }

    /// Makes it, for a while where it lasts; all is well afterwards.
    pub(super) async fn make(self, redis: &Redis, proxies: &[Proxy], dice: &mut Dice) {
        let while_it_lasts = Duration::from_millis(50 + dice.roll(350));
        let fault = match self {
            Self::Delays(_) => Fault::Delay(Duration::from_millis(dice.roll(30))),
            Self::Cuts(_) => Fault::CutAfter(usize::try_from(dice.roll(200)).unwrap()),
            _ => Fault::BlackHole,
        };
        match self {
            Self::Nothing => tokio::time::sleep(while_it_lasts).await,
            Self::Delays(node) | Self::Cuts(node) | Self::Swallows(node) => {
                proxies[node].set(fault);
                tokio::time::sleep(while_it_lasts).await;
                proxies[node].set(Fault::None);
            }
            Self::Pauses => {
                redis.pause();
                tokio::time::sleep(while_it_lasts).await;
                redis.resume();
            }
            Self::Dies => {
                redis.kill();
                tokio::time::sleep(while_it_lasts).await;
                redis.restart().await;
            }
            Self::IsReplacedAtOnce => redis.restart().await,
            Self::ForgetsScripts => drop(redis.ask(&["SCRIPT", "FLUSH"]).await),
            Self::ForgetsEverything => drop(redis.ask(&["FLUSHALL"]).await),
            Self::Loses(key) => drop(redis.ask(&["DEL", key]).await),
            Self::EndsConnections => {
                drop(
                    redis
                        .ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
                        .await,
                );
            }
        }
    }
}
