//! A server whose cache Prometheus watches.
//!
//! ```text
//! cargo run --example metrics --features metrics [ADDRESS]
//! curl http://127.0.0.1:3000/menu
//! curl http://127.0.0.1:3000/metrics
//! ```
//!
//! `/metrics` and `/stats` tell what routes there are and how they do, but no addresses; still they are the operator's, so in a real
//! application they stand on a listener of their own, or behind its authorisation.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use larder::monitor::Latency;
use larder::monitor::metrics::Exporter;
use larder::{Cache, MIB, MemoryStore, minutes, seconds};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:3000")).await?;
    println!("listening on http://{}", listener.local_addr()?);

    // The recorder first: what is counted before goes nowhere.
    let bounds: Vec<f64> = Latency::bounds().map(|bound| bound.as_secs_f64()).collect();
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("larder_store_seconds".to_owned()), &bounds)?
        .install_recorder()?;
    let cache = Cache::builder(MemoryStore::new(64 * MIB))
        .namespace("shop")
        .name("shop")
        .build()?;
    axum::serve(listener, app(&cache, prometheus)).await?;
    Ok(())
}

fn app(cache: &Cache, prometheus: PrometheusHandle) -> Router {
    let exporter = Arc::new(Exporter::new(cache));
    let stats = cache.clone();
    let json = [(CONTENT_TYPE, "application/json")];
    Router::new()
        .route("/menu", get(menu).layer(cache.page(minutes(30))))
        .route("/menu/{dish}", get(dish).layer(cache.page(seconds(10))))
        .route(
            "/metrics",
            get(async move || scrape(&exporter, &prometheus)),
        )
        .route("/stats", get(async move || (json, stats.stats().to_json())))
}

/// All that is known, in Prometheus's text format.
fn scrape(exporter: &Exporter, prometheus: &PrometheusHandle) -> impl IntoResponse + use<> {
    exporter.publish();
    // Nothing else drains the histograms where the recorder has no listener of its own.
    prometheus.run_upkeep();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind)], prometheus.render())
}

async fn menu() -> &'static str {
    tokio::time::sleep(Duration::from_millis(50)).await;
    "soup of the day\n"
}

async fn dish(Path(dish): Path<String>) -> String {
    tokio::time::sleep(Duration::from_millis(20)).await;
    format!("{dish}, as always\n")
}
