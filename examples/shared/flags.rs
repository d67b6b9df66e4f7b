//! The command line of an example, read by hand: a few flags do not need a parser.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
};

#[derive(Debug, PartialEq)]
pub(crate) enum Command<Args> {
    Run(Args),
    Help,
}

/// What is wrong with the command line, as a sentence.
#[derive(Debug, PartialEq)]
pub(crate) struct ArgsError(pub(crate) String);

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads `--flag value` and `--flag=value`, one flag after the other.
pub(crate) struct Flags<I> {
    args: I,
    flag: String,
    /// What stands behind the equals sign, until it is taken.
    inline: Option<String>,
}

impl<I: Iterator<Item = String>> Flags<I> {
    pub(crate) fn new(args: impl IntoIterator<IntoIter = I>) -> Self {
        Self {
            args: args.into_iter(),
            flag: String::new(),
            inline: None,
        }
    }

    /// `None` at the end of the line. The flag before this one must have taken its value.
    pub(crate) fn next_flag(&mut self) -> Result<Option<String>, ArgsError> {
        if self.inline.take().is_some() {
            return Err(ArgsError(format!("{} takes no value", self.flag)));
        }
        let Some(arg) = self.args.next() else {
            return Ok(None);
        };
        (self.flag, self.inline) = match arg.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        Ok(Some(self.flag.clone()))
    }

    pub(crate) fn value(&mut self) -> Result<String, ArgsError> {
        let next = self.inline.take().or_else(|| self.args.next());
        next.filter(|value| !value.is_empty())
            .ok_or_else(|| ArgsError(format!("{} needs a value", self.flag)))
    }

    /// A value that says where to listen; `example` shows how it is written.
    pub(crate) fn address(&mut self, example: SocketAddr) -> Result<SocketAddr, ArgsError> {
        let value = self.value()?;
        // Through the resolver, so that `localhost:3000` works.
        let address = value.to_socket_addrs().ok().and_then(|mut all| all.next());
        let flag = &self.flag;
        address.ok_or_else(|| {
            ArgsError(format!(
                "{flag} {value:?} is not an address; write it as {example}"
            ))
        })
    }

    pub(crate) fn unknown(&self) -> ArgsError {
        ArgsError(format!("unknown argument {:?}", self.flag))
    }
}
