//! Scripts that the server runs.

use std::sync::OnceLock;

use deadpool_redis::redis::{self, Cmd};

/// A script and its digest.
#[derive(Debug)]
pub(crate) struct Script {
    source: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    /// The script with this text.
    pub(crate) const fn new(source: &'static str) -> Self {
        Self {
            source,
            digest: OnceLock::new(),
        }
    }

    /// The call by digest, for a server that knows the script.
    pub(crate) fn by_digest(&self, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
        let digest = self
            .digest
            .get_or_init(|| redis::Script::new(self.source).get_hash().to_owned());
        call("EVALSHA", digest, keys, arguments)
    }

    /// The call by text, after which the server knows the script.
    pub(crate) fn by_text(&self, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
        call("EVAL", self.source, keys, arguments)
    }
}

fn call(command: &str, script: &str, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
    let mut cmd = redis::cmd(command);
    cmd.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    cmd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_arguments_follow_their_count() {
        let script = Script::new("return 1");
        let packed = script
            .by_digest(&[b"k"], &[b"a", b"b"])
            .get_packed_command();
        let expected = "*6\r\n$7\r\nEVALSHA\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n$1\r\n1\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\nb\r\n";
        assert_eq!(String::from_utf8(packed).unwrap(), expected);
        let packed = script.by_text(&[], &[]).get_packed_command();
        let expected = "*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n";
        assert_eq!(String::from_utf8(packed).unwrap(), expected);
    }
}
