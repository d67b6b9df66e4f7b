//! Which fields tell clients of their quotas.

/// The names and the syntax of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-11 has them.
    #[default]
    Draft11,
    /// `RateLimit-Policy` and `RateLimit` with `limit=, remaining=, reset=`, as the draft's seventh version had them.
    Draft7,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
    XRateLimit(Reset),
    /// No fields.
    None,
}

/// What `X-RateLimit-Reset` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// Seconds from now.
    #[default]
    Seconds,
    /// Seconds since the Unix epoch.
    UnixTime,
}

/// On which answers the fields stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fields {
    /// On those that refuse.
    #[default]
    OnRefusal,
    /// On those that refuse and those that do not.
    Always,
    /// On none.
    Never,
}
