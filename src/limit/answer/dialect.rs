//! Which fields tell clients of their quotas.

/// The names and the syntax of the fields.
///
/// A token bucket is told by its amount and window, or, where its burst is larger than the amount, by the burst and the time it
/// takes to be there again. Windows are whole seconds, rounded up; those shorter than a second are not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-11 has them.
    ///
    /// ```text
    /// RateLimit-Policy: "search";q=100;w=60
    /// RateLimit: "search";r=42;t=1
    /// ```
    ///
    /// `r` is what may be used at once, and `t` the seconds until one more may be.
    #[default]
    Draft11,
    /// `RateLimit-Policy` and `RateLimit` as the draft's seventh version had them.
    ///
    /// ```text
    /// RateLimit-Policy: 100;w=60
    /// RateLimit: limit=100, remaining=42, reset=1
    /// ```
    ///
    /// `RateLimit` tells of the tightest policy alone: that with the least remaining or, of several, that with the longest wait.
    /// `reset` is `t` of [`Draft11`](Self::Draft11). What is counted in flight, and windows shorter than a second, are not told.
    Draft7,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`, which no document defines.
    ///
    /// They tell of the tightest policy alone, as those of [`Draft7`](Self::Draft7) do.
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
///
/// Redirections never have them: whoever is redirected comes again at once.
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
