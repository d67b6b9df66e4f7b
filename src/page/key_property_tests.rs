//! Keys are injective, and any request has one or none.

use proptest::prelude::*;

use super::*;
use crate::page::screen::Content;

/// All that a key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    namespace: String,
    version: u32,
    depth: u8,
    scheme: &'static str,
    host: &'static str,
    path: String,
    query: Option<String>,
    steering: Vec<(&'static str, &'static str)>,
    header: Option<&'static str>,
    computed: Option<Vec<u8>>,
}

impl Parts {
    fn key(&self) -> Result<Vec<u8>, Bypass> {
        let query = self
            .query
            .as_ref()
            .map_or(String::new(), |query| format!("?{query}"));
        let target = format!("{}://{}{}{query}", self.scheme, self.host, self.path);
        let mut fields = self.steering.clone();
        fields.extend(self.header.map(|value| ("x-header", value)));
        let request = ask(&target, &fields);
        let head = RequestHead::of(&request);
        let computed = self.computed.clone();
        let layer = Cache::builder(NullStore)
            .namespace(&*self.namespace)
            .version(self.version)
            .build()
            .unwrap()
            .page(minutes(5))
            .vary_on_header(HeaderName::from_static("x-header"))
            .vary_on(KeyPart::computed("computed", move |_| computed.clone()));
        let seen = screen(&head, Content::Absent, &[])?;
        let key = layer.key_at(&head, &seen, self.depth)?;
        Ok(key.as_bytes().to_vec())
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    // Few letters, so that a join without lengths would collide.
    let steering = prop::sample::select(FORWARDING.as_slice());
    let value = || prop::sample::select(["", "a", "aa", "b", "x-host", "a, b"].as_slice());
    (
        ("[ab]{1,3}", 0..3_u32, 0..3_u8),
        prop::sample::select(["http", "https"].as_slice()),
        prop::sample::select(["a", "b", "a.b", "a:1", "[::1]"].as_slice()),
        "(/|/a|a|%2F|;|:|\\.\\.|%00){0,4}",
        prop::option::of("(a|=|&|;|/|%26|\\?){0,4}"),
        prop::collection::vec((steering, value()), 0..3),
        prop::option::of(value()),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..3)),
    )
        .prop_map(
            |(
                (namespace, version, depth),
                scheme,
                host,
                path,
                query,
                mut steering,
                header,
                computed,
            )| {
                // Lines of different fields have no order.
                steering.sort_by_key(|(name, _)| *name);
                Parts {
                    namespace,
                    version,
                    depth,
                    scheme,
                    host,
                    path: format!("/{path}"),
                    query,
                    steering,
                    header,
                    computed,
                }
            },
        )
}

proptest! {
    #[test]
    fn distinct_parts_never_make_one_key(one in parts(), mut other in parts(), kept in any::<[bool; 10]>()) {
        // Most pairs that collide differ little.
        if kept[0] { other.namespace.clone_from(&one.namespace); }
        if kept[1] { other.version = one.version; }
        if kept[2] { other.depth = one.depth; }
        if kept[3] { other.scheme = one.scheme; }
        if kept[4] { other.host = one.host; }
        if kept[5] { other.path.clone_from(&one.path); }
        if kept[6] { other.query.clone_from(&one.query); }
        if kept[7] { other.steering.clone_from(&one.steering); }
        if kept[8] { other.header = one.header; }
        if kept[9] { other.computed.clone_from(&one.computed); }
        prop_assert_eq!(one.key().unwrap() == other.key().unwrap(), one == other);
    }

    #[test]
    fn any_bytes_in_any_field_never_panic(
        fields in prop::collection::vec((0..20_usize, crate::header::arbitrary::value()), 0..6),
        trusted in any::<bool>(),
    ) {
        let mut request = ask("/p", &[]);
        for (index, value) in fields {
            let name = FORWARDING.get(index).copied().unwrap_or(["host", "x-part"][index % 2]);
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        let forwarding = if trusted { Forwarding::Trusted } else { Forwarding::Keyed };
        let layer = page()
            .forwarding(forwarding)
            .vary_on_header(HeaderName::from_static("x-part"))
            .hosts(["a"])
            .unwrap();
        if let Ok(key) = key(&layer, &request) {
            prop_assert!(key.as_bytes().len() <= LONGEST);
        }
    }
}
