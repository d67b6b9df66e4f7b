//! Who may sign in. There is no database of them: any name is an account, and all have one password.

use crate::answers::Failure;

/// Made up for this example, and told to everybody.
pub(crate) const PASSWORD: &str = "sesame";

/// In bytes.
const LONGEST_ACCOUNT: usize = 64;

/// An attempt to sign in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attempt<'a> {
    account: &'a str,
    password: &'a str,
}

impl<'a> Attempt<'a> {
    /// Each field must be there once. Of two accounts the limit might count one, and this sign in the other.
    pub(crate) fn read(fields: &'a [(String, String)]) -> Result<Self, Failure> {
        let one = |name: &str| {
            let mut values = fields.iter().filter(|(key, _)| key == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) if !value.is_empty() => Some(value.as_str()),
                _ => None,
            }
        };
        match (one("account"), one("password")) {
            (Some(account), Some(password)) => Ok(Self { account, password }),
            _ => Err(Failure::invalid(
                "the form needs an account and a password, each once",
            )),
        }
    }

    /// The account, if the password is right.
    pub(crate) fn account(&self) -> Result<&'a str, Failure> {
        // A real one compares hashes, in a time that says nothing of where they differ.
        let is_right = self.password == PASSWORD && self.account.len() <= LONGEST_ACCOUNT;
        is_right
            .then_some(self.account)
            .ok_or(Failure::NOT_SIGNED_IN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| (String::from(*name), String::from(*value));
        fields.iter().map(own).collect()
    }

    #[test]
    fn the_password_decides() {
        let right = form(&[("account", "ann"), ("password", PASSWORD)]);
        assert_eq!(Attempt::read(&right).unwrap().account(), Ok("ann"));
        let wrong = form(&[("account", "ann"), ("password", "open")]);
        let attempt = Attempt::read(&wrong).unwrap();
        assert_eq!(attempt.account(), Err(Failure::NOT_SIGNED_IN));
        let long = "a".repeat(LONGEST_ACCOUNT + 1);
        let long = form(&[("account", &long), ("password", PASSWORD)]);
        let attempt = Attempt::read(&long).unwrap();
        assert_eq!(attempt.account(), Err(Failure::NOT_SIGNED_IN));
    }

    #[test]
    fn a_field_that_is_missing_empty_or_there_twice_is_no_attempt() {
        for fields in [
            &[("account", "ann")][..],
            &[("account", ""), ("password", "a")],
            &[("account", "ann"), ("account", "bob"), ("password", "a")],
            &[("account", "ann"), ("password", "a"), ("password", "b")],
        ] {
            assert!(Attempt::read(&form(fields)).is_err(), "{fields:?}");
        }
    }
}
