//! What wakes a thread that sleeps in `poll(2)`.
//!
//! Owns one descriptor and the rule by which it is written: only while the thread sleeps, and once. So a wake-up of a
//! thread that is awake costs one atomic exchange and no system call. Must never lose a ring.
//!
//! ```text
//!           doze                    ring (writes)
//! AWAKE ───────────▶ ASLEEP ───────────────────────▶ RUNG
//!   ▲ │                │ returned by another event     │
//!   │ └── ring ──▶ RUNG (doze returns at once)         │
//!   └──────────────────┴───────────────────────────────┘
//! ```

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const RUNG: u8 = 2;

/// The longest sleep.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How many descriptors one sleep can wait for beside the bell.
pub(super) const WATCHED: usize = 2;

/// One descriptor to wait for, and what came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// With no event at all, errors and hang-ups are still told.
    pub(super) events: PollFlags,
    pub(super) revents: PollFlags,
}

impl<'a> Watch<'a> {
    pub(super) const fn new(fd: BorrowedFd<'a>, events: PollFlags) -> Self {
        Self {
            fd,
            events,
            revents: PollFlags::empty(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Bell {
    state: AtomicU8,
    ears: OwnedFd,
    /// Where the kernel has no counter to wait for, it is a pipe.
    #[cfg(not(target_os = "linux"))]
    mouth: OwnedFd,
}

impl Bell {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};

        Ok(Self {
            state: AtomicU8::new(AWAKE),
            ears: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> io::Result<Self> {
        let (ears, mouth) = io::pipe()?;
        let (ears, mouth) = (OwnedFd::from(ears), OwnedFd::from(mouth));
        super::make_nonblocking(&ears)?;
        super::make_nonblocking(&mouth)?;
        Ok(Self {
            state: AtomicU8::new(AWAKE),
            ears,
            mouth,
        })
    }

    #[cfg(target_os = "linux")]
    const fn mouth(&self) -> &OwnedFd {
        &self.ears
    }

    #[cfg(not(target_os = "linux"))]
    const fn mouth(&self) -> &OwnedFd {
        &self.mouth
    }

    /// Wakes whoever sleeps here, or makes the next sleep end at once.
    pub(crate) fn ring(&self) {
        if self.state.swap(RUNG, Ordering::SeqCst) == ASLEEP {
            // A full pipe or counter means that it is readable already.
            let _ = rustix::io::write(self.mouth(), &1_u64.to_ne_bytes());
        }
    }

    /// Sleeps until it is rung, or for `timeout`. Only one thread may sleep here at a time.
    pub(crate) fn sleep(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.doze(&mut [], timeout)
    }

    /// Sleeps until it is rung, until something that is watched happens, or for `timeout`. Only one thread may sleep here
    /// at a time.
    pub(super) fn doze(
        &self,
        watched: &mut [Watch<'_>],
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let asleep = self
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        // What has been rung already does not sleep, but it looks at the descriptors all the same: whoever rings all the
        // time must not keep them from being served.
        let timeout = if asleep.is_err() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        let slept = self.wait(watched, timeout);
        // Not a store: what was done before a ring that comes in between must be seen by whoever looks now.
        self.state.swap(AWAKE, Ordering::SeqCst);
        slept
    }

    fn wait(&self, watched: &mut [Watch<'_>], timeout: Option<Duration>) -> io::Result<()> {
        // Where `poll` counts milliseconds in an `int`, longer ones would be refused. Waking up early is harmless.
        let timeout = timeout.map(|timeout| timeout.min(LONGEST));
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let ears = PollFd::new(&self.ears, PollFlags::IN);
        let mut fds: [PollFd<'_>; WATCHED + 1] = [ears.clone(), ears.clone(), ears];
        let count = watched.len().min(WATCHED);
        for (place, watch) in fds[1..].iter_mut().zip(watched.iter()) {
            *place = PollFd::from_borrowed_fd(watch.fd, watch.events);
        }
        match poll(&mut fds[..=count], timeout.as_ref()) {
            Ok(_) => {}
            // A signal: look at everything and sleep again.
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for (watch, place) in watched.iter_mut().zip(&fds[1..]) {
            watch.revents = place.revents();
        }
        if !fds[0].revents().is_empty() {
            let mut drained = [0; 64];
            let _ = rustix::io::read(&self.ears, &mut drained);
        }
        Ok(())
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
