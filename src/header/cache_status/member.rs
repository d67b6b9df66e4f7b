//! The member of this cache.

use http::{HeaderValue, StatusCode};
use sfv::{Integer, ItemSerializer, KeyRef, StringRef, TokenRef, key_ref, token_ref};

use super::CacheName;

const HIT: &KeyRef = key_ref("hit");
const FWD: &KeyRef = key_ref("fwd");
const FWD_STATUS: &KeyRef = key_ref("fwd-status");
const TTL: &KeyRef = key_ref("ttl");
const STORED: &KeyRef = key_ref("stored");
const COLLAPSED: &KeyRef = key_ref("collapsed");
const KEY: &KeyRef = key_ref("key");
const DETAIL: &KeyRef = key_ref("detail");

/// How this cache handled one request.
///
/// A member is either a hit or forwarded (RFC 9211 §2.1), and what only makes sense of a forwarded request (§2.3, §2.5,
/// §2.6) is part of [`Forwarded`].
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    name: &'a CacheName,
    handled: Handled,
    ttl: Option<i64>,
    key: Option<&'a str>,
    detail: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
enum Handled {
    Hit,
    Forwarded(Forwarded),
}

/// What came of a request that went towards the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forwarded {
    pub(crate) reason: Fwd,
    /// What the origin answered; to be set where it differs from what the client gets.
    pub(crate) status: Option<StatusCode>,
    pub(crate) stored: bool,
    pub(crate) collapsed: Option<Collapsed>,
}

/// Why a request was forwarded (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fwd {
    /// The cache was configured not to handle this request.
    Bypass,
    /// The method has to be forwarded.
    Method,
    /// No stored response for the URI.
    UriMiss,
    /// Stored responses for the URI, none of them selected.
    VaryMiss,
    /// The stored response was stale.
    Stale,
    /// The stored response was not what the request's directives allow.
    Request,
    /// The stored response has not all of the part that was asked for.
    Partial,
}

/// What came of waiting for another request's response (RFC 9211 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collapsed {
    /// The shared response was used.
    Shared,
    /// It could not be used, and the request was forwarded by itself.
    Alone,
}

impl<'a> Member<'a> {
    /// A stored response was used, and nothing forwarded.
    pub(crate) fn hit(name: &'a CacheName) -> Self {
        Self::new(name, Handled::Hit)
    }

    /// The request went towards the origin.
    pub(crate) fn forwarded(name: &'a CacheName, forwarded: Forwarded) -> Self {
        Self::new(name, Handled::Forwarded(forwarded))
    }

    fn new(name: &'a CacheName, handled: Handled) -> Self {
        Self {
            name,
            handled,
            ttl: None,
            key: None,
            detail: None,
        }
    }

    /// The remaining lifetime in seconds, negative once stale.
    pub(crate) fn ttl(mut self, seconds: i64) -> Self {
        self.ttl = Some(seconds);
        self
    }

    /// The key, as people read it (RFC 9211 §2.8); left out unless printable ASCII.
    pub(crate) fn key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    /// More about the decision, a Token where its letters allow; left out unless printable ASCII.
    pub(crate) fn detail(mut self, detail: &'a str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Writes the member as a field value.
    pub(crate) fn to_value(&self) -> HeaderValue {
        let mut item = ItemSerializer::new().bare_item(self.name.item());

        match self.handled {
            Handled::Hit => item = item.parameter(HIT, true),
            Handled::Forwarded(forwarded) => {
                item = item.parameter(FWD, forwarded.reason.token());
                if let Some(status) = forwarded.status {
                    item = item.parameter(FWD_STATUS, Integer::from(status.as_u16()));
                }
            }
        }
        if let Some(seconds) = self.ttl {
            item = item.parameter(TTL, clamp(seconds));
        }
        if let Handled::Forwarded(forwarded) = self.handled {
            if forwarded.stored {
                item = item.parameter(STORED, true);
            }
            if let Some(collapsed) = forwarded.collapsed {
                item = item.parameter(COLLAPSED, collapsed == Collapsed::Shared);
            }
        }
        if let Some(Ok(key)) = self.key.map(StringRef::from_str) {
            item = item.parameter(KEY, key);
        }
        if let Some(detail) = self.detail {
            if let Ok(token) = TokenRef::from_str(detail) {
                item = item.parameter(DETAIL, token);
            } else if let Ok(string) = StringRef::from_str(detail) {
                item = item.parameter(DETAIL, string);
            }
        }

        HeaderValue::try_from(spaced(&item.finish()))
            .expect("a Structured Field item is printable ASCII")
    }
}

/// With a space before each parameter, as RFC 9211 writes its examples; parsers skip it (RFC 9651 §4.2.3.2), people read it.
fn spaced(item: &str) -> String {
    let mut spaced = String::with_capacity(item.len() + 8);
    let mut quoted = false;
    let mut escaped = false;
    for c in item.chars() {
        spaced.push(c);
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            ';' if !quoted => spaced.push(' '),
            _ => {}
        }
    }
    spaced
}

