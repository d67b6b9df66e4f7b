//! The keys of this API, and whose they are.

use larder::RequestHead;

const FIELD: &str = "x-api-key";

/// What a real application looks up, or verifies by a signature.
const KNOWN: [&str; 9] = ["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"];

/// Whose key a request comes with: none for one that is not known, or where there are several.
pub(crate) fn holder(request: &RequestHead<'_>) -> Option<&'static str> {
    let mut values = request.headers.get_all(FIELD).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let known = KNOWN.into_iter();
    known
        .into_iter()
        .find(|key| value.as_bytes() == key.as_bytes())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn holder_of(keys: &[&str]) -> Option<&'static str> {
        let request = keys.iter().fold(Request::builder(), |request, key| {
            request.header(FIELD, *key)
        });
        let request = request.body(()).unwrap();
        holder(&RequestHead::of(&request))
    }

    #[test]
    fn only_one_known_key_is_anybodys() {
        assert_eq!(holder_of(&["k1"]), Some("k1"));
        assert_eq!(holder_of(&["k9"]), Some("k9"));
        for keys in [
            &[][..],
            &[""],
            &["k0"],
            &["k10"],
            &["K1"],
            &["k1,k2"],
            &["k1", "k2"],
            &["k1", "k1"],
        ] {
            assert_eq!(holder_of(keys), None, "{keys:?}");
        }
    }
}
