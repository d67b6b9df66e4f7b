//! What the server says of itself.

use deadpool_redis::redis::Cmd;

use super::connections::Connections;
use super::{reply, server};
use crate::store::{ServerFacts, StoreError, StoreFacts};

/// Asks the server. Entries and their bytes are not told: the database may be shared.
pub(super) async fn ask(connections: &Connections) -> Result<StoreFacts, StoreError> {
    let mut info = Cmd::new();
    info.arg("INFO");
    let text = server::text(&connections.send(&info).await?);
    let text = text.ok_or_else(|| reply::unexpected("describe"))?;
    Ok(parse(&text))
}

fn parse(info: &str) -> StoreFacts {
    let number = |name: &str| {
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse::<u64>().ok())
    };
    StoreFacts {
        capacity: number("maxmemory").filter(|bytes| *bytes > 0),
        evictions: number("evicted_keys"),
        expirations: number("expired_keys"),
        server: Some(ServerFacts {
            memory_used: number("used_memory"),
            memory_peak: number("used_memory_peak"),
            clients: number("connected_clients"),
            commands: number("total_commands_processed"),
            keyspace_hits: number("keyspace_hits"),
            keyspace_misses: number("keyspace_misses"),
        }),
        ..StoreFacts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_what_the_server_says() {
        let facts = parse(
            "# Memory\r\nused_memory:100\r\nused_memory_peak:200\r\nmaxmemory:0\r\nkeyspace_hits:x\r\n",
        );
        let server = facts.server.unwrap();
        assert_eq!(server.memory_used, Some(100));
        assert_eq!(server.memory_peak, Some(200));
        assert_eq!(server.keyspace_hits, None);
        assert_eq!(facts.capacity, None);
    }
}
