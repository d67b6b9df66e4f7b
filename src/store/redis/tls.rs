//! TLS to the server, where the feature for it is on.

#[cfg(feature = "redis-tls")]
pub(super) use self::rustls::{ready, supported, trust};
#[cfg(not(feature = "redis-tls"))]
pub(super) use self::without::{ready, supported, trust};

#[cfg(feature = "redis-tls")]
mod rustls {
    use ::rustls::crypto::{CryptoProvider, ring};
    use deadpool_redis::redis::{Client, ConnectionInfo, TlsCertificates};

    use crate::store::redis::RedisStoreError;

    /// Is there TLS?
    pub(in crate::store::redis) const fn supported() -> Result<(), RedisStoreError> {
        Ok(())
    }

    /// Sees to it, before a connection is made, that there is cryptography: the client takes the process's, and panics where there is none.
    /// What the application has chosen until then stands.
    pub(in crate::store::redis) fn ready() {
        if CryptoProvider::get_default().is_none() {
            // Whoever comes first sets it.
            drop(ring::default_provider().install_default());
        }
    }

    /// `info` with the authorities in `pem` instead of the public ones.
    pub(in crate::store::redis) fn trust(
        info: ConnectionInfo,
        pem: &[u8],
    ) -> Result<ConnectionInfo, RedisStoreError> {
        let refuse = |problem| RedisStoreError::option("ca_certificate", problem);
        if !matches!(
            info.addr(),
            deadpool_redis::redis::ConnectionAddr::TcpTls { .. }
        ) {
            return Err(refuse(
                "it is for TLS: set a URL that begins with rediss://",
            ));
        }
        // The client takes an empty list, too, and then trusts nobody.
        if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
            return Err(refuse("set certificates in PEM"));
        }
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(pem.to_vec()),
        };
        match Client::build_with_tls(info, certificates) {
            Ok(client) => Ok(client.get_connection_info().clone()),
            Err(_) => Err(refuse("set certificates in PEM")),
        }
    }

    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
}

#[cfg(not(feature = "redis-tls"))]
mod without {
    use deadpool_redis::redis::ConnectionInfo;

    use crate::store::redis::RedisStoreError;

    pub(in crate::store::redis) const fn supported() -> Result<(), RedisStoreError> {
        Err(RedisStoreError::TlsFeature)
    }

    pub(in crate::store::redis) const fn ready() {}

    pub(in crate::store::redis) fn trust(
        _: ConnectionInfo,
        _: &[u8],
    ) -> Result<ConnectionInfo, RedisStoreError> {
        Err(RedisStoreError::TlsFeature)
    }
}
