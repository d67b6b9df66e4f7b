//! What a client wants of the answer, kept apart from its request, which goes to the handler.

use http::HeaderMap;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

use super::account::Account;
use super::answer::Wish;
use super::layer::Page;
use super::screen::Seen;
use crate::header::RequestDirectives;
use crate::request::RequestHead;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Want {
    /// Those fields of the request that choose the form of the answer.
    pub(super) headers: HeaderMap,
    pub(super) conditional: bool,
    pub(super) ranged: bool,
    pub(super) head_only: bool,
    pub(super) no_store: bool,
    /// The directives of the request that count.
    pub(super) advice: RequestDirectives,
    pub(super) account: Account,
}

impl Want {
    pub(super) fn of(
        page: &Page,
        head: &RequestHead<'_>,
        seen: &Seen<'_>,
        account: Account,
    ) -> Self {
        let mut headers = HeaderMap::new();
        if seen.conditional || seen.ranged {
            for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE, IF_RANGE] {
                for line in head.headers.get_all(&name) {
                    headers.append(name.clone(), line.clone());
                }
            }
        }
        Self {
            headers,
            conditional: seen.conditional,
            ranged: seen.ranged,
            head_only: seen.head_only,
            no_store: seen.said.no_store,
            advice: page.policy.rules.request.of(seen.said),
            account,
        }
    }

    pub(super) fn wish(&self) -> Wish<'_> {
        Wish {
            headers: &self.headers,
            conditional: self.conditional,
            ranged: self.ranged,
            head_only: self.head_only,
            told: self.account.told(),
        }
    }
}