impl Fwd {
    fn token(self) -> &'static TokenRef {
        match self {
            Self::Bypass => const { token_ref("bypass") },
            Self::Method => const { token_ref("method") },
            Self::UriMiss => const { token_ref("uri-miss") },
            Self::VaryMiss => const { token_ref("vary-miss") },
            Self::Stale => const { token_ref("stale") },
            Self::Request => const { token_ref("request") },
            Self::Partial => const { token_ref("partial") },
        }
    }
}

/// An Integer has at most 15 digits (RFC 9651 §3.3.1).
fn clamp(seconds: i64) -> Integer {
    Integer::try_from(seconds).unwrap_or(if seconds < 0 {
        Integer::MIN
    } else {
        Integer::MAX
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sfv::Parser;
    use sfv::visitor::Ignored;

    use super::*;

    fn forwarded(reason: Fwd) -> Forwarded {
        Forwarded {
            reason,
            status: None,
            stored: false,
            collapsed: None,
        }
    }

    #[test]
    fn a_hit_says_how_long_it_lasts() {
        let name = CacheName::new("larder").unwrap();
        assert_eq!(Member::hit(&name).to_value(), "larder; hit");
        assert_eq!(Member::hit(&name).ttl(30).to_value(), "larder; hit; ttl=30");
        assert_eq!(Member::hit(&name).ttl(-5).to_value(), "larder; hit; ttl=-5");
    }

    #[test]
    fn a_name_that_is_no_token_is_quoted() {
        let name = CacheName::new("my \"cache\"").unwrap();
        assert_eq!(Member::hit(&name).to_value(), r#""my \"cache\""; hit"#);
    }

    #[test]
    fn a_forwarded_request_says_why_and_what_came_of_it() {
        let name = CacheName::new("larder").unwrap();
        let full = Forwarded {
            reason: Fwd::Stale,
            status: Some(StatusCode::NOT_MODIFIED),
            stored: true,
            collapsed: Some(Collapsed::Shared),
        };
        assert_eq!(
            Member::forwarded(&name, full)
                .detail("by the hour")
                .ttl(60)
                .to_value(),
            r#"larder; fwd=stale; fwd-status=304; ttl=60; stored; collapsed; detail="by the hour""#
        );
        let alone = Forwarded {
            collapsed: Some(Collapsed::Alone),
            ..forwarded(Fwd::UriMiss)
        };
        assert_eq!(
            Member::forwarded(&name, alone).detail("full").to_value(),
            "larder; fwd=uri-miss; collapsed=?0; detail=full"
        );
    }

    #[test]
    fn each_reason_has_its_token() {
        let name = CacheName::new("c").unwrap();
        for (reason, expected) in [
            (Fwd::Bypass, "c; fwd=bypass"),
            (Fwd::Method, "c; fwd=method"),
            (Fwd::UriMiss, "c; fwd=uri-miss"),
            (Fwd::VaryMiss, "c; fwd=vary-miss"),
            (Fwd::Stale, "c; fwd=stale"),
            (Fwd::Request, "c; fwd=request"),
            (Fwd::Partial, "c; fwd=partial"),
        ] {
            let member = Member::forwarded(&name, forwarded(reason));
            assert_eq!(member.to_value(), expected);
        }
    }

    #[test]
    fn what_a_structured_field_cannot_carry_is_clamped_or_left_out() {
        let name = CacheName::new("c").unwrap();
        let hit = Member::hit(&name);
        let value = |member: Member<'_>| member.to_value().to_str().unwrap().to_owned();
        assert_eq!(
            value(hit.clone().ttl(i64::MAX)),
            "c; hit; ttl=999999999999999"
        );
        assert_eq!(
            value(hit.clone().ttl(i64::MIN)),
            "c; hit; ttl=-999999999999999"
        );
        assert_eq!(value(hit.clone().detail("a\r\nb")), "c; hit");
        assert_eq!(value(hit.clone().key("a\r\nb")), "c; hit");
        assert_eq!(
            value(hit.clone().key(r#"a/b?c="\";d"#).detail("e")),
            r#"c; hit; key="a/b?c=\"\\\";d"; detail=e"#
        );
        assert_eq!(value(hit.detail("")), r#"c; hit; detail="""#);
    }

    proptest! {
        #[test]
        fn every_member_parses(
            name in "[ -~]{1,20}", ttl in any::<i64>(), key in "[ -~]{0,20}", detail in "[ -~]{0,20}",
        ) {
            let name = CacheName::new(&name).unwrap();
            let value = Member::hit(&name).ttl(ttl).key(&key).detail(&detail).to_value();
            prop_assert!(Parser::new(value.as_bytes()).parse_item_with_visitor(Ignored).is_ok());
        }
    }
}
