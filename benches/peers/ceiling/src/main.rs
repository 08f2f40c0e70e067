//! Physical limits: servers that do the least that still answers `echo` and `large`. They validate nothing that a
//! server must validate, so no real server reaches them; they say what the kernel, tokio and hyper cost by themselves.
//!
//! - `hyper ADDR [large]`: any POST, body read and dropped, a fixed answer (64 KiB with `large`); hyper, HTTP/1
//! - `parse ADDR`: the same, but the body is decoded into borrowed structs and the echo is encoded
//! - `stdio`: a line loop on tokio's stdin and stdout, borrowed decoding, one write per batch of input
//! - `lines [large]`: a line loop on blocking descriptors: find the id, answer, write once per read

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

static ECHO: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello performance world"}],"isError":false}}"#;

/// What `large` returns, as a JSON string.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let text = "The quick brown fox jumps over the lazy dog, 0123456789 times..\n".repeat(1024);
    serde_json::to_string(&text).unwrap_or_default()
});

static LARGE: LazyLock<Bytes> = LazyLock::new(|| {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":{}}}],"isError":false}}}}"#,
        *TEXT
    )
    .into()
});

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    result: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    content: [Block<'a>; 1],
    is_error: bool,
}

#[derive(Serialize)]
struct Block<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// Decodes into borrowed structs and encodes the answer behind `out`.
fn answer(body: &[u8], out: &mut Vec<u8>) {
    match serde_json::from_slice::<Call<'_>>(body) {
        Ok(call) if call.method == "tools/call" => {
            let params = call.params.as_ref();
            if params.is_some_and(|params| params.name == "large") {
                return large(call.id.map_or("null", RawValue::get), out);
            }
            let text = params
                .and_then(|params| params.arguments.as_ref())
                .and_then(|arguments| arguments.message.as_deref())
                .unwrap_or_default();
            let content = [Block {
                r#type: "text",
                text,
            }];
            let result = Outcome {
                content,
                is_error: false,
            };
            let answer = Answer {
                jsonrpc: "2.0",
                id: call.id,
                result,
            };
            // A `Vec` takes every write.
            let _ = serde_json::to_writer(out, &answer);
        }
        Ok(call) if call.id.is_none() => {}
        Ok(call) => greet(call.id.map_or("null", RawValue::get), out),
        Err(_) => out.extend_from_slice(
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse"}}"#,
        ),
    }
}

fn greet(id: &str, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-06-18","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"ceiling","version":"0"}}}}}}"#
    );
}

fn large(id: &str, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":{}}}],"isError":false}}}}"#,
        *TEXT
    );
}

async fn read(request: Request<Incoming>) -> Bytes {
    request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default()
}

fn json(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    response
}

async fn http(address: &str, mode: &'static str) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request| async move {
            let body = read(request).await;
            Ok::<_, Infallible>(match mode {
                "parse" => {
                    let mut out = Vec::with_capacity(256);
                    answer(&body, &mut out);
                    json(out)
                }
                "large" => json(LARGE.clone()),
                _ => json(ECHO),
            })
        });
        tokio::spawn(async move {
            // A client that goes away is none of our business.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Calls `each` with every complete line and drops them from `buffer`.
fn lines(buffer: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let mut start = 0;
    while let Some(end) = buffer[start..].iter().position(|byte| *byte == b'\n') {
        each(&buffer[start..start + end]);
        start += end + 1;
    }
    buffer.drain(..start);
}

async fn stdio() -> std::io::Result<()> {
    let (mut input, mut output) = (tokio::io::stdin(), tokio::io::stdout());
    let (mut buffer, mut out) = (Vec::with_capacity(65536), Vec::with_capacity(65536));
    while input.read_buf(&mut buffer).await? > 0 {
        lines(&mut buffer, |line| {
            let before = out.len();
            answer(line, &mut out);
            if out.len() > before {
                out.push(b'\n');
            }
        });
        if !out.is_empty() {
            output.write_all(&out).await?;
            output.flush().await?;
            out.clear();
        }
    }
    Ok(())
}

/// No runtime, no decoding beyond the id: the least that a process on two pipes can do.
fn bare(send_large: bool) -> std::io::Result<()> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (mut buffer, mut out) = (Vec::with_capacity(65536), Vec::<u8>::with_capacity(65536));
    let mut chunk = vec![0; 65536];
    loop {
        let read = input.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        buffer.extend_from_slice(&chunk[..read]);
        lines(&mut buffer, |line| {
            let Some(at) = line.windows(5).position(|found| found == b"\"id\":") else {
                return;
            };
            let rest = &line[at + 5..];
            let end = rest
                .iter()
                .position(|byte| matches!(byte, b',' | b'}'))
                .unwrap_or(rest.len());
            let Ok(id) = std::str::from_utf8(&rest[..end]) else {
                return;
            };
            if !line.windows(12).any(|found| found == b"\"tools/call\"") {
                greet(id, &mut out);
            } else if send_large {
                large(id, &mut out);
            } else {
                out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
                out.extend_from_slice(id.as_bytes());
                out.extend_from_slice(br#","result":{"content":[{"type":"text","text":"hello performance world"}],"isError":false}}"#);
            }
            out.push(b'\n');
        });
        output.write_all(&out)?;
        output.flush()?;
        out.clear();
    }
}

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words[..] {
        ["hyper", address] => runtime.block_on(http(address, "echo")),
        ["hyper", address, "large"] => runtime.block_on(http(address, "large")),
        ["parse", address] => runtime.block_on(http(address, "parse")),
        ["stdio"] => runtime.block_on(stdio()),
        ["lines"] => bare(false),
        ["lines", "large"] => bare(true),
        _ => {
            eprintln!("usage: hyper ADDR [large] | parse ADDR | stdio | lines [large]");
            std::process::exit(2);
        }
    }
}
