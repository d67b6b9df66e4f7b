//! What of a call belongs to its key, beside what belongs to every page's: scheme, authority, path, and who is asking (SPEC GRPC-07).

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};

/// Says what is digested, and how what is stored under it is written. Whoever changes either never reads what was stored before.
const FORM: &[u8] = b"larder call 1";

pub(super) const GRPC_ENCODING: &str = "grpc-encoding";
pub(super) const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// A digest of the message, byte for byte, of how it is to be read, of which answers can be, and of the metadata that are keyed.
///
/// Protobuf bytes are not canonical: equal messages in other bytes are other calls. Metadata are keyed as sent, `-bin` ones too.
pub(super) fn digest(headers: &HeaderMap, keyed: &[HeaderName], message: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(FORM);
    let mut lines = |name: &str| {
        let lines = headers.get_all(name);
        part(&(lines.iter().count() as u64).to_be_bytes());
        for line in lines {
            part(line.as_bytes());
        }
    };
    lines(CONTENT_TYPE.as_str());
    lines(GRPC_ENCODING);
    for name in keyed {
        lines(name.as_str());
    }
    let accepted = accepted(headers);
    part(&(accepted.len() as u64).to_be_bytes());
    for coding in accepted {
        part(coding.as_bytes());
    }
    part(message);
    *hasher.finalize().as_bytes()
}

/// The message codings that a client takes, as a set (GRPC-08).
fn accepted(headers: &HeaderMap) -> Vec<String> {
    let mut codings: Vec<String> = headers
        .get_all(GRPC_ACCEPT_ENCODING)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|coding| String::from_utf8_lossy(coding.trim_ascii()).to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .collect();
    codings.sort_unstable();
    codings.dedup();
    codings
}
