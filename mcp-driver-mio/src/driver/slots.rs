//! What is in the slots: how it gets there, and how it leaves.
//!
//! Owns the life of a connection between its registration and its end.

use std::io;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use mcp_driver::Ended;
use mcp_driver::edges::Id;
use mcp_server::proto::time::Instant;
use mio::event::Event;
use mio::{Registry, Token};

use super::Driver;
use crate::connection::Driven;
use crate::handle::{ConnectionHandle, ListenerHandle, Status};
use crate::listener::{Door, Listener};
use crate::queue::{Bell, Key, Queue};
use crate::tokens::Side;

/// What is in a slot.
pub(super) enum Content {
    Listener(Listener),
    Connection {
        driven: Box<dyn Driven>,
        status: Arc<Status>,
        /// The listener that it came through.
        listener: Option<Id>,
    },
}

pub(super) struct Slot {
    pub(super) content: Content,
    pub(super) bell: Arc<Bell>,
    pub(super) waker: Waker,
    /// Its entry among the timers.
    pub(super) armed: Option<Instant>,
}

impl Slot {
    fn new(id: Id, queue: &Arc<Queue>, content: Content) -> Self {
        let (bell, waker) = Bell::new(Key::Slot(id), queue);
        Self {
            content,
            bell,
            waker,
            armed: None,
        }
    }

    pub(super) fn on_event(&mut self, side: Side, event: &Event) -> bool {
        match &mut self.content {
            Content::Listener(listener) => {
                listener.ready = true;
                true
            }
            Content::Connection { driven, .. } => driven.on_event(side, event),
        }
    }
}

impl Driver {
    /// Puts a connection in a slot. It is polled in the next tick.
    pub(crate) fn add(
        &mut self,
        mut driven: Box<dyn Driven>,
        status: Arc<Status>,
        listener: Option<Id>,
    ) -> io::Result<Id> {
        let (id, registered) = self.insert(|registry, token| {
            let registered = driven.register(registry, [Side::Input, Side::Output].map(token));
            status.opened();
            let content = Content::Connection {
                driven,
                status,
                listener,
            };
            (content, registered)
        })?;
        if let Err(error) = registered {
            self.ended(id, Ended::PeerGone);
            return Err(error);
        }
        self.mark(id);
        self.busy = true;
        Ok(id)
    }

    /// Puts something in a slot, and says whether the poll knows of it.
    fn insert(
        &mut self,
        open: impl FnOnce(&Registry, &dyn Fn(Side) -> Token) -> (Content, io::Result<()>),
    ) -> io::Result<(Id, io::Result<()>)> {
        let Self {
            slots,
            queue,
            tokens,
            registry,
            ..
        } = self;
        let mut registered = Ok(());
        let id = slots.insert(|id| {
            let (content, outcome) = open(registry, &|side| tokens.token(id, side));
            registered = outcome;
            Slot::new(id, queue, content)
        });
        Ok((id.ok_or_else(no_token)?, registered))
    }

    pub(crate) fn add_connection(
        &mut self,
        driven: Box<dyn Driven>,
    ) -> io::Result<ConnectionHandle> {
        let status = Arc::new(Status::default());
        let id = self.add(driven, Arc::clone(&status), None)?;
        Ok(ConnectionHandle {
            queue: Arc::clone(&self.queue),
            status,
            id,
        })
    }

    pub(crate) fn add_listener(
        &mut self,
        mut door: Box<dyn Door>,
        max_connections: usize,
    ) -> io::Result<ListenerHandle> {
        let (id, registered) = self.insert(|registry, token| {
            let registered = door.register(registry, token(Side::Input));
            let listener = Listener::new(door, max_connections);
            (Content::Listener(listener), registered)
        })?;
        if let Err(error) = registered {
            self.slots.remove(id);
            return Err(error);
        }
        self.mark(id);
        self.busy = true;
        let status = self
            .listener(id)
            .map(|listener| Arc::clone(&listener.status));
        Ok(ListenerHandle {
            queue: Arc::clone(&self.queue),
            status: status.unwrap_or_default(),
            id,
        })
    }

    /// A connection is over.
    pub(super) fn ended(&mut self, id: Id, why: Ended) {
        let Some(mut slot) = self.slots.remove(id) else {
            return;
        };
        self.timers.disarm(id, &mut slot.armed);
        let Content::Connection {
            mut driven,
            status,
            listener,
        } = slot.content
        else {
            return;
        };
        driven.deregister(&self.registry);
        drop(driven);
        for listener in mem::take(&mut self.full) {
            self.mark(listener);
        }
        match listener {
            None => status.finish(Some(why)),
            Some(listener) => {
                status.closed(why);
                // It may have been the last one.
                self.mark(listener);
            }
        }
    }
}

fn no_token() -> io::Error {
    io::Error::new(
        io::ErrorKind::QuotaExceeded,
        "every token of this loop is in use",
    )
}
