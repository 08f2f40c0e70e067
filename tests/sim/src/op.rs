//! What happens, one operation a line.
//!
//! Owns the operations, their text and their random generation. An operation means something in every
//! state: its numbers choose among what is there, and where nothing is there, nothing happens. So any part
//! of a list is a list, which is what makes traces shrink.

use std::fmt;

use crate::rng::Rng;

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident = $name:literal, $weight:literal;)+) => {
        /// What happens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Verb {
            $($(#[$doc])* $verb,)+
        }

        impl Verb {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$verb),+];
            const WEIGHTS: &'static [u32] = &[$($weight),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$verb => $name,)+
                }
            }

            /// The verb of that name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$verb),)+
                    _ => None,
                }
            }
        }
    };
}

verbs! {
    /// A lane opens, or closes and opens again; `a` is the seed of its configuration.
    Open = "open", 1;
    /// The client sends a request.
    Request = "request", 50;
    /// The client gives one up.
    Cancel = "cancel", 8;
    /// The client sends a notification.
    Notify = "notify", 2;
    /// The client answers a question.
    Reply = "reply", 16;
    /// The client changes its revision.
    Speak = "speak", 1;
    /// The server answers a call.
    Answer = "answer", 50;
    /// The server reports progress.
    Progress = "progress", 14;
    /// The server logs.
    Log = "log", 5;
    /// The server asks.
    Ask = "ask", 8;
    /// The server gives a question up.
    Withdraw = "withdraw", 2;
    /// Something changes in the server.
    Changed = "changed", 12;
    /// The server uses an old handle.
    Stale = "stale", 3;
    /// The server goes down gracefully.
    Drain = "drain", 1;
    /// A server dies, and another one takes its place with the same keys.
    Restart = "restart", 2;
    /// Bytes leave the client's outbox.
    PumpUp = "pump-up", 8;
    /// Bytes leave the server's outbox.
    PumpDown = "pump-down", 8;
    /// Bytes arrive at the server.
    RecvUp = "recv-up", 8;
    /// Bytes arrive at the client.
    RecvDown = "recv-down", 8;
    /// All of it from client to server.
    FlowUp = "flow-up", 90;
    /// All of it from server to client.
    FlowDown = "flow-down", 90;
    /// The server's driver runs.
    RunServer = "run-server", 4;
    /// The client's driver runs.
    RunClient = "run-client", 4;
    /// A driver asks without a reason.
    Probe = "probe", 4;
    /// Time passes, and drivers wake up when they asked to.
    Tick = "tick", 20;
    /// Time passes while everybody sleeps.
    Jump = "jump", 2;
    /// The wall clock jumps.
    Wall = "wall", 1;
    /// The client lies.
    LieUp = "lie-up", 14;
    /// The server lies.
    LieDown = "lie-down", 14;
    /// A byte changes on its way.
    Corrupt = "corrupt", 5;
    /// A direction stands still, or moves again.
    Stall = "stall", 6;
    /// A direction ends after what is in it.
    Finish = "finish", 1;
    /// A direction ends at once.
    Cut = "cut", 1;
    /// Everything that can move does.
    Settle = "settle", 10;
}

impl Verb {
    /// Whether only a hostile lane has it.
    #[must_use]
    pub const fn is_hostile(self) -> bool {
        matches!(self, Self::LieUp | Self::LieDown | Self::Corrupt)
    }

    /// Whether little happens without it.
    const fn is_vital(self) -> bool {
        matches!(
            self,
            Self::Open | Self::Request | Self::Answer | Self::FlowUp | Self::FlowDown | Self::Tick
        )
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Where.
    pub lane: u8,
    /// What.
    pub verb: Verb,
    /// How.
    pub a: u32,
    /// And how.
    pub b: u32,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.lane,
            self.verb.name(),
            self.a,
            self.b
        )
    }
}

impl Op {
    /// Reads what [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let op = Self {
            lane: words.next()?.parse().ok()?,
            verb: Verb::parse(words.next()?)?,
            a: words.next()?.parse().ok()?,
            b: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(op)
    }
}

/// The operations of a seed, one after the other.
#[derive(Debug)]
pub struct Plan {
    rng: Rng,
    lanes: u8,
    weights: Vec<u32>,
    total: u32,
    /// Lanes that still have to be opened.
    unopened: u8,
    hostile: Vec<bool>,
}

impl Plan {
    /// The plan of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let lanes = 1 + rng.below(6) as u8;
        // Each seed has its own taste: some verbs often, some hardly ever.
        let weights: Vec<u32> = Verb::ALL
            .iter()
            .zip(Verb::WEIGHTS)
            .map(|(verb, weight)| match rng.below(8) {
                0 if verb.is_vital() => weight.div_ceil(4),
                0 => 0,
                1 => weight * 4,
                2 | 3 => weight.div_ceil(2),
                _ => *weight,
            })
            .collect();
        let total = weights.iter().sum::<u32>().max(1);
        Self {
            rng,
            lanes,
            weights,
            total,
            unopened: lanes,
            hostile: vec![false; lanes.into()],
        }
    }

    /// The same with lanes of one kind alone.
    pub fn of_kind(self, kind: u32) -> impl Iterator<Item = Op> {
        self.map(move |op| match op.verb {
            Verb::Open => Op { b: kind, ..op },
            _ => op,
        })
    }

    fn verb(&mut self) -> Verb {
        let mut at = self.rng.below(self.total);
        for (verb, weight) in Verb::ALL.iter().zip(&self.weights) {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return *verb,
            }
        }
        Verb::Settle
    }

    fn open(&mut self, lane: u8) -> Op {
        let op = Op {
            lane,
            verb: Verb::Open,
            a: self.rng.next_u32(),
            b: self.rng.below(3),
        };
        self.hostile[usize::from(lane)] = is_hostile(op.a);
        op
    }
}

/// Whether the lane of that configuration has lies in it.
#[must_use]
pub const fn is_hostile(configuration: u32) -> bool {
    configuration.is_multiple_of(3)
}

impl Iterator for Plan {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        if self.unopened > 0 {
            self.unopened -= 1;
            let lane = self.unopened;
            return Some(self.open(lane));
        }
        let lane = self.rng.below(self.lanes.into()) as u8;
        loop {
            let verb = self.verb();
            if verb == Verb::Open {
                return Some(self.open(lane));
            }
            if verb.is_hostile() && !self.hostile[usize::from(lane)] {
                if self.rng.one_in(20) {
                    return Some(Op {
                        lane,
                        verb: Verb::Settle,
                        a: 0,
                        b: 0,
                    });
                }
                continue;
            }
            let (a, b) = (self.rng.next_u32(), self.rng.next_u32());
            return Some(Op { lane, verb, a, b });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_text_and_back() {
        for op in Plan::new(7).take(1000) {
            assert_eq!(Op::parse(&op.to_string()), Some(op));
        }
        assert_eq!(Op::parse("1 open 2"), None);
        assert_eq!(Op::parse("1 shout 2 3"), None);
    }

    #[test]
    fn a_plan_is_a_function_of_its_seed() {
        assert!(Plan::new(3).take(500).eq(Plan::new(3).take(500)));
        assert!(!Plan::new(3).take(500).eq(Plan::new(4).take(500)));
    }
}
