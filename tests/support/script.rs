//! What goes wrong, and when: the faults that a test puts between a request and its answer.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::server::{Reply, Request};

/// Something done to one request.
#[derive(Clone)]
pub enum Fault {
    /// The connection is closed; the request had no effect.
    DropBefore,
    /// The request takes effect; the connection is closed without an answer.
    DropAfter,
    /// The request takes effect; half of the answer is sent, then the connection is closed.
    CutAnswer,
    /// Nothing happens until the server stops; the request had no effect.
    HangBefore,
    /// The request takes effect; no answer comes until the server stops.
    HangAfter,
    /// The request waits that long, then goes its ordinary way.
    Delay(Duration),
    /// This answer; the request had no effect.
    ReplyInstead(Reply),
    /// The request takes effect, but this is answered.
    ReplyAfter(Reply),
    /// Something is done and the connection closed; the request had no effect.
    CallInstead(Arc<dyn Fn() + Send + Sync>),
    /// Something is done before the request takes effect, an edit by somebody else for one.
    CallBefore(Arc<dyn Fn() + Send + Sync>),
    /// Something is done between the effect and the answer.
    CallAfter(Arc<dyn Fn() + Send + Sync>),
}

impl Fault {
    /// What leaves open whether a request took effect, each before it does and after; the API server's `error` is one of them.
    pub fn lost_answers(error: fn() -> Reply) -> [Fault; 5] {
        [
            Fault::DropBefore,
            Fault::DropAfter,
            Fault::CutAnswer,
            Fault::ReplyInstead(error()),
            Fault::ReplyAfter(error()),
        ]
    }

    /// Whether the request takes effect.
    pub fn lets_pass(&self) -> bool {
        match self {
            Fault::DropBefore | Fault::HangBefore | Fault::ReplyInstead(_) | Fault::CallInstead(_) => false,
            Fault::DropAfter
            | Fault::CutAnswer
            | Fault::HangAfter
            | Fault::Delay(_)
            | Fault::ReplyAfter(_)
            | Fault::CallBefore(_)
            | Fault::CallAfter(_) => true,
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::DropBefore => "DropBefore",
            Fault::DropAfter => "DropAfter",
            Fault::CutAnswer => "CutAnswer",
            Fault::HangBefore => "HangBefore",
            Fault::HangAfter => "HangAfter",
            Fault::Delay(_) => "Delay",
            Fault::ReplyInstead(_) => "ReplyInstead",
            Fault::ReplyAfter(_) => "ReplyAfter",
            Fault::CallInstead(_) => "CallInstead",
            Fault::CallBefore(_) => "CallBefore",
            Fault::CallAfter(_) => "CallAfter",
        })
    }
}

#[derive(Debug)]
struct Rule {
    operation: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

/// Who is asked for the fault of a request that no rule speaks of.
pub type Chooser = dyn Fn(&str, &Request) -> Option<Fault> + Send + Sync;

/// A list of faults, each for a run of requests of one operation.
#[derive(Default)]
pub struct Script {
    rules: Mutex<Vec<Rule>>,
    chooser: Mutex<Option<Arc<Chooser>>>,
}

impl Script {
    /// The next request of this operation.
    pub fn once(&self, operation: &str, fault: Fault) {
        self.some(operation, 0, 1, fault);
    }

    /// Every request of this operation from now on.
    pub fn always(&self, operation: &str, fault: Fault) {
        self.some(operation, 0, usize::MAX, fault);
    }

    /// `times` requests of this operation, after letting `skip` of them pass. An operation that ends in `*` means all
    /// that begin so.
    pub fn some(&self, operation: &str, skip: usize, times: usize, fault: Fault) {
        self.rules.lock().unwrap().push(Rule {
            operation: operation.to_owned(),
            skip,
            times,
            fault,
        });
    }

    /// From now on `chooser` is shown every request as it comes, and says what is done to it where no rule does.
    pub fn choose(&self, chooser: Arc<Chooser>) {
        *self.chooser.lock().unwrap() = Some(chooser);
    }

    /// All rules are forgotten.
    pub fn clear(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// The fault of the first rule that speaks of this request; every rule that does counts it.
    pub(super) fn fault_for(&self, operation: &str, request: &Request) -> Option<Fault> {
        let chooser = self.chooser.lock().unwrap().clone();
        let chosen = chooser.and_then(|chooser| chooser(operation, request));
        let mut found = None;
        for rule in self.rules.lock().unwrap().iter_mut() {
            let speaks_of_it = match rule.operation.strip_suffix('*') {
                Some(prefix) => operation.starts_with(prefix),
                None => operation == rule.operation,
            };
            if !speaks_of_it {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 && found.is_none() {
                rule.times = if rule.times == usize::MAX {
                    usize::MAX
                } else {
                    rule.times - 1
                };
                found = Some(rule.fault.clone());
            }
        }
        found.or(chosen)
    }
}

/// The end of a server, to be waited for.
#[derive(Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn now(&self) {
        *self.stopped.lock().unwrap() = true;
        self.changed.notify_all();
    }

    pub(super) fn wait(&self) {
        let mut stopped = self.stopped.lock().unwrap();
        while !*stopped {
            stopped = self.changed.wait(stopped).unwrap();
        }
    }
}
