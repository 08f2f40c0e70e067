//! The contract of a driver, kept on smol's own executor.

use std::process::ExitCode;

#[path = "../common/mod.rs"]
mod common;
mod kit;

use common::Smol;

impl kit::Host for Smol {
    fn start() -> Self {
        Self
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        ::smol::block_on(future)
    }
}

fn main() -> ExitCode {
    mcp_testkit::driver::main(kit::subject::<Smol>("smol"))
}
