//! What can be searched for.

const NAMES: [&str; 16] = [
    "apple pie",
    "bean stew",
    "beetroot soup",
    "cheese pie",
    "cherry cake",
    "cider",
    "elderflower water",
    "fish pie",
    "lentil soup",
    "onion tart",
    "pear cake",
    "potato salad",
    "pumpkin soup",
    "rye bread",
    "tomato tart",
    "walnut bread",
];

/// Those whose names hold the query, whatever its letter case.
pub(crate) fn search(query: &str) -> Vec<&'static str> {
    let query = query.trim().to_lowercase();
    let names = NAMES.into_iter();
    names.filter(|name| name.contains(&query)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_finds_the_names_that_hold_it() {
        assert_eq!(search(" PIE "), ["apple pie", "cheese pie", "fish pie"]);
        assert_eq!(search("").len(), NAMES.len());
        assert!(search("%").is_empty());
    }
}
