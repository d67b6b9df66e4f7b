//! Options of a [`RedisStore`].
