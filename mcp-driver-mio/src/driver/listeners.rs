//! Accepting, and the graceful end.
//!
//! Owns the order of an end: what is announced goes on for a while, then the listener closes, then its connections end.

use std::io;
use std::sync::Arc;

use mcp_driver::edges::Id;
use mcp_driver::{ACCEPT_PAUSE, is_about_one_peer};

use super::Driver;
use super::slots::Content;
use crate::listener::{ACCEPTS_PER_TURN, Listener, Phase};

impl Driver {
    pub(super) fn poll_listener(&mut self, id: Id) {
        let now = self.clock.instant();
        let Some(listener) = self.listener(id) else {
            return;
        };
        if listener.rests_until.is_some_and(|until| until <= now) {
            listener.rests_until = None;
        }
        if matches!(listener.phase, Phase::Going(at) if at <= now) {
            self.close(id);
        }
        self.accept(id);
        let Some(listener) = self.listener(id) else {
            return;
        };
        if listener.phase == Phase::Ending && listener.status.connections() == 0 {
            listener.status.finish(None);
            if let Some(mut slot) = self.slots.remove(id) {
                self.timers.disarm(id, &mut slot.armed);
            }
            return;
        }
        let at = listener.deadline();
        if let Some(slot) = self.slots.get_mut(id) {
            self.timers.arm(id, &mut slot.armed, at);
        }
    }

    pub(super) fn listener(&mut self, id: Id) -> Option<&mut Listener> {
        match &mut self.slots.get_mut(id)?.content {
            Content::Listener(listener) => Some(listener),
            Content::Connection { .. } => None,
        }
    }

    fn accept(&mut self, id: Id) {
        for _ in 0..ACCEPTS_PER_TURN {
            let has_room = self.slots.has_room();
            let rests_until = self.clock.instant() + ACCEPT_PAUSE;
            let Some(listener) = self.listener(id) else {
                return;
            };
            if !listener.ready || listener.rests_until.is_some() || listener.phase == Phase::Ending
            {
                return;
            }
            if !has_room || listener.is_full() {
                if !self.full.contains(&id) {
                    self.full.push(id);
                }
                return;
            }
            let status = Arc::clone(&listener.status);
            let accepted = listener.door.accept();
            let added = accepted.and_then(|driven| self.add(driven, status, Some(id)));
            let Err(error) = added else { continue };
            let Some(listener) = self.listener(id) else {
                return;
            };
            if error.kind() == io::ErrorKind::WouldBlock {
                listener.ready = false;
            } else if !is_about_one_peer(&error) {
                listener.rests_until = Some(rests_until);
            }
        }
        self.mark(id);
    }

    pub(super) fn shut_down_all(&mut self) {
        let all: Vec<Id> = self.slots.iter_mut().map(|(id, _)| id).collect();
        for id in all {
            let came_through_a_listener = matches!(
                self.slots.get_mut(id).map(|slot| &slot.content),
                Some(Content::Connection {
                    listener: Some(_),
                    ..
                })
            );
            // Those end with their listener, which may go on for a while.
            if !came_through_a_listener {
                self.shut_down(id);
            }
        }
    }

    pub(super) fn shut_down(&mut self, id: Id) {
        let now = self.clock.instant();
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        match &mut slot.content {
            Content::Connection { driven, .. } => driven.shutdown(),
            Content::Listener(listener) if listener.phase == Phase::Open => {
                listener.phase = Phase::Going(now + listener.door.announce_end());
            }
            Content::Listener(_) => {}
        }
        self.mark(id);
    }

    /// Closes a listener and starts the end of its connections.
    fn close(&mut self, id: Id) {
        let Self {
            slots, registry, ..
        } = self;
        let Some(slot) = slots.get_mut(id) else {
            return;
        };
        if let Content::Listener(listener) = &mut slot.content {
            listener.phase = Phase::Ending;
            listener.door.close(registry);
        }
        let mut going = Vec::new();
        for (connection, slot) in slots.iter_mut() {
            if let Content::Connection {
                driven,
                listener: Some(listener),
                ..
            } = &mut slot.content
                && *listener == id
            {
                driven.shutdown();
                going.push(connection);
            }
        }
        for connection in going {
            self.mark(connection);
        }
    }
}
