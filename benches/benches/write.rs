//! Encoding: a typed result turned into a whole response in the outbox, against serde_json, sonic-rs and rmcp's types.
//!
//! Ours includes what the others do not do: the frame, `resultType`, `_meta` with the server's name, and line breaks
//! kept out of the payload.

use std::hint::black_box;

use bytes::{Buf, Bytes};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mcp_benches::{prose, service, tool_list};
use mcp_proto::id::WireId;
use mcp_proto::method::Method;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_types::{CallToolResult, ContentBlock, ListToolsResult, Revision, TextContent};
use rmcp::model::ServerJsonRpcMessage;

fn encoding(criterion: &mut Criterion) {
    let service = service(1, mcp_proto::limits::Limits::default());
    let id = WireId::from_token("1234").expect("an id");
    for (name, length) in [
        ("result-23", 23),
        ("result-4k", 4 << 10),
        ("result-64k", 64 << 10),
        ("result-1m", 1 << 20),
    ] {
        let text = if length == 23 {
            "hello performance world".to_owned()
        } else {
            prose(length)
        };
        let result = CallToolResult::new(vec![ContentBlock::Text(TextContent::new(text))]);
        let mut out = Outbox::new(usize::MAX);
        compare(
            criterion,
            name,
            || {
                let body = Bytes::from(mcp_types::to_vec(black_box(&result), Revision::LATEST));
                let reply = Reply::complete(Payload::Shared(body));
                reply.write(
                    &mut out,
                    &id,
                    Method::ToolsCall,
                    Revision::LATEST,
                    service.config(),
                );
                let written = out.remaining();
                out.advance(written);
                written
            },
            &message(&mcp_types::to_vec(&result, Revision::LATEST_LEGACY)),
        );
    }
    for (name, count) in [("list-4k", 6), ("list-62k", 100), ("list-1m", 1700)] {
        let text = tool_list(count);
        let value: serde_json::Value = serde_json::from_str(&text).expect("valid");
        let result: ListToolsResult =
            serde_json::from_value(value["result"].clone()).expect("a list");
        let mut out = Outbox::new(usize::MAX);
        compare(
            criterion,
            name,
            || {
                let body = Bytes::from(mcp_types::to_vec(black_box(&result), Revision::LATEST));
                let reply = Reply::complete(Payload::Shared(body));
                reply.write(
                    &mut out,
                    &id,
                    Method::ToolsCall,
                    Revision::LATEST,
                    service.config(),
                );
                let written = out.remaining();
                out.advance(written);
                written
            },
            &text,
        );
    }
}

fn message(result: &[u8]) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1234,"result":{}}}"#,
        String::from_utf8_lossy(result)
    )
}

fn compare(criterion: &mut Criterion, name: &str, mut ours: impl FnMut() -> usize, text: &str) {
    let mut group = criterion.benchmark_group(format!("write/{name}"));
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("ours", |bencher| bencher.iter(&mut ours));
    let rmcp: ServerJsonRpcMessage = serde_json::from_str(text).expect("valid");
    group.bench_function("rmcp", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&rmcp)).expect("encodes").len());
    });
    let value: serde_json::Value = serde_json::from_str(text).expect("valid");
    group.bench_function("serde Value", |bencher| {
        bencher.iter(|| {
            serde_json::to_vec(black_box(&value))
                .expect("encodes")
                .len()
        });
    });
    let value: sonic_rs::Value = sonic_rs::from_str(text).expect("valid");
    group.bench_function("sonic Value", |bencher| {
        bencher.iter(|| sonic_rs::to_vec(black_box(&value)).expect("encodes").len());
    });
    group.finish();
}

criterion_group!(benches, encoding);
criterion_main!(benches);
