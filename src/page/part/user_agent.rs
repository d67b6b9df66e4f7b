//! Classes of clients, by words in `User-Agent` (RFC 9110 §10.1.5).

/// How much of a field is read, in characters: far more than any browser sends.
const MOST_READ: usize = 1_024;

const BOTS: [&str; 5] = [
    "crawler",
    "spider",
    "slurp",
    "facebookexternalhit",
    "mediapartners-google",
];
const TABLETS: [&str; 5] = ["ipad", "tablet", "kindle", "silk/", "playbook"];
const PHONES: [&str; 6] = [
    "mobi",
    "iphone",
    "ipod",
    "windows phone",
    "blackberry",
    "opera mini",
];

/// The class of a client. Each class is its own.
pub(super) fn class_of(field: Option<&str>) -> &'static str {
    let field = field.unwrap_or_default();
    let read: String = field.chars().take(MOST_READ).collect();
    let read = read.to_ascii_lowercase();
    let has = |word: &str| read.contains(word);
    let is_android = has("android");
    // A maker of phones is called so.
    if BOTS.into_iter().any(has) || read.replace("cubot", "").contains("bot") {
        "bot"
    } else if TABLETS.into_iter().any(has) || (is_android && !has("mobile")) {
        "tablet"
    } else if PHONES.into_iter().any(has) || is_android {
        "mobile"
    } else {
        "desktop"
    }
}
