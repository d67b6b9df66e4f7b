//! May what a call was answered with be kept for other calls? (SPEC GRPC-20 to 25)

use std::time::Duration;

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tonic::Code;

use super::frame::Compressed;
use super::kept::MOST_FIELDS;
use super::key::has_coding;
use crate::call::has_grpc_content;
use crate::header::{Lifetime, ResponseDirectives, Scope};
use crate::monitor::NotStored;

pub(super) const GRPC_STATUS: &str = "grpc-status";

/// What makes an answer one client's, wherever it stands.
const PERSONAL: [(HeaderName, NotStored); 3] = [
    (SET_COOKIE, NotStored::SetCookie),
    (
        HeaderName::from_static("authentication-info"),
        NotStored::PerPerson,
    ),
    (
        HeaderName::from_static("clear-site-data"),
        NotStored::PerPerson,
    ),
];

/// An answer, as far as it bears on keeping it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished<'a> {
    pub(super) status: StatusCode,
    pub(super) metadata: &'a HeaderMap,
    /// None where the status came in the first block of fields (Trailers-Only).
    pub(super) trailers: Option<&'a HeaderMap>,
    pub(super) message: Option<Compressed>,
    /// What the handler says itself of how long it holds.
    pub(super) ttl: Option<Duration>,
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is kept, for as long as these directives and the policy say.
    Keep(HeaderMap),
    /// It is for its own caller alone.
    Pass(NotStored),
    /// The handler failed: something stale may stand in.
    Fail(NotStored),
    /// It refuses this caller, and says nothing of what others would get.
    Refuse,
}

/// The code that an answer ended with: that of its trailers, or of its head where it has no message.
pub(crate) fn code_of(fields: &HeaderMap) -> Option<Code> {
    let mut lines = fields.get_all(GRPC_STATUS).iter();
    match (lines.next(), lines.next()) {
        (Some(code), None) => Some(Code::from_bytes(code.as_bytes())),
        _ => None,
    }
}

/// Codes that tell of one call, one caller or one moment, and so are never kept (GRPC-21).
pub(super) const fn is_never_kept(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unauthenticated
    )
}

/// Decides from all of an answer. `codes` are the lifetimes of answers that are errors.
pub(super) fn verdict(finished: Finished<'_>, codes: &[(Code, Duration)]) -> Verdict {
    decide(&finished, codes).map_or_else(|verdict| verdict, Verdict::Keep)
}

fn decide(finished: &Finished<'_>, codes: &[(Code, Duration)]) -> Result<HeaderMap, Verdict> {
    let pass = Verdict::Pass;
    is_of_grpc(finished)?;
    let code = ended_with(finished)?;
    let most = lifetime_of(code, codes)?;
    match (finished.message, most) {
        (Some(Compressed(true)), None) if !has_coding(finished.metadata) => {
            return Err(pass(NotStored::Message));
        }
        (Some(_), None) | (None, Some(_)) => {}
        // Success without a message, or an error with one.
        _ => return Err(pass(NotStored::Message)),
    }
    for (name, why) in PERSONAL {
        if blocks(finished).any(|block| block.contains_key(&name)) {
            return Err(pass(why));
        }
    }
    restrictions(finished, most).map_err(pass)
}

/// The code, where it stands once and in its place.
fn ended_with(finished: &Finished<'_>) -> Result<Code, Verdict> {
    let mut telling = blocks(finished).filter(|block| block.contains_key(GRPC_STATUS));
    let Some(block) = telling.next() else {
        return Err(Verdict::Fail(NotStored::Incomplete));
    };
    // Which of several counts, clients do not agree on.
    let code = code_of(block).filter(|_| telling.next().is_none());
    let code = code.ok_or(Verdict::Pass(NotStored::Status))?;
    match finished.trailers {
        None if finished.message.is_some() => Err(Verdict::Fail(NotStored::Incomplete)),
        Some(trailers) if !trailers.contains_key(GRPC_STATUS) => {
            Err(Verdict::Fail(NotStored::Incomplete))
        }
        _ => Ok(code),
    }
}

/// Metadata, and trailers.
fn blocks<'a>(finished: &Finished<'a>) -> impl Iterator<Item = &'a HeaderMap> + use<'a> {
    [Some(finished.metadata), finished.trailers]
        .into_iter()
        .flatten()
}

/// What speaks HTTP alone is none of a gRPC handler's, and is what clients take it for (HTTP to gRPC Status Code Mapping).
fn is_of_grpc(finished: &Finished<'_>) -> Result<(), Verdict> {
    match finished.status.as_u16() {
        200 if has_grpc_content(finished.metadata) => Ok(()),
        200 => Err(Verdict::Pass(NotStored::Message)),
        500 | 502 | 503 | 504 => Err(Verdict::Fail(NotStored::Status)),
        401 | 403 | 429 => Err(Verdict::Refuse),
        _ => Err(Verdict::Pass(NotStored::Status)),
    }
}

