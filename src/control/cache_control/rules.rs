//! What a layer does to the head of a response: pure, but for the clock that `Expires` needs.

use std::fmt;
use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::directives::Directives;
use super::expires::{self, Standing};
use super::merge::Conflict;
use super::{patch, targeted, vary};
use crate::call::is_call;
use crate::clock::Clock;
use crate::header::{ResponseDirectives, Scope, replace};
use crate::request::RequestHead;

/// What becomes of a field that the response has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    IfNotPresent,
    Patch,
    /// As `Patch`, but an `Expires` of the response stays as it is.
    NeverCache,
}

type Statuses = dyn Fn(StatusCode) -> bool + Send + Sync;
type Requests = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;

/// All that a layer was told.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) mode: Mode,
    pub(super) said: Said,
    pub(super) targeted: Vec<(HeaderName, Said)>,
    pub(super) vary: Vec<HeaderName>,
    pub(super) expires: bool,
    pub(super) clock: Arc<dyn Clock>,
    /// Without it, each field goes by [`Said::fits`].
    pub(super) statuses: Option<Arc<Statuses>>,
    pub(super) requests: Option<Arc<Requests>>,
}

/// Directives, and their field value once for all responses.
#[derive(Clone, Debug)]
pub(super) struct Said {
    directives: Directives,
    value: Option<HeaderValue>,
}

impl Said {
    pub(super) fn new(directives: Directives) -> Self {
        Self {
            value: directives.value(),
            directives,
        }
    }

    /// What only restricts fits every answer. What lets caches keep something fits those that went well: no error is to be kept for as
    /// long as the page in whose place it stands.
    fn fits(&self, status: StatusCode) -> bool {
        self.directives.only_restrict() || status.is_success() || status.is_redirection()
    }
}

impl Rules {
    /// Whether the answer to this request is touched at all. That of a gRPC call never is: no cache of HTTP heeds what it says.
    pub(super) fn choose(&self, request: &RequestHead<'_>) -> bool {
        !is_call(request) && self.requests.as_ref().is_none_or(|chosen| chosen(request))
    }

    pub(super) fn apply(&self, status: StatusCode, headers: &mut HeaderMap) {
        let chosen = self.statuses.as_ref().map(|chosen| chosen(status));
        let was_for_few = is_for_few(headers);

        if chosen.unwrap_or_else(|| self.said.fits(status)) {
            self.write(headers);
            if self.expires {
                expires::keep_in_step(headers, self.clock.wall(), self.standing());
            }
        }
        // Unless the layer itself has opened it.
        let is_for_few = was_for_few && self.mode != Mode::Set && is_for_few(headers);
        for (field, said) in &self.targeted {
            // It counts in place of `Cache-Control` (RFC 9213 §2.2), and must not share what that keeps to one person.
            if is_for_few && !said.directives.only_restrict() {
                continue;
            }
            if chosen.unwrap_or_else(|| said.fits(status)) {
                self.write_targeted(headers, field, &said.directives);
            }
        }
        // It only restricts.
        if chosen.unwrap_or(true) {
            vary::patch(headers, &self.vary);
        }
    }

    fn write(&self, headers: &mut HeaderMap) {
        let Some(value) = &self.said.value else {
            return;
        };
        match self.mode {
            Mode::Patch | Mode::NeverCache if patch::is_present(headers) => {
                patch::patch(headers, &self.said.directives, Conflict::LaterWins);
            }
            Mode::IfNotPresent if patch::is_present(headers) => {}
            _ => replace(headers, &CACHE_CONTROL, value.clone()),
        }
    }

    fn write_targeted(&self, headers: &mut HeaderMap, field: &HeaderName, said: &Directives) {
        match self.mode {
            Mode::Set => targeted::set(headers, field, said),
            Mode::IfNotPresent if targeted::is_present(headers, field) => {}
            Mode::IfNotPresent | Mode::Patch | Mode::NeverCache => {
                targeted::patch(headers, field, said, Conflict::LaterWins);
            }
        }
    }

    fn standing(&self) -> Standing {
        match self.mode {
            Mode::Set => Standing::Replaced,
            Mode::Patch => Standing::Lowered,
            Mode::IfNotPresent | Mode::NeverCache => Standing::Stays,
        }
    }
}

/// Is an answer not for caches that serve many, or may it say so?
fn is_for_few(headers: &HeaderMap) -> bool {
    let said = ResponseDirectives::parse(headers);
    said.private != Scope::Absent || said.no_store || said.malformed
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("mode", &self.mode)
            .field("said", &format_args!("{}", self.said.directives))
            .field("targeted", &self.targeted.len())
            .field("vary", &self.vary)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
