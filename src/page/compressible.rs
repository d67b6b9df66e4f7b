//! Whether the body of a response may become smaller by compression.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

/// Media types that are compressed already, whatever their parameters.
const COMPRESSED: [&str; 19] = [
    "application/epub+zip",
    "application/font-woff",
    "application/font-woff2",
    "application/gzip",
    "application/java-archive",
    "application/ogg",
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/x-bzip2",
    "application/x-compress",
    "application/x-gzip",
    "application/x-rar-compressed",
    "application/x-xz",
    "application/x-zip-compressed",
    "application/zip",
    "application/zlib",
    "application/zstd",
    "font/woff",
    "font/woff2",
];

/// Is there reason to try? Not where the body has a content coding, nor for pictures, sound, films, archives and the like.
pub(super) fn is_compressible(headers: &HeaderMap) -> bool {
    if headers.contains_key(CONTENT_ENCODING) {
        return false;
    }
    let media_type = headers
        .get(CONTENT_TYPE)
        .map(|value| value.as_bytes())
        .and_then(|value| value.split(|byte| *byte == b';').next())
        .map(|value| value.trim_ascii().to_ascii_lowercase());
    let Some(media_type) = media_type else {
        return true;
    };
    let begins = |with: &str| media_type.starts_with(with.as_bytes());
    let is_text = media_type == b"image/svg+xml" || media_type == b"image/bmp";
    let is_compressed = begins("image/")
        || begins("audio/")
        || begins("video/")
        // Office documents are archives.
        || begins("application/vnd.openxmlformats-officedocument.")
        || begins("application/vnd.oasis.opendocument.")
        || media_type.ends_with(b"+zip")
        || COMPRESSED.iter().any(|compressed| compressed.as_bytes() == media_type);
    is_text || !is_compressed
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn with(name: HeaderName, value: &'static str) -> bool {
        is_compressible(&HeaderMap::from_iter([(
            name,
            HeaderValue::from_static(value),
        )]))
    }

    #[test]
    fn texts_are_worth_it() {
        assert!(is_compressible(&HeaderMap::new()));
        for text in [
            "text/html; charset=utf-8",
            "application/json",
            "image/svg+xml",
            "Image/SVG+XML; charset=utf-8",
            "application/wasm",
            "font/ttf",
            "",
        ] {
            assert!(with(CONTENT_TYPE, text), "{text}");
        }
    }

    #[test]
    fn what_is_compressed_already_is_not() {
        for compressed in [
            "image/png",
            "IMAGE/JPEG",
            "image/webp;q=1",
            "audio/ogg",
            "video/mp4",
            "font/woff2",
            "application/zip",
            "application/epub+zip",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ] {
            assert!(!with(CONTENT_TYPE, compressed), "{compressed}");
        }
        for coding in ["gzip", "br", "unheard-of"] {
            assert!(!with(CONTENT_ENCODING, coding), "{coding}");
        }
    }
}
