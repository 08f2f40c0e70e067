//! One connection and the thread that leads it.
//!
//! Owns the loop: poll what can be done, sleep until more can be. Must never hold its lock while it sleeps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mcp_driver::{Deadline, Ended, Pump, StreamOptions, SystemClock};
use mcp_server::Machine;

use crate::bell::Bell;
use crate::duplex::Duplex;

/// A connection, whatever runs on it.
pub(crate) trait Led: Send + Sync {
    /// Leads it on this thread until it ends.
    fn lead(self: Arc<Self>);
    /// Starts a graceful end.
    fn shutdown(&self);
    /// Drops what runs on it.
    fn cut(&self);
    /// How it ended, if it has.
    fn ended(&self) -> Option<Ended>;
}

/// See the module.
pub(crate) struct Line<M> {
    /// Whoever leads sleeps here.
    bell: Arc<Bell>,
    /// Rung at the end.
    crew: Arc<Bell>,
    clock: SystemClock,
    state: Mutex<State<M>>,
}

struct State<M> {
    /// Until the end.
    live: Option<Live<M>>,
    ended: Option<Ended>,
}

struct Live<M> {
    pump: Pump<M>,
    stream: Duplex,
    alarm: Deadline,
}

impl<M: Machine> Line<M> {
    pub(crate) fn new(
        machine: M,
        stream: Duplex,
        options: StreamOptions,
        clock: SystemClock,
        crew: Arc<Bell>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            bell: Arc::new(Bell::new()?),
            crew,
            clock,
            state: Mutex::new(State {
                live: Some(Live {
                    pump: Pump::new(machine, options),
                    stream,
                    alarm: Deadline::new(clock),
                }),
                ended: None,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end: the descriptors are closed and what runs is dropped before anybody hears of it.
    fn end(&self, mut state: MutexGuard<'_, State<M>>, ended: Ended) {
        let live = state.live.take();
        drop(state);
        drop(live);
        self.lock().ended.get_or_insert(ended);
        self.crew.ring();
    }
}

impl<M: Machine + Send> Led for Line<M> {
    fn lead(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self.bell));
        let mut cx = Context::from_waker(&waker);
        let mut state = self.lock();
        loop {
            let Some(live) = &mut state.live else {
                return;
            };
            live.stream.begin();
            let polled = live.pump.poll(&mut cx, &mut live.stream, &mut live.alarm);
            if let Poll::Ready(ended) = polled {
                return self.end(state, ended);
            }
            let timeout = live.alarm.at().map(|at| self.clock.until(at));
            let interest = live.stream.interest();
            drop(state);
            let told = interest.wait(|watched| self.bell.doze(watched, timeout));
            drop(interest);
            state = self.lock();
            if let Some(live) = &mut state.live {
                // What cannot be waited for cannot be served.
                let gone = told.map_or(true, |told| live.stream.told(told));
                if gone {
                    live.pump.hang_up();
                }
            }
        }
    }

    fn shutdown(&self) {
        if let Some(live) = &mut self.lock().live {
            live.pump.shutdown();
        }
        self.bell.ring();
    }

    fn cut(&self) {
        let state = self.lock();
        if state.ended.is_none() {
            self.end(state, Ended::ShutdownBound);
        }
        self.bell.ring();
    }

    fn ended(&self) -> Option<Ended> {
        self.lock().ended
    }
}
