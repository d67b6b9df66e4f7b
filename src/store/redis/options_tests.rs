//! Which options are refused, and what they say.

use super::*;

const URL: &str = "redis://127.0.0.1";

fn refused(builder: RedisStoreBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn an_option_that_cannot_be_used_is_named_with_what_to_set() {
    let builder = || RedisStore::builder(URL);
    let second = Duration::from_secs(1);
    let table = [
        ("acquire_timeout", builder().acquire_timeout(Duration::ZERO)),
        ("connect_timeout", builder().connect_timeout(Duration::MAX)),
        ("answer_timeout", builder().answer_timeout(Duration::ZERO)),
        ("breaker_failures", builder().breaker_failures(0)),
        (
            "breaker_pause",
            builder().breaker_pause(Duration::ZERO, second),
        ),
        ("breaker_pause", builder().breaker_pause(2 * second, second)),
        ("connections", builder().connections(0)),
        ("pooled", builder().pooled(0)),
        ("pooled", builder().pooled(1_000_000)),
        ("pooled", builder().pooled(2).connections(2)),
        ("client_name", builder().client_name("two words")),
        ("client_name", builder().client_name("")),
    ];
    for (option, builder) in table {
        let text = refused(builder);
        assert!(text.starts_with(&format!("option `{option}`: ")), "{text}");
        assert!(text.contains("set "), "{text}");
    }
}

#[test]
fn a_url_that_cannot_be_used_is_refused_and_not_shown() {
    for (url, why) in [
        ("", "no URL"),
        ("alibaba:sesame@host", "no URL"),
        ("http://alibaba:sesame@host", "no URL"),
        ("redis://alibaba:sesame@host:port", "no URL"),
        ("redis://alibaba:sesame@0.0.0.0", "any address"),
        ("redis://alibaba:sesame@host/sesame", "database"),
        ("redis://alibaba:sesame@host/-1", "database"),
        ("redis://alibaba:%ffsesame@host", "UTF-8"),
        ("redis://alibaba:sesame@host?protocol=sesame", "protocol"),
        ("unix://alibaba/path?user=alibaba&pass=sesame", "path"),
        ("unix:///path?user=alibaba&pass=sesame&db=x", "database"),
    ] {
        let error = RedisStore::builder(url).build().unwrap_err();
        let text = format!("{error} {error:?} {:?}", RedisStore::builder(url));
        assert!(error.to_string().starts_with("option `url`: "), "{text}");
        assert!(text.contains(why), "{url}: {text}");
        for secret in ["alibaba", "sesame"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn builders_and_stores_show_their_address_and_no_login() {
    let with_options = RedisStore::builder("redis://host:1234/5")
        .user("alibaba")
        .password("sesame");
    for builder in [
        with_options,
        RedisStore::builder("redis://alibaba:sesame@host:1234/5"),
        RedisStore::builder("unix:///host:1234?user=alibaba&pass=sesame"),
    ] {
        let mut text = format!("{builder:?}");
        text += &format!("{:?}", builder.build().unwrap());
        assert_eq!(text.matches("host:1234").count(), 2, "{text}");
        for secret in ["alibaba", "sesame"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn two_shared_connections_are_the_default_and_calls_are_bounded() {
    let config = RedisStore::builder(URL).config().unwrap();
    assert_eq!(config.sharing, Sharing::Shared(2));
    let Timeouts {
        acquire,
        connect,
        answer,
    } = config.timeouts;
    let millis = [acquire, connect, answer].map(|timeout| timeout.as_millis());
    assert_eq!(millis, [200, 1000, 200]);
    assert_eq!(config.breaker.failures, 5);
    let config = RedisStore::builder(URL).pooled(7).config().unwrap();
    assert_eq!(config.sharing, Sharing::Pooled);
    assert_eq!(config.pool.status().max_size, 7);
}

#[test]
fn a_pool_is_used_as_it_is() {
    let pool = deadpool_redis::Config::from_url(URL);
    let pool = pool.builder().unwrap().build().unwrap();
    let builder = || RedisStore::from_pool(pool.clone());
    assert_eq!(builder().config().unwrap().sharing, Sharing::Pooled);
    for (option, builder) in [
        ("user", builder().user("a")),
        ("password", builder().password("a")),
        ("ca_certificate", builder().ca_certificate("a")),
        ("client_name", builder().client_name("a")),
        ("connections", builder().connections(1)),
        ("pooled", builder().pooled(1)),
    ] {
        let text = refused(builder);
        assert!(text.starts_with(&format!("option `{option}`: ")), "{text}");
    }
}

#[cfg(feature = "redis-tls")]
#[test]
fn certificates_of_an_authority_are_read_at_once() {
    let builder = |url| RedisStore::builder(url).ca_certificate("no certificate");
    for url in ["rediss://host", URL] {
        let text = refused(builder(url));
        assert!(text.starts_with("option `ca_certificate`: "), "{text}");
    }
    let text = refused(RedisStore::builder("rediss://host#insecure"));
    assert!(text.contains("always verified"), "{text}");
    assert!(RedisStore::builder("rediss://host").build().is_ok());
}

#[cfg(not(feature = "redis-tls"))]
#[test]
fn tls_names_the_feature_that_it_needs() {
    for text in [
        refused(RedisStore::builder("rediss://alibaba:sesame@host")),
        refused(RedisStore::builder(URL).ca_certificate("any")),
    ] {
        assert!(text.contains("`redis-tls`"), "{text}");
    }
}
