//! What a server says of itself when it is met.

use deadpool_redis::redis::Value;

/// What `INFO` told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    /// Is it a primary?
    pub(super) is_primary: bool,
    /// The id of its replication history. A server that starts, and a replica that becomes the primary, begin a new one.
    pub(super) history: String,
    /// What it does when its memory is full.
    pub(super) policy: Option<String>,
}

impl Server {
    /// Reads the lines of `INFO`; `None` where they do not say what role the server has.
    pub(super) fn read(info: &str) -> Option<Self> {
        let mut server = Self::default();
        let mut role = None;
        for line in info.lines() {
            match line.trim_end().split_once(':') {
                Some(("role", value)) => role = Some(value),
                Some(("master_replid", value)) => server.history = value.into(),
                Some(("maxmemory_policy", value)) => server.policy = Some(value.into()),
                _ => {}
            }
        }
        server.is_primary = role? == "master";
        Some(server)
    }

    /// Does it throw away whatever it holds, the fence among it, when its memory is full?
    pub(super) fn evicts(&self) -> bool {
        self.policy
            .as_deref()
            .is_some_and(|policy| policy.starts_with("allkeys-"))
    }
}

/// The text of a bulk or verbatim string.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_history_and_policy_are_read() {
        let info = "# Replication\r\nrole:master\r\nmaster_replid:8371b4fb\r\n\r\n# Memory\r\nmaxmemory_policy:allkeys-lru\r\n";
        let server = Server::read(info).unwrap();
        assert!(server.is_primary);
        assert_eq!(server.history, "8371b4fb");
        assert!(server.evicts());
    }

    #[test]
    fn a_replica_is_no_primary_and_silence_is_neither() {
        assert!(!Server::read("role:slave\r\n").unwrap().is_primary);
        assert!(!Server::read("role:sentinel\r\n").unwrap().is_primary);
        assert_eq!(Server::read(""), None);
        assert_eq!(Server::read("garbage\r\n:\r\n"), None);
    }

    #[test]
    fn only_policies_that_take_any_key_evict_the_fence() {
        for (policy, evicts) in [
            ("noeviction", false),
            ("volatile-ttl", false),
            ("allkeys-lfu", true),
            ("allkeys-random", true),
        ] {
            let info = format!("role:master\r\nmaxmemory_policy:{policy}\r\n");
            assert_eq!(Server::read(&info).unwrap().evicts(), evicts, "{policy}");
        }
    }
}