/// For how long an answer with this code is kept at most; None for OK, which the policy's own lifetime is for.
fn lifetime_of(code: Code, codes: &[(Code, Duration)]) -> Result<Option<Duration>, Verdict> {
    match code {
        Code::Ok => Ok(None),
        Code::Unavailable
        | Code::Internal
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::DataLoss => Err(Verdict::Fail(NotStored::Status)),
        Code::ResourceExhausted | Code::Unauthenticated | Code::PermissionDenied => {
            Err(Verdict::Refuse)
        }
        code => match codes.iter().find(|(other, _)| *other == code) {
            Some((_, ttl)) if !is_never_kept(code) => Ok(Some(*ttl)),
            _ => Err(Verdict::Pass(NotStored::Status)),
        },
    }
}

/// What `cache-control` among metadata or trailers takes away from what the policy gives. It can give nothing (GRPC-23).
fn restrictions(finished: &Finished<'_>, most: Option<Duration>) -> Result<HeaderMap, NotStored> {
    if blocks(finished).map(HeaderMap::len).sum::<usize>() > MOST_FIELDS {
        return Err(NotStored::Fields);
    }
    let mut lines = HeaderMap::new();
    for line in blocks(finished).flat_map(|block| block.get_all(CACHE_CONTROL)) {
        lines.append(CACHE_CONTROL, line.clone());
    }
    let said = ResponseDirectives::parse(&lines);
    if said.malformed {
        return Err(NotStored::Malformed);
    }
    if said.no_store || said.must_understand {
        return Err(NotStored::NoStore);
    }
    if said.no_cache != Scope::Absent {
        return Err(NotStored::NoCache);
    }
    let mut seconds = most.map(|most| most.as_secs());
    for lifetime in [said.max_age, said.s_maxage] {
        match lifetime {
            Lifetime::Absent => {}
            Lifetime::Invalid => return Err(NotStored::Expired),
            Lifetime::Seconds(own) => seconds = Some(seconds.map_or(own, |most| most.min(own))),
        }
    }
    let mut directives = Vec::new();
    if let Some(seconds) = seconds {
        // Where nothing else is said, the engine heeds it.
        let seconds = finished
            .ttl
            .map_or(seconds, |ttl| seconds.min(ttl.as_secs()));
        directives.push(format!("max-age={seconds}"));
    }
    if said.private != Scope::Absent {
        directives.push("private".to_owned());
    }
    if said.must_revalidate || said.proxy_revalidate {
        directives.push("must-revalidate".to_owned());
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&directives.join(", "))
        && !directives.is_empty()
    {
        headers.insert(CACHE_CONTROL, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn block(codes: &[u8]) -> HeaderMap {
        let mut block = HeaderMap::new();
        for code in codes {
            block.append(GRPC_STATUS, code.to_string().parse().unwrap());
        }
        block
    }

    proptest! {
        #[test]
        fn one_message_that_went_well_is_kept_or_one_named_error_without_a_message_and_nothing_else(
            in_head in vec(0_u8..18, 0..3),
            in_trailers in option::of(vec(0_u8..18, 0..3)),
            message in option::of(any::<bool>()),
            coding in any::<bool>(),
            is_grpc in any::<bool>(),
            status in prop_oneof![3 => Just(200_u16), 1 => 100_u16..600],
        ) {
            let mut metadata = block(&in_head);
            if coding {
                metadata.insert("grpc-encoding", HeaderValue::from_static("gzip"));
            }
            if is_grpc {
                metadata.insert("content-type", HeaderValue::from_static("application/grpc"));
            }
            let trailers = in_trailers.as_deref().map(block);
            let finished = Finished {
                status: StatusCode::from_u16(status).unwrap(),
                metadata: &metadata,
                trailers: trailers.as_ref(),
                message: message.map(Compressed),
                ttl: None,
            };
            let codes = [(Code::NotFound, Duration::from_secs(9))];
            let is_kept = matches!(verdict(finished, &codes), Verdict::Keep(_));
            let may = status == 200 && is_grpc && match (&*in_head, in_trailers.as_deref(), message) {
                ([], Some([0]), Some(compressed)) => coding || !compressed,
                ([5], None, None) | ([], Some([5]), None) => true,
                _ => false,
            };
            prop_assert_eq!(is_kept, may);
        }
    }

    #[test]
    fn each_code_is_a_failure_a_refusal_or_neither() {
        for code in 0..18 {
            let trailers = block(&[code]);
            let metadata = [(http::header::CONTENT_TYPE, "application/grpc")];
            let metadata: HeaderMap = metadata
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .into_iter()
                .collect();
            let finished = Finished {
                status: StatusCode::OK,
                metadata: &metadata,
                trailers: Some(&trailers),
                message: Some(Compressed(false)),
                ttl: None,
            };
            let expected = match code {
                0 => Verdict::Keep(HeaderMap::new()),
                // 17 is none of gRPC's.
                2 | 4 | 13 | 14 | 15 | 17 => Verdict::Fail(NotStored::Status),
                7 | 8 | 16 => Verdict::Refuse,
                _ => Verdict::Pass(NotStored::Status),
            };
            assert_eq!(verdict(finished, &[]), expected, "{code}");
        }
    }
}
