//! The streams where there are no Unix descriptors.
//!
//! Owns private duplicates of the standard handles, which the standard library makes non-inheritable. The standard handles
//! themselves stay as they are: a server here must not print to stdout.

use std::io;

use super::Channel;

#[cfg(windows)]
pub(super) fn take() -> io::Result<(Channel, Channel)> {
    use std::os::windows::io::AsHandle;

    let input = io::stdin().as_handle().try_clone_to_owned()?;
    let output = io::stdout().as_handle().try_clone_to_owned()?;
    Ok((
        Channel::Blocking(input.into()),
        Channel::Blocking(output.into()),
    ))
}

#[cfg(not(windows))]
pub(super) fn take() -> io::Result<(Channel, Channel)> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this platform has no standard streams that can be taken",
    ))
}
