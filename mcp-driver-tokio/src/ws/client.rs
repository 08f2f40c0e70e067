//! The client's end of a WebSocket.
//!
//! Owns the opening handshake and the connection as a future. Must never decide what is said: that is the handle's, and
//! the core's.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{StatusCode, Uri};
use mcp_driver::client::{ClientHandle, Token, client};
use mcp_driver::{Ended, Pump, StreamOptions, run};
use mcp_server::proto::client::{ClientConfig, ClientEvent};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_websockets::upgrade::Error as Upgrade;
use tokio_websockets::{ClientBuilder, Error, Limits};

use super::channel::Channel;
use super::{KeepAlive, SUBPROTOCOL};
use crate::clock::Clock;
use crate::stream::TokioAlarm;

/// How a client connects.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Headers of the opening request, such as `Authorization`. Those of the handshake itself cannot be set.
    pub headers: HeaderMap,
    /// How the connection is kept alive.
    pub keep_alive: KeepAlive,
    /// How long the server may leave what is sent unread; see [`StreamOptions::write_stall`].
    pub stream: StreamOptions,
}

impl ClientOptions {
    /// Sets [`ClientOptions::headers`].
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Sets [`ClientOptions::keep_alive`].
    #[must_use]
    pub const fn with_keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Sets [`ClientOptions::stream`].
    #[must_use]
    pub const fn with_stream(mut self, stream: StreamOptions) -> Self {
        self.stream = stream;
        self
    }
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a `ws://HOST[:PORT]/PATH`. For `wss`, see [`connect_on`].
    Url,
    /// One of the headers belongs to the handshake.
    Header,
    /// The network.
    Io(io::Error),
    /// The server answered with this status instead of 101.
    Refused(StatusCode),
    /// The server's answer is no handshake.
    Handshake,
    /// The server did not agree on the subprotocol.
    Subprotocol,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the address has to be ws://HOST[:PORT]/PATH"),
            Self::Header => f.write_str("a header of the handshake itself cannot be set"),
            Self::Io(error) => write!(f, "cannot connect: {error}"),
            Self::Refused(status) => write!(f, "the server answered {status}"),
            Self::Handshake => f.write_str("the server's answer is no WebSocket handshake"),
            Self::Subprotocol => f.write_str("the server does not speak the subprotocol mcp"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A connection: a future that has to be polled for anything to happen, for instance by a task of its own. Ends when the
/// last handle is gone and everything was answered, when the server closes, or when it is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct WsClient(Pin<Box<dyn Future<Output = Ended> + Send>>);

impl fmt::Debug for WsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WsClient")
    }
}

impl Future for WsClient {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        self.0.as_mut().poll(cx)
    }
}

/// Connects to a server at `ws://HOST[:PORT]/PATH`. `heard` is told what belongs to no answer (see
/// [`mcp_driver::client`]).
///
/// ```no_run
/// # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
/// use mcp_driver_tokio::ws::{ClientOptions, connect};
/// use mcp_server::proto::client::{ClientConfig, ClientProfile, RequestOptions};
/// use mcp_server::types::Implementation;
///
/// let config = ClientConfig::compile(ClientProfile::new(Implementation::new("me", "1.0.0")));
/// let url = "ws://127.0.0.1:8080/mcp/ws";
/// let (connection, server) = connect(url, ClientOptions::default(), config.into(), |_| {}).await?;
/// tokio::spawn(connection);
/// let tools = server.request("tools/list", "{}", RequestOptions::default()).await?;
/// println!("{tools:?}");
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect<F>(
    url: &str,
    options: ClientOptions,
    config: Arc<ClientConfig>,
    heard: F,
) -> Result<(WsClient, ClientHandle), ConnectError>
where
    F: FnMut(ClientEvent<Token>) + Send + 'static,
{
    let uri = address(url, &["ws"])?;
    let host = uri.host().ok_or(ConnectError::Url)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    // Requests are small and latency matters; failing to say so is harmless.
    let _ = stream.set_nodelay(true);
    handshake(stream, uri, options, config, heard).await
}

/// Connects over a stream of the caller's, such as TLS; `url` may be `ws` or `wss` and is what the server is told.
///
/// # Errors
/// [`ConnectError`] says why there is no connection.
pub async fn connect_on<C, F>(
    stream: C,
    url: &str,
    options: ClientOptions,
    config: Arc<ClientConfig>,
    heard: F,
) -> Result<(WsClient, ClientHandle), ConnectError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: FnMut(ClientEvent<Token>) + Send + 'static,
{
    let uri = address(url, &["ws", "wss"])?;
    handshake(stream, uri, options, config, heard).await
}

fn address(url: &str, schemes: &[&str]) -> Result<Uri, ConnectError> {
    let uri: Uri = url.parse().map_err(|_| ConnectError::Url)?;
    let known = uri
        .scheme_str()
        .is_some_and(|scheme| schemes.contains(&scheme));
    if known && uri.host().is_some_and(|host| !host.is_empty()) {
        Ok(uri)
    } else {
        Err(ConnectError::Url)
    }
}

async fn handshake<C, F>(
    stream: C,
    uri: Uri,
    options: ClientOptions,
    config: Arc<ClientConfig>,
    heard: F,
) -> Result<(WsClient, ClientHandle), ConnectError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: FnMut(ClientEvent<Token>) + Send + 'static,
{
    let limits = Limits::default().max_payload_len(Some(config.limits().max_message));
    let mut builder = ClientBuilder::from_uri(uri).limits(limits);
    let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
    let own = [(SEC_WEBSOCKET_PROTOCOL, subprotocol)];
    let given = options.headers.iter();
    for (name, value) in given.map(|(n, v)| (n.clone(), v.clone())).chain(own) {
        builder = builder
            .add_header(name, value)
            .map_err(|_| ConnectError::Header)?;
    }
    let (socket, response) = builder.connect_on(stream).await.map_err(refusal)?;
    let agreed = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
    if agreed.is_none_or(|agreed| agreed != SUBPROTOCOL) {
        return Err(ConnectError::Subprotocol);
    }
    let (machine, handle) = client(config, heard);
    let alarm = TokioAlarm::new(Clock::start());
    let connection = Box::pin(async move {
        let mut channel = Channel::new(socket, options.keep_alive);
        let pump = Pump::new(machine, options.stream);
        let never = std::future::pending();
        let ended = run(pump, &mut channel, alarm, never, std::future::pending()).await;
        channel.close(ended).await;
        ended
    });
    Ok((WsClient(connection), handle))
}

fn refusal(error: Error) -> ConnectError {
    match error {
        Error::Io(error) => ConnectError::Io(error),
        Error::Upgrade(Upgrade::DidNotSwitchProtocols(status)) => {
            StatusCode::from_u16(status).map_or(ConnectError::Handshake, ConnectError::Refused)
        }
        _ => ConnectError::Handshake,
    }
}
