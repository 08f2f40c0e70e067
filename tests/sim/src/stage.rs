//! Handlers that do what their arguments say, and the hand that holds them back.
//!
//! Owns gates by number, a count of handlers that are alive, and a runtime that runs what it is given when
//! it is woken and told to, and sleeps in virtual time. A plan is a text of one letter a step:
//!
//! ```text
//! p progress   l log   w wait for the gate   e ask   2 ask two things at once   c change the tools
//! u a resource changes   x panic   f fail   b a big result   k close the stream
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Wake, Waker};
use std::time::Duration;

use mcp_proto::time::Instant;
use mcp_server::types::{ElicitRequestFormParams, Json, RequestedSchema};
use mcp_server::{Blocking, BoxFuture, Context, Elicited, HandlerError, Runtime, Server, Tool};
use serde_json::{Value, json};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    gates: BTreeMap<u64, Gate>,
    alive: usize,
    /// How many of those have which number.
    running: BTreeMap<u64, usize>,
    started: u64,
    /// The most that were alive at once.
    peak: usize,
    /// Numbers whose handler has come to its end at least once.
    finished: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Gate {
    permits: u32,
    wakers: Vec<Waker>,
}

/// A handler that is alive, and its number.
struct Alive(Stage, u64);

impl Drop for Alive {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.alive -= 1;
        if let Some(count) = state.running.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                state.running.remove(&self.1);
            }
        }
    }
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handlers that have begun and not ended, however.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.lock().alive
    }

    /// How many of those have that number.
    #[must_use]
    pub fn running(&self, n: u64) -> usize {
        self.lock().running.get(&n).copied().unwrap_or_default()
    }

    /// Handlers that have begun.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.lock().started
    }

    /// The most handlers that were alive at once so far.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.lock().peak
    }

    /// Whether a handler of that number has come to its end.
    #[must_use]
    pub fn has_finished(&self, n: u64) -> bool {
        self.lock().finished.contains(&n)
    }

    /// Numbers that somebody waits for.
    #[must_use]
    pub fn waiting(&self) -> Vec<u64> {
        let state = self.lock();
        let waiting = state
            .gates
            .iter()
            .filter(|(_, gate)| !gate.wakers.is_empty());
        waiting.map(|(n, _)| *n).collect()
    }

    /// Lets one handler of that number pass.
    pub fn open(&self, n: u64) {
        let mut state = self.lock();
        let gate = state.gates.entry(n).or_default();
        gate.permits += 1;
        let wakers = core::mem::take(&mut gate.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn pass(&self, n: u64) {
        poll_fn(|cx| {
            let mut state = self.lock();
            let gate = state.gates.entry(n).or_default();
            if gate.permits > 0 {
                gate.permits -= 1;
                if gate.permits == 0 && gate.wakers.is_empty() {
                    state.gates.remove(&n);
                }
                return Poll::Ready(());
            }
            if !gate.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                gate.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn enter(&self, n: u64) -> Alive {
        let mut state = self.lock();
        state.alive += 1;
        *state.running.entry(n).or_default() += 1;
        state.started += 1;
        state.peak = state.peak.max(state.alive);
        drop(state);
        Alive(self.clone(), n)
    }

    /// The server with the tools `act` and `other`, which do the same.
    pub fn server(&self) -> Server {
        let tool = |name: &str| {
            let stage = self.clone();
            Tool::builder(name)
                .input_schema(json!({"type":"object"}))
                .call_async(move |arguments: Value, context: Context| {
                    let stage = stage.clone();
                    async move { stage.perform(&arguments, &context).await }
                })
        };
        Server::new("sim", "1.0.0")
            .tool(tool("act"))
            .tool(tool("other"))
    }

    async fn perform(&self, arguments: &Value, context: &Context) -> Result<String, HandlerError> {
        let n = arguments["n"].as_u64().unwrap_or_default();
        let alive = self.enter(n);
        let plan = arguments["plan"].as_str().unwrap_or_default();
        let mut said = format!("{n}:");
        let mut progress = 0.0;
        for (at, step) in plan.chars().enumerate() {
            let key = format!("q{at}");
            match step {
                'p' => {
                    progress += 1.0;
                    context.progress(progress, Some(100.0), Some("so far"));
                }
                'l' => context.info(json!({"n":n,"line":"a\nb"})),
                'w' => self.pass(n).await,
                'e' => said.push_str(&ask(context, n, &key).await?),
                '2' => {
                    let second = format!("{key}b");
                    let (a, b) = both(ask(context, n, &key), ask(context, n, &second)).await;
                    said.push_str(&a?);
                    said.push_str(&b?);
                }
                'c' => change_tools(context),
                'u' => context.service().notify_resource_updated("a://1"),
                // Like a panic, but it does not print.
                'x' => std::panic::resume_unwind(Box::new("the handler panicked")),
                'f' => return Err(HandlerError::new(format!("{n}: the handler failed"))),
                'b' => said.push_str(&"b".repeat(3000)),
                'k' => context.close_stream(Some(Duration::from_millis(20))),
                _ => {}
            }
        }
        self.lock().finished.insert(n);
        drop(alive);
        Ok(said)
    }
}

/// Whether what a handler said was said for `n` alone.
#[must_use]
pub fn is_said_for(text: &str, n: u64) -> bool {
    let Some(rest) = text.strip_prefix(&format!("{n}:")) else {
        return false;
    };
    let own = format!("{n}/");
    rest.trim_end_matches('b').split(',').all(|part| {
        part.is_empty() || part == "-" || part.trim_start_matches('b').starts_with(&own)
    })
}

fn change_tools(context: &Context) {
    let tools = context.service().tools();
    if !tools.remove("extra") {
        let extra = Tool::builder("extra")
            .input_schema(json!({"type":"object"}))
            .call(|_: Value, _: Context| Ok::<_, HandlerError>("extra".to_owned()));
        // Taken by another handler in between at worst.
        let _ = tools.add(extra);
    }
}

/// What the client says to the question, which it is asked to repeat.
async fn ask(context: &Context, n: u64, key: &str) -> Result<String, HandlerError> {
    let form =
        r#"{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"]}"#;
    let form = Json::parse(form)?.decode::<RequestedSchema>()?;
    let question = ElicitRequestFormParams::new(format!("{n}/{key}"), form);
    Ok(match context.elicit_schema(key, question).await? {
        Elicited::Accepted(content) => {
            let answer = content
                .get("answer")
                .and_then(|json| json.decode::<String>().ok());
            format!("{},", answer.unwrap_or_default())
        }
        _ => "-,".into(),
    })
}

/// Both at once.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut x, mut y) = (None, None);
    poll_fn(|cx| {
        if x.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            x = Some(value);
        }
        if y.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            y = Some(value);
        }
        match (x.take(), y.take()) {
            (Some(x), Some(y)) => Poll::Ready((x, y)),
            (rest, other) => {
                (x, y) = (rest, other);
                Poll::Pending
            }
        }
    })
    .await
}

/// A waker that remembers that it was woken.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// Whether it was woken since the last time.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }

    /// Whether it was woken.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs what it is given when it was woken, and only when told to.
#[derive(Clone, Default)]
pub struct Tasks {
    /// Whose tasks are spawned through this handle.
    owner: usize,
    tasks: Arc<Mutex<VecDeque<Task>>>,
    clock: Arc<Mutex<Clock>>,
}

struct Task {
    owner: usize,
    future: BoxFuture<()>,
    flag: Arc<Flag>,
}

#[derive(Default)]
struct Clock {
    now: u64,
    next: u64,
    sleepers: BTreeMap<(u64, u64), Waker>,
}

/// A timer; dropping it takes it back.
struct Sleep {
    tasks: Tasks,
    at: u64,
    place: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut clock = this.tasks.clock();
        if let Some(place) = this.place.take() {
            clock.sleepers.remove(&place);
        }
        if clock.now >= this.at {
            return Poll::Ready(());
        }
        clock.next += 1;
        let place = (this.at, clock.next);
        clock.sleepers.insert(place, cx.waker().clone());
        this.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut clock = self.tasks.clock();
        let old = self.place.and_then(|place| clock.sleepers.remove(&place));
        drop(clock);
        // It may own a task that sleeps, too.
        drop(old);
    }
}

