//! Decoding: our scanner against general parsers and the official SDK, by kind and size of message.
//!
//! What is compared is not the same work, and that is the point: the scanner checks the whole grammar and the rules of
//! JSON-RPC and finds what the protocol decides on; a tree or a typed message costs what it costs. `serde RawValue`
//! (an envelope of borrowed parts) and `sonic lazy` do the least among the others.

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mcp_benches::messages;
use mcp_proto::json::{ScanLimits, scan};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message as far as routing needs it, for serde_json.
#[derive(Deserialize)]
#[allow(dead_code, reason = "what counts is that it is decoded")]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// The same for sonic-rs.
#[derive(Deserialize)]
#[allow(dead_code, reason = "what counts is that it is decoded")]
struct Lazy<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<sonic_rs::LazyValue<'a>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<sonic_rs::LazyValue<'a>>,
    #[serde(borrow)]
    result: Option<sonic_rs::LazyValue<'a>>,
}

fn decoding(criterion: &mut Criterion) {
    for sample in messages() {
        let bytes = sample.text.as_bytes();
        let mut group = criterion.benchmark_group(format!("scan/{}", sample.name));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let limits = ScanLimits::default();
        group.bench_function("ours", |bencher| {
            bencher.iter(|| scan(black_box(bytes), &limits).expect("valid"));
        });
        group.bench_function("serde RawValue", |bencher| {
            bencher
                .iter(|| serde_json::from_slice::<Envelope<'_>>(black_box(bytes)).expect("valid"));
        });
        group.bench_function("sonic lazy", |bencher| {
            bencher.iter(|| sonic_rs::from_slice::<Lazy<'_>>(black_box(bytes)).expect("valid"));
        });
        group.bench_function("serde Value", |bencher| {
            bencher.iter(|| {
                serde_json::from_slice::<serde_json::Value>(black_box(bytes)).expect("valid")
            });
        });
        group.bench_function("sonic Value", |bencher| {
            bencher
                .iter(|| sonic_rs::from_slice::<sonic_rs::Value>(black_box(bytes)).expect("valid"));
        });
        // It parses in place, so that each run needs a fresh copy; the copy counts.
        let mut scratch = bytes.to_vec();
        group.bench_function("simd-json tape", |bencher| {
            bencher.iter(|| {
                scratch.copy_from_slice(black_box(bytes));
                simd_json::to_tape(&mut scratch).expect("valid").0.len()
            });
        });
        group.bench_with_input(
            BenchmarkId::from_parameter("rmcp"),
            &sample,
            |bencher, sample| {
                if sample.from_client {
                    bencher.iter(|| {
                        serde_json::from_slice::<ClientJsonRpcMessage>(black_box(bytes))
                            .expect("valid")
                    });
                } else {
                    bencher.iter(|| {
                        serde_json::from_slice::<ServerJsonRpcMessage>(black_box(bytes))
                            .expect("valid")
                    });
                }
            },
        );
        group.finish();
    }
}

criterion_group!(benches, decoding);
criterion_main!(benches);
