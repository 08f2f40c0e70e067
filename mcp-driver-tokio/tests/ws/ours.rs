//! Our own client, against our own server.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use mcp_driver_tokio::Ended;
use mcp_driver_tokio::http::{HttpOptions, ServeOptions};
use mcp_driver_tokio::ws::{
    ClientHandle, ClientOptions, ConnectError, WsClient, WsOptions, connect,
};
use mcp_server::proto::client::{ClientConfig, ClientProfile, Outcome, RequestOptions};
use mcp_server::types::{Implementation, Revision};
use mcp_server::{Principal, StaticBearer};
use tokio::net::TcpListener;

use crate::{Served, server};

#[tokio::test]
async fn the_path_is_there_only_where_it_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let never = std::future::pending();
    let options = ServeOptions::default();
    tokio::spawn(mcp_driver_tokio::http::serve(
        listener,
        server(),
        options,
        never,
    ));
    let refused = ours(&format!("ws://{address}/mcp/ws"), profile()).await;
    let Err(ConnectError::Refused(status)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(status, 404);
}

fn profile() -> ClientProfile {
    ClientProfile::new(Implementation::new("c", "1"))
}

async fn ours(url: &str, profile: ClientProfile) -> Result<(WsClient, ClientHandle), ConnectError> {
    let config = Arc::new(ClientConfig::compile(profile));
    connect(url, ClientOptions::default(), config, |_| {}).await
}

fn text_of(outcome: Result<Outcome, impl std::fmt::Debug>) -> String {
    match outcome {
        Ok(Outcome::Complete(result)) => String::from_utf8(result.to_vec()).unwrap(),
        other => panic!("no result but {other:?}"),
    }
}

#[tokio::test]
async fn our_client_asks_and_leaves_with_a_closing_handshake() {
    let served = Served::plain().await;
    let (connection, handle) = ours(&served.url(), profile()).await.unwrap();
    let connection = tokio::spawn(connection);
    let options = RequestOptions::default();
    let slow = r#"{"name":"slow","arguments":{"ms":200}}"#;
    let slow = handle.request("tools/call", slow, options);
    let listed = text_of(handle.request("tools/list", "", options).await);
    assert!(listed.contains(r#""name":"slow""#));
    assert!(text_of(slow.await).contains("slept 200"));
    drop(handle);
    assert_eq!(connection.await.unwrap(), Ended::EndOfInput);
    assert_eq!(served.end().await.dropped, 0);
}

#[tokio::test]
async fn our_client_speaks_to_a_legacy_server() {
    let served = Served::plain().await;
    let config = ClientConfig::compile(profile());
    let (connection, handle) = ours(&served.url(), profile()).await.unwrap();
    tokio::spawn(connection);
    let revision = Revision::V2025_06_18;
    handle.speak(revision).unwrap();
    let options = RequestOptions::default();
    let params = config.initialize_params(revision);
    let initialized = text_of(handle.request("initialize", params, options).await);
    assert!(initialized.contains("2025-06-18"), "{initialized}");
    handle.notify("notifications/initialized", "").unwrap();
    let called = r#"{"name":"large","arguments":{"bytes":3}}"#;
    let called = text_of(handle.request("tools/call", called, options).await);
    assert!(
        called.contains("xxx") && !called.contains("resultType"),
        "{called}"
    );
}

#[tokio::test]
async fn a_server_that_goes_away_ends_our_client() {
    let served = Served::plain().await;
    let (connection, handle) = ours(&served.url(), profile()).await.unwrap();
    let connection = tokio::spawn(connection);
    let options = RequestOptions::default();
    text_of(handle.request("tools/list", "", options).await);
    assert_eq!(served.end().await.dropped, 0);
    assert_eq!(connection.await.unwrap(), Ended::EndOfInput);
    assert!(handle.request("tools/list", "", options).await.is_err());
}

#[tokio::test]
async fn our_client_brings_its_credentials() {
    let keys = StaticBearer::new().with_key("an-ordinary-key-1", Principal::new("ada"));
    let http = HttpOptions::default().with_authenticator(keys);
    let options = ServeOptions::default().with_http(http);
    let served = Served::start(server(), options, WsOptions::default()).await;
    let refused = ours(&served.url(), profile()).await;
    assert!(matches!(refused, Err(ConnectError::Refused(status)) if status == 401));
    let bearer = HeaderValue::from_static("Bearer an-ordinary-key-1");
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    let options = ClientOptions::default().with_headers(headers);
    let config = Arc::new(ClientConfig::compile(profile()));
    let (connection, handle) = connect(&served.url(), options, config, |_| {})
        .await
        .unwrap();
    tokio::spawn(connection);
    let listed = handle.request("tools/list", "", RequestOptions::default());
    text_of(listed.await);
}

#[tokio::test]
async fn what_is_no_address_is_no_connection() {
    for url in [
        "http://127.0.0.1/mcp",
        "wss://127.0.0.1/mcp",
        "ws:",
        "/mcp/ws",
        "",
    ] {
        let refused = ours(url, profile()).await;
        assert!(
            matches!(refused, Err(ConnectError::Url)),
            "{url}: {refused:?}"
        );
    }
}