impl Tasks {
    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle that spawns for another process.
    #[must_use]
    pub fn of(&self, owner: usize) -> Self {
        Self {
            owner,
            ..self.clone()
        }
    }

    /// A process dies, and all that it has spawned with it.
    pub fn kill(&self, owner: usize) {
        loop {
            let mut tasks = self.lock();
            let (dead, others) = core::mem::take(&mut *tasks)
                .into_iter()
                .partition::<VecDeque<_>, _>(|task| task.owner == owner);
            *tasks = others;
            drop(tasks);
            if dead.is_empty() {
                return;
            }
            // Dropping one may spawn another.
            drop(dead);
        }
    }

    /// When the first timer fires.
    #[must_use]
    pub fn wakeup(&self) -> Option<u64> {
        self.clock().sleepers.keys().next().map(|(at, _)| *at)
    }

    /// It is `now`: wakes whose time has come.
    pub fn pass(&self, now: u64) {
        let mut clock = self.clock();
        clock.now = clock.now.max(now);
        let later = clock.sleepers.split_off(&(now.saturating_add(1), 0));
        let due = core::mem::replace(&mut clock.sleepers, later);
        drop(clock);
        due.into_values().for_each(Waker::wake);
    }

    /// How many have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether all have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Polls those that were woken, once each.
    pub fn run(&self) {
        for _ in 0..self.len() {
            let next = self.lock().pop_front();
            let Some(mut next) = next else {
                return;
            };
            if next.flag.take() {
                let waker = Waker::from(Arc::clone(&next.flag));
                let mut cx = task::Context::from_waker(&waker);
                if next.future.as_mut().poll(&mut cx).is_ready() {
                    continue;
                }
            }
            self.lock().push_back(next);
        }
    }

    /// Whether one of them was woken.
    #[must_use]
    pub fn any_woken(&self) -> bool {
        self.lock().iter().any(|task| task.flag.is_set())
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("len", &self.len()).finish()
    }
}

impl Runtime for Tasks {
    fn spawn(&self, future: BoxFuture<()>) {
        let flag = Arc::new(Flag::default());
        flag.wake_by_ref();
        let owner = self.owner;
        self.lock().push_back(Task {
            owner,
            future,
            flag,
        });
    }

    fn spawn_blocking(&self, work: Blocking) {
        work.run();
    }

    fn clock(&self) -> Option<Instant> {
        Some(Instant::from_micros(Self::clock(self).now))
    }

    fn sleep_until(&self, at: Instant) -> Option<BoxFuture<()>> {
        Some(Box::pin(Sleep {
            tasks: self.clone(),
            at: at.as_micros(),
            place: None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::is_said_for;

    #[test]
    fn words_are_known_by_their_number() {
        assert!(is_said_for("7:", 7));
        assert!(is_said_for("7:7/q0,-,bbb", 7));
        assert!(!is_said_for("7:8/q0,", 7));
        assert!(!is_said_for("8:", 7));
    }
}
