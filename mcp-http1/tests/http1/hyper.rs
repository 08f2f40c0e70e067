//! The same bytes given to hyper: what is understood is understood alike, and what hyper refuses is refused here.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::driven::{Seen, whole};
use crate::smuggling::REFUSED;
use crate::splits;
use crate::vectors::ACCEPTED;

/// What this machine refuses and hyper takes, and why. Everything else must be the same.
const STRICTER: &[(&str, &str)] = &[
    // RFC 9112 section 2.2 lets a recipient take a bare LF for a line end; not every intermediary does.
    ("bare LF after the request line", "line ends"),
    ("bare LF after a field", "line ends"),
    ("bare LF as the empty line", "line ends"),
    ("bare LF before the request", "line ends"),
    ("two empty lines before the request", "one is tolerated"),
    // Not a form of RFC 9112 section 3.2 that the method allows.
    ("everything with GET", "the target"),
    ("a target that is no path", "the target"),
    ("an authority as target", "the target"),
    ("a fragment", "hyper cuts it off"),
    ("bytes beyond ASCII in the target", "the target"),
    ("another scheme", "the target"),
    ("user information", "the target"),
    ("a tunnel", "no tunnels"),
    // hyper leaves Host to its services.
    ("no host", "the host"),
    ("two hosts", "the host"),
    ("the same host twice", "the host"),
    ("two hosts in HTTP/1.0", "the host"),
    ("a host with a blank", "the host"),
    ("a host with a path", "the host"),
    ("a host with user information", "the host"),
    ("a host beyond ASCII", "the host"),
    ("an absolute target and another host", "the host"),
    ("an absolute target and another port", "the host"),
    ("an absolute target and no host", "the host"),
    ("an absolute target and no port", "the host"),
    // RFC 9112 section 6.3 lets a recipient repair these.
    ("a length and chunks", "repaired"),
    ("chunks and a length", "repaired"),
    ("the same length twice", "repaired"),
    // The last of several lines decides for hyper, and it looks at no coding but the last.
    ("the identity, and chunks", "the coding"),
    ("another coding below chunks", "the coding"),
    ("chunks of chunks", "the coding"),
    ("chunks twice", "the coding"),
    ("an empty coding before chunks", "the coding"),
    ("an expectation that nobody meets", "hyper ignores it"),
    ("a blank after the size", "chunks"),
    ("a blank before the extension", "chunks"),
    ("NUL in an extension", "chunks"),
];

/// What hyper makes of some bytes.
fn hyper(bytes: &[u8]) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes());
            let complete = body.is_ok();
            seen.lock().expect("no panic").push(Seen {
                method: head.method,
                uri: head.uri,
                version: head.version,
                headers: head.headers,
                body: body.unwrap_or_default().to_vec(),
                complete,
            });
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        near.write_all(bytes).await.expect("room for everything");
        near.shutdown().await.expect("half closed");
        // Errors are the client's, and we are the client.
        let _ = http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(far), service)
            .await;
        let mut said = Vec::new();
        near.read_to_end(&mut said)
            .await
            .expect("all that was said");
    });
    let mut seen = core::mem::take(&mut *seen.lock().expect("no panic"));
    seen.retain(|it| it.complete);
    seen
}

fn ours(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = whole(bytes).seen;
    seen.retain(|it| it.complete);
    seen
}

#[test]
fn every_vector_means_the_same_to_hyper_or_is_known_to_be_refused_here() {
    let accepted = ACCEPTED.iter().map(|(name, bytes, _)| (*name, *bytes));
    let refused = REFUSED.iter().map(|(name, bytes, _)| (*name, *bytes));
    let mut wrong = Vec::new();
    for (name, bytes) in accepted.chain(refused) {
        let (ours, hypers) = (ours(bytes), hyper(bytes));
        let is_known = STRICTER.iter().any(|(known, _)| *known == name);
        let is_stricter = hypers.len() > ours.len() && hypers.starts_with(&ours);
        if is_known != is_stricter || (!is_known && ours != hypers) {
            wrong.push(format!(
                "{name}: {} here, {} there",
                ours.len(),
                hypers.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_understood_hyper_understands_as_well(bytes in splits::bytes()) {
        let (ours, hypers) = (ours(&bytes), hyper(&bytes));
        prop_assert!(hypers.starts_with(&ours), "{:?}\nhere {:?}\nthere {:?}", bytes, ours, hypers);
    }
}
