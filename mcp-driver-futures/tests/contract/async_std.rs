//! The contract of a driver, kept on async-std.

use std::process::ExitCode;

#[path = "../common/mod.rs"]
mod common;
mod kit;

use common::AsyncStd;

impl kit::Host for AsyncStd {
    fn start() -> Self {
        Self
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

fn main() -> ExitCode {
    mcp_testkit::driver::main(kit::subject::<AsyncStd>("async-std"))
}
