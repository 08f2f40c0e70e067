//! The platforms that every scenario runs on, and a time limit that only a hang reaches.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::future::Future;
use std::time::Duration;

use futures_lite::future;
use mcp_driver_futures::{AsyncIo, Platform};
use mcp_server::proto::limits::Limits;
use mcp_server::{BoxFuture, Server};

/// A platform that can run a test.
pub(crate) trait Host: Platform {
    fn run<T>(&self, test: impl Future<Output = T>) -> T;
}

/// The executor that `smol::spawn` uses.
#[derive(Clone, Debug)]
pub(crate) struct Smol;

impl Platform for Smol {
    type Sleep = BoxFuture<()>;

    fn spawn(&self, future: BoxFuture<()>) {
        smol::spawn(future).detach();
    }

    fn unblock(&self, work: Box<dyn FnOnce() + Send>) {
        smol::unblock(work).detach();
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(async move {
            smol::Timer::after(duration).await;
        })
    }
}

impl Host for Smol {
    fn run<T>(&self, test: impl Future<Output = T>) -> T {
        smol::block_on(bounded(test))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AsyncStd;

impl Platform for AsyncStd {
    type Sleep = BoxFuture<()>;

    fn spawn(&self, future: BoxFuture<()>) {
        async_std::task::spawn(future);
    }

    fn unblock(&self, work: Box<dyn FnOnce() + Send>) {
        async_std::task::spawn_blocking(work);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(async_std::task::sleep(duration))
    }
}

impl Host for AsyncStd {
    fn run<T>(&self, test: impl Future<Output = T>) -> T {
        async_std::task::block_on(bounded(test))
    }
}

impl Host for AsyncIo {
    fn run<T>(&self, test: impl Future<Output = T>) -> T {
        self.block_on(bounded(test))
    }
}

async fn bounded<T>(test: impl Future<Output = T>) -> T {
    let limit = async {
        smol::Timer::after(Duration::from_secs(60)).await;
        panic!("the test hangs");
    };
    future::or(test, limit).await
}

/// Makes a test of each function for each platform.
#[macro_export]
macro_rules! on_every_platform {
    ($($test:ident),+ $(,)?) => {
        $crate::on_every_platform!(@ on_smol, $crate::common::Smol, $($test),+);
        $crate::on_every_platform!(@ on_async_std, $crate::common::AsyncStd, $($test),+);
        $crate::on_every_platform!(@ on_parts, mcp_driver_futures::AsyncIo::default(), $($test),+);
    };
    (@ $platform:ident, $host:expr, $($test:ident),+) => {
        mod $platform {
            $(#[test]
            fn $test() {
                use $crate::common::Host;
                let host = $host;
                host.run(super::$test(host.clone()));
            })+
        }
    };
}

/// The same server, whose connections do not have long to end.
pub(crate) fn hasty(server: Server) -> Server {
    server.limits(Limits {
        shutdown_bound: Duration::from_millis(100),
        ..Limits::default()
    })
}
