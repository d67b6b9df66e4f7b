//! A router, served until the process is asked to end.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::net::TcpListener;

use crate::{
    log,
    process::{AnyError, say, stop_signal},
};

/// Opens the port, makes the router, says where it listens, and serves it. The address of each client goes with its requests.
///
/// `app` makes the router once the address is known, and tells what else to say.
pub(crate) async fn serve(
    listen: SocketAddr,
    app: impl AsyncFnOnce(SocketAddr) -> Result<(Router, String), AnyError>,
) -> Result<(), AnyError> {
    // Before the first line is printed: who reads it may send a signal at once.
    let stop = stop_signal()?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    let address = listener.local_addr()?;
    let (app, note) = app(address).await?;

    say(io::stdout(), format_args!("listening on http://{address}"));
    log::info(&format!("{note}; stop with Ctrl-C"));

    let (stopping, mut stopped) = tokio::sync::watch::channel(());
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        log::info("stopping");
        drop(stopping);
    });
    tokio::select! {
        served = server.into_future() => served?,
        // Requests that are running may end, but not hold up the exit.
        () = async {
            let _ = stopped.changed().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        } => log::info("some requests were still running"),
    }
    Ok(())
}
