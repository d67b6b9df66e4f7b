use bytes::Bytes;

use super::*;
use crate::header::arbitrary::map;
use crate::page::decode_head;

pub(in crate::page) fn rule(text: &str, date: u64) -> Rule {
    Rule {
        rule: NoVarySearch::parse(&map(&NO_VARY_SEARCH, [text])),
        date,
    }
}

fn read(wire: &[u8]) -> Option<Rule> {
    let head = decode_head(Kind::Rule, &Bytes::copy_from_slice(wire))?;
    let rule = head.as_any().downcast_ref::<Rule>()?;
    Some(Rule {
        rule: rule.rule.clone(),
        date: rule.date,
    })
}

#[test]
fn a_rule_is_read_as_it_was_written() {
    for (text, date) in [
        ("params=(\"utm\" \"a b\")", 1_767_225_600),
        ("key-order, params, except=(\"q\")", u64::MAX),
        ("", 0),
    ] {
        let rule = rule(text, date);
        let wire = rule.to_wire().unwrap();
        assert_eq!(read(&wire), Some(rule));
        for length in 0..10 {
            assert_eq!(read(&wire[..length]), None, "{length}");
        }
        let mut other = wire.clone();
        other[0] += 1;
        assert_eq!(read(&other), None, "another version");
        assert_eq!(read(&[&*wire, b"\0"].concat()), None, "more than a rule");
    }
}
