//! What a handler knows of the call that it serves, and how it talks to the client meanwhile.
//!
//! Owns the handle that handlers hold. Cheap to clone, usable from any task; everything that it sends goes
//! through the call's cell and onto the call's own stream. Must never outlive its call's rights: once the
//! call is over, nothing that is said here reaches anybody.

#[cfg(feature = "tracing")]
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{self, Poll};
use std::thread::ThreadId;
use std::time::Duration;

use bytes::Bytes;
use mcp_proto::context::{CallContext, ClientFeatures};
use mcp_proto::id::RequestId;
use mcp_proto::json::Inbound;
use mcp_proto::server::Progress;
use mcp_types::{Implementation, Json, LoggingLevel, Meta, Revision};
use serde::Serialize;

use crate::ask::AskError;
use crate::call::{CallSink, CallStart};
use crate::cell::{Cell, Output};
use crate::journal::Sealer;
use crate::later::Later;
use crate::script::Script;
use crate::suspend::may_suspend;
use crate::{Principal, Runtime, Service};

/// A handler's view of its call.
///
/// Handlers get it as an optional argument. It may be cloned into other tasks: what they send wakes the
/// call and goes out on the call's own stream, until the call is over.
///
/// The methods that ask the client (`elicit`, `sample`, `roots`) are written once and work in both eras.
/// A client of a revision up to 2025-11-25 is sent a request and the handler waits. A client of 2026-07-28
/// gets an `input_required` result and calls again: **the handler then runs again from the start**, and
/// every question that was answered before is answered at once. So:
///
/// - work between two questions happens again; wrap what must not in [`once`](Self::once);
/// - ask the same questions, under the same keys, whatever the order in which they become ready;
/// - progress and log messages from before the last question are not sent again.
#[derive(Clone)]
pub struct Context {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) service: Service,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) facts: CallContext,
    inbound: Mutex<Arc<Inbound>>,
    pub(crate) principal: Option<Arc<Principal>>,
    extensions: Option<http::Extensions>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) later: Option<Arc<dyn Later>>,
    over: AtomicBool,
    /// Allocated by the first use that needs it.
    cell: OnceLock<Box<Cell>>,
    /// The thread that is polling the work of a `once`.
    inside_once: Mutex<Option<ThreadId>>,
    #[cfg(feature = "tracing")]
    span: OnceLock<tracing::Span>,
    /// Unless the call came with a journal, which has its own.
    chain: OnceLock<[u8; 16]>,
}

impl Context {
    pub(crate) fn new(service: Service, runtime: Arc<dyn Runtime>, start: CallStart) -> Self {
        let CallStart {
            inbound,
            context: mut facts,
            principal,
            extensions,
            sealer,
            later,
        } = start;
        if facts.is_modern() {
            // It stands in the request, and a second slice of it would pin the read buffer.
            facts.client_info = None;
        }
        let inner = Inner {
            service,
            runtime,
            facts,
            inbound: Mutex::new(inbound),
            principal,
            extensions,
            sealer,
            later,
            over: AtomicBool::new(false),
            cell: OnceLock::new(),
            inside_once: Mutex::new(None),
            #[cfg(feature = "tracing")]
            span: OnceLock::new(),
            chain: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    // ---- What is known ----

    /// The revision that the call is served in.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.inner.facts.revision
    }

    /// What the client has declared that it can be asked: with this call (modern) or in its handshake.
    #[must_use]
    pub fn client_features(&self) -> ClientFeatures {
        self.inner.facts.features
    }

    /// What the client says of itself. Not verified; never decide on it.
    #[must_use]
    pub fn client_info(&self) -> Option<Implementation> {
        if self.inner.facts.is_modern() {
            let inbound = self.inbound();
            return serde_json::from_str(inbound.text(inbound.envelope.meta_client_info)).ok();
        }
        let raw = self.inner.facts.client_info.as_ref()?;
        serde_json::from_slice(raw).ok()
    }

    /// The `_meta` of the request; empty if there is none.
    #[must_use]
    pub fn meta(&self) -> Meta {
        let inbound = self
            .inner
            .inbound
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        serde_json::from_str(inbound.text(inbound.envelope.meta)).unwrap_or_default()
    }

    /// Who is calling, where an authenticator said so.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.inner.principal.as_deref()
    }

    /// What the layers in front of an HTTP server have attached to the request.
    #[must_use]
    pub fn extensions(&self) -> Option<&http::Extensions> {
        self.inner.extensions.as_ref()
    }

