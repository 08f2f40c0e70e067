//! The machine without a driver: round trips, and what stays flat while tools, subscriptions and calls grow.

use std::hint::black_box;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mcp_benches::{Bench, echo_legacy, echo_modern, handshake, list_modern, listen, service};
use mcp_proto::limits::Limits;
use mcp_proto::outbox::Outbox;
use mcp_proto::reply::{Payload, Reply};
use mcp_proto::server::{Change, Link, LinkEvent, Step};
use mcp_proto::time::{Instant, Now};
use mcp_server::Service;

const NOW: Now = Now {
    instant: Instant::from_micros(1),
    unix_ms: 0,
};

/// Room for everything that is measured here.
fn wide() -> Limits {
    Limits {
        max_calls: 60_000,
        max_listens: 60_000,
        ..Limits::default()
    }
}

/// `mcp-proto` alone: bytes in, a judged call out, an answer in, bytes out.
fn link(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("link");
    let service = service(1, Limits::default());
    let body = br#"{"content":[{"type":"text","text":"hello performance world"}]}"#;
    for (name, before, call) in [
        ("modern", String::new(), echo_modern(7)),
        ("legacy", handshake(), echo_legacy(7)),
    ] {
        let mut link = Link::new(Arc::clone(service.config()));
        let (mut input, mut out) = (BytesMut::with_capacity(1 << 16), Outbox::new(1 << 20));
        input.extend_from_slice(before.as_bytes());
        while let Step::Event(_) = link.next(NOW, &mut input, &mut out) {}
        group.bench_function(BenchmarkId::new("round trip", name), |bencher| {
            bencher.iter(|| {
                input.extend_from_slice(black_box(call.as_bytes()));
                let Step::Event(LinkEvent::Call { id, .. }) = link.next(NOW, &mut input, &mut out)
                else {
                    panic!("a call was expected");
                };
                let reply = Reply::complete(Payload::Slice(body));
                link.respond(id, &reply, &mut out).expect("in flight");
                assert!(matches!(
                    link.next(NOW, &mut input, &mut out),
                    Step::NeedInput
                ));
                out.advance(out.remaining());
            });
        });
    }
    group.finish();
}

fn echo(bench: &mut Bench, call: &[u8]) {
    bench.feed(black_box(call));
    // As long as the answer is, at least; what is in it is for tests to say.
    assert!(bench.out.remaining() > 80);
    bench.out.advance(bench.out.remaining());
}

/// `mcp-server` without driver: the same, with registry, typed arguments, handler and typed result.
fn connection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connection");
    for (name, before, call) in [
        ("modern", String::new(), echo_modern(7)),
        ("legacy", handshake(), echo_legacy(7)),
    ] {
        let mut bench = Bench::new(service(3, Limits::default()));
        bench.feed(before.as_bytes());
        bench.out.clear();
        group.bench_function(BenchmarkId::new("echo", name), |bencher| {
            bencher.iter(|| echo(&mut bench, call.as_bytes()));
        });
    }
    group.finish();
}

/// Costs that must stay flat.
fn flat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flat");
    for tools in [1, 1_000, 100_000] {
        let mut bench = Bench::new(service(tools, Limits::default()));
        let call = echo_modern(7);
        group.bench_function(BenchmarkId::new("echo with tools", tools), |bencher| {
            bencher.iter(|| echo(&mut bench, call.as_bytes()));
        });
    }
    for listens in [0, 1, 1_000, 10_000] {
        let mut bench = Bench::new(service(1, wide()));
        open(&mut bench, listens);
        let call = echo_modern(7);
        group.bench_function(
            BenchmarkId::new("echo with listens on its link", listens),
            |bencher| {
                bencher.iter(|| echo(&mut bench, call.as_bytes()));
            },
        );
    }
    for listens in [1_000, 100_000] {
        let service = service(1, wide());
        let others = links(&service, listens);
        let mut bench = Bench::new(service);
        let call = echo_modern(7);
        group.bench_function(
            BenchmarkId::new("echo with listens on other links", listens),
            |bencher| {
                bencher.iter(|| echo(&mut bench, call.as_bytes()));
            },
        );
        drop(others);
    }
    for listens in [0, 10_000] {
        let mut bench = Bench::new(service(1, wide()));
        open(&mut bench, listens);
        group.bench_function(
            BenchmarkId::new("idle poll with listens", listens),
            |bencher| {
                bencher.iter(|| black_box(bench.poll()));
            },
        );
    }
    group.finish();
}

fn open(bench: &mut Bench, listens: u64) {
    for id in 0..listens {
        bench.feed(listen(id + 1000).as_bytes());
    }
    bench.out.clear();
}

/// Connections that together hold so many subscriptions, a thousand each at most.
fn links(service: &Service, listens: u64) -> Vec<Bench> {
    let mut links = Vec::new();
    let mut left = listens;
    while left > 0 {
        let here = left.min(1_000);
        let mut bench = Bench::new(service.clone());
        open(&mut bench, here);
        bench.poll();
        links.push(bench);
        left -= here;
    }
    links
}

/// The first page of `tools/list`.
fn lists(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tools-list");
    for tools in [10, 1_000, 100_000] {
        let mut bench = Bench::new(service(tools, Limits::default()));
        let list = list_modern(7);
        bench.feed(list.as_bytes());
        group.throughput(Throughput::Bytes(bench.out.remaining() as u64));
        bench.out.clear();
        group.bench_function(BenchmarkId::new("first page of", tools), |bencher| {
            bencher.iter(|| {
                bench.feed(black_box(list.as_bytes()));
                bench.out.clear();
            });
        });
    }
    group.finish();
}

/// One change told to every open subscription, a thousand on a link.
fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out");
    group.sample_size(10);
    for listens in [1, 1_000, 100_000] {
        let service = service(1, wide());
        let mut links = links(&service, listens);
        group.throughput(Throughput::Elements(listens));
        group.bench_function(BenchmarkId::new("listens", listens), |bencher| {
            bencher.iter(|| {
                service.hub().changed(Change::Tools);
                for bench in &mut links {
                    bench.poll();
                    assert!(bench.out.has_remaining());
                    bench.out.clear();
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, link, connection, flat, lists, fan_out);
criterion_main!(benches);