    /// The server, to change its lists or to announce changes.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.inner.service
    }

    // ---- Cancellation ----

    /// Whether nobody waits for the result any more. Work that does not await should look now and then.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.over.load(Ordering::Acquire)
    }

    /// Waits until nobody waits for the result any more.
    ///
    /// A handler that runs in place is simply dropped then; this is for tasks and threads that it started.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + '_ {
        Over {
            context: self,
            place: None,
        }
    }

    // ---- Time ----

    /// Waits on the driver's timer, whichever driver that is. Nothing is blocked meanwhile.
    ///
    /// A runtime without timers ([`InPlace`](crate::InPlace), and so a test that runs a handler by hand) does not wait.
    ///
    /// ```
    /// use std::time::Duration;
    /// use mcp_server::{Context, tool};
    ///
    /// /// Says so when the tea is ready.
    /// #[tool]
    /// async fn steep(minutes: u32, ctx: Context) -> &'static str {
    ///     ctx.sleep(Duration::from_secs(60) * minutes).await;
    ///     "your tea is ready"
    /// }
    /// # fn main() {}
    /// ```
    pub async fn sleep(&self, duration: Duration) {
        let runtime = &self.inner.runtime;
        let timer = runtime
            .clock()
            .and_then(|now| runtime.sleep_until(now + duration));
        if let Some(timer) = timer {
            timer.await;
        }
    }

    // ---- Notifications ----

    /// Reports progress, if the client has asked for it.
    ///
    /// Reports may come as often as you like: of those between two writes, the last is sent, and one that
    /// does not exceed the one before is not sent (2026-07-28, basic/patterns/progress).
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        if self.inner.facts.progress_token.is_none() || self.is_cancelled() {
            return;
        }
        let message = message.map(str::to_owned);
        self.cell().send(|state| {
            state.progress(Progress {
                progress,
                total,
                message,
            })
        });
    }

    /// Whether a log message of `level` would be sent.
    #[must_use]
    pub fn logs(&self, level: LoggingLevel) -> bool {
        self.inner.facts.allows(level) && !self.is_cancelled()
    }

    /// Sends a log message to the client, if it has asked for this level. Never log secrets.
    ///
    /// `data` is any value; one that cannot be serialised is not sent.
    pub fn log(&self, level: LoggingLevel, logger: Option<&str>, data: impl Serialize) {
        if !self.logs(level) {
            return;
        }
        if let Ok(data) = Json::from_serialize(&data) {
            self.cell()
                .send(|state| state.log(level, logger, data.into_string()));
        }
    }

    /// [`log`](Self::log) on the level `debug`, without a logger's name.
    pub fn debug(&self, data: impl Serialize) {
        self.log(LoggingLevel::Debug, None, data);
    }

    /// [`log`](Self::log) on the level `info`, without a logger's name.
    pub fn info(&self, data: impl Serialize) {
        self.log(LoggingLevel::Info, None, data);
    }

    /// [`log`](Self::log) on the level `warning`, without a logger's name.
    pub fn warning(&self, data: impl Serialize) {
        self.log(LoggingLevel::Warning, None, data);
    }

    /// [`log`](Self::log) on the level `error`, without a logger's name.
    pub fn error(&self, data: impl Serialize) {
        self.log(LoggingLevel::Error, None, data);
    }

    /// Ends the response stream of this call early; a client of 2025-11-25 comes back for the rest after
    /// `retry` (2025-11-25, basic/transports, "Sending Messages to the Server"). Elsewhere nothing happens.
    pub fn close_stream(&self, retry: Option<Duration>) {
        if self.revision() == Revision::V2025_11_25 && !self.is_cancelled() {
            self.send(Output::CloseStream(retry));
        }
    }

    // ---- For the rest of the crate ----

    pub(crate) fn send(&self, output: Output) {
        self.inner.send(output);
    }

    pub(crate) fn cell(&self) -> &Cell {
        self.inner.cell()
    }

    /// The cell, if it was ever needed.
    pub(crate) fn used_cell(&self) -> Option<&Cell> {
        self.inner.cell.get().map(|cell| &**cell)
    }

    /// The call is over, for whatever reason.
    pub(crate) fn end(&self) {
        self.end_held(1);
    }

    /// The same. `holders` are known to hold the context and to wait for nothing.
    pub(crate) fn end_held(&self, holders: usize) {
        let first = !self.inner.over.swap(true, Ordering::AcqRel);
        // Where nobody else holds the context, nobody can be waiting for anything.
        let used = holders > 1 && self.used_cell().is_some();
        if first && (used || Arc::strong_count(&self.inner) > holders) {
            self.cell().end();
        }
    }

    /// Sends what the handler has said since the last time; `over`: it is the last time.
    pub(crate) fn drain(&self, sink: &mut dyn CallSink, over: bool) {
        if let Some(cell) = self.used_cell() {
            let wakers = cell.lock().drain(sink, over);
            wakers.into_iter().for_each(task::Waker::wake);
        }
    }

    /// Hands one of the call's requests its answer. The call is to be polled afterwards.
    pub(crate) fn answered(&self, request: RequestId, answer: Result<Bytes, AskError>) {
        let Some(cell) = self.used_cell() else {
            return;
        };
        let waker = cell.lock().asks.answered(request, answer);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The call waits: it must not pin the read buffer that its request came in.
    pub(crate) fn detach(&self) {
        let mut inbound = self
            .inner
            .inbound
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut inbound).detach();
    }

    pub(crate) fn inbound(&self) -> Arc<Inbound> {
        let inbound = self
            .inner
            .inbound
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&inbound)
    }

    pub(crate) fn may_suspend(&self) -> bool {
        let inbound = self
            .inner
            .inbound
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        may_suspend(inbound.envelope.method)
    }

    pub(crate) fn method_name(&self) -> String {
        let inbound = self
            .inner
            .inbound
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inbound.method_name().into_owned()
    }

    /// Runs a piece of the call inside of its span.
    #[cfg(feature = "tracing")]
    pub(crate) fn in_span<T>(&self, work: impl FnOnce() -> T) -> T {
        let span = self.inner.span.get_or_init(|| {
            let inbound = self.inbound();
            let trace = inbound
                .string(inbound.envelope.meta_traceparent)
                .map(Cow::into_owned);
            tracing::info_span!(
                "mcp.call",
                method = %inbound.method_name(),
                subject = %self.subject(),
                revision = self.revision().as_str(),
                traceparent = trace,
            )
        });
        span.in_scope(work)
    }

    /// Spans need the feature `tracing`.
    #[cfg(not(feature = "tracing"))]
    #[expect(
        clippy::unused_self,
        reason = "the same signature with and without the feature"
    )]
    pub(crate) fn in_span<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// The request's name for logs: tool, prompt or URI, or the method.
    #[cfg(feature = "tracing")]
    pub(crate) fn subject(&self) -> String {
        let inbound = self
            .inner
            .inbound
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let envelope = &inbound.envelope;
        let named = [envelope.name, envelope.uri]
            .into_iter()
            .find(|span| span.is_some());
        let name = named.and_then(|span| inbound.string(span).map(Cow::into_owned));
        name.unwrap_or_else(|| inbound.method_name().into_owned())
    }

    pub(crate) fn is_inside_once(&self) -> bool {
        let inside = self
            .inner
            .inside_once
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        inside.is_some_and(|thread| thread == std::thread::current().id())
    }

    pub(crate) fn set_inside_once(&self, inside: Option<ThreadId>) -> Option<ThreadId> {
        let mut slot = self
            .inner
            .inside_once
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        core::mem::replace(&mut slot, inside)
    }

    /// Of a modern call that came without state. Must be called before anything is in the cell's script.
    pub(crate) fn new_script(&self) -> Script {
        Script::first(self.chain(), "", self.inner.sealer.bounds)
    }

    /// What names this call, or the chain of calls that it belongs to.
    pub(crate) fn current_chain(&self) -> [u8; 16] {
        let replayed = self
            .used_cell()
            .and_then(|cell| cell.lock().script.as_ref().map(Script::chain));
        replayed.unwrap_or_else(|| self.chain())
    }

    /// What names this call in idempotency keys, unless its journal says so.
    pub(crate) fn chain(&self) -> [u8; 16] {
        *self.inner.chain.get_or_init(|| self.inner.sealer.chain())
    }
}

impl Inner {
    fn cell(&self) -> &Cell {
        self.cell.get_or_init(Box::default)
    }

    /// False if the call is over.
    pub(crate) fn send(&self, output: Output) -> bool {
        if self.over.load(Ordering::Acquire) {
            return false;
        }
        self.cell().send(|state| {
            if !state.ended {
                state.queue.push_back(output);
            }
            !state.ended
        })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("revision", &self.revision())
            .field("client_features", &self.client_features())
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Waits for the end of the call.
struct Over<'a> {
    context: &'a Context,
    place: Option<usize>,
}

impl Future for Over<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        if self.context.is_cancelled() {
            return Poll::Ready(());
        }
        let mut place = self.place;
        let context = self.context;
        let old = context.cell().lock().watch(&mut place, cx.waker());
        drop(old);
        self.place = place;
        // It may have ended between the look and the watch.
        if self.context.is_cancelled() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.context.cell().lock().unwatch(place);
            drop(waker);
        }
    }
}
