//! The requests to both servers in one order, as [`Moments`](crate::support::moments::Moments) has those of rotations: one of
//! them can be chosen by its number, and every Secret is looked at after each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::judge;
use super::value::{Secret, Wanted};
use super::world::{PULLS, Stored, stored};
use crate::support::aws::Cloud;
use crate::support::kube::Cluster;
use crate::support::moments::{Plan, Side};
use crate::support::program::{NAMESPACE, World};
use crate::support::script::Fault;
use crate::support::server::Server;

/// A request by its operation, and how many of that have been before it. Its number alone would be another one's where a
/// request is repeated because the machine is slow.
pub(super) type Moment = (&'static str, usize);

pub(super) struct Watch {
    cloud: Arc<Cloud>,
    cluster: Arc<Cluster>,
    /// All Secrets as they were at first.
    first: Stored,
    /// Whether `rotate` is at work too: then the Secrets with the keys change.
    rotates: bool,
    state: Mutex<State>,
    /// Held while a request takes its effect and the world is looked at, and while somebody else writes.
    turn: Mutex<()>,
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    plan: Option<(Moment, Plan)>,
    met: bool,
    broken: Vec<String>,
}

impl Watch {
    /// Watches the requests of `world` from now on.
    pub(super) fn of(world: &World, rotates: bool) -> Arc<Watch> {
        let watch = Arc::new(Watch {
            cloud: Arc::clone(&world.cloud),
            cluster: Arc::clone(&world.cluster),
            first: stored(&world.cluster),
            rotates,
            state: Mutex::default(),
            turn: Mutex::default(),
        });
        watch.attach(&world.aws, Side::Aws);
        watch.attach(&world.kube, Side::Kube);
        watch
    }

    fn attach(self: &Arc<Self>, server: &Server, side: Side) {
        let watch = Arc::clone(self);
        let choose = move |operation: &str, _: &_| watch.arrives(side, operation);
        server.script().choose(Arc::new(choose));
        let watch = Arc::clone(self);
        server.watch(Arc::new(move |operation, effect| {
            let _turn = watch.turn();
            if side == Side::Aws || operation.starts_with("GET ") {
                return effect();
            }
            let before = stored(&watch.cluster);
            let reply = effect();
            watch.look(operation, &before, &stored(&watch.cluster));
            reply
        }));
    }

    /// From now on, at that moment this is done.
    pub(super) fn plan(&self, moment: Moment, plan: Plan) {
        let mut state = self.state();
        state.seen.clear();
        state.met = false;
        state.plan = Some((moment, plan));
    }

    /// Somebody else writes.
    pub(super) fn write(&self, write: impl FnOnce(&Cluster)) {
        let _turn = self.turn();
        write(&self.cluster);
    }

    /// Whether the run came so far.
    pub(super) fn met(&self) -> bool {
        self.state().met
    }

    /// The requests since the last plan.
    pub(super) fn seen(&self) -> Vec<String> {
        self.state().seen.clone()
    }

    /// The first thing that a request made worse.
    pub(super) fn broken(&self) -> Option<String> {
        self.state().broken.first().cloned()
    }

    /// What is not as it is to be after a good run: every Secret that is to be refreshed, and is not the one that `besides`
    /// names, has all its logins, no older than `since`, and the annotation says when the first of them ends. All others are as
    /// at first.
    pub(super) fn amiss(&self, since: usize, besides: Option<&str>) -> Option<String> {
        let now = stored(&self.cluster);
        for name in PULLS.into_iter().filter(|name| besides != Some(name)) {
            let Some(secret) = now.get(&format!("{NAMESPACE}/{name}")) else {
                return Some(format!("{name} is gone"));
            };
            let secret = Secret(secret);
            let Some(wanted) = Wanted::of(&secret) else {
                return Some(format!("{name} is not to be refreshed any more"));
            };
            let logins = match wanted.logins(&self.cloud, &secret) {
                Ok(logins) => logins,
                Err(what) => return Some(format!("{name}: {what}")),
            };
            if logins.iter().any(|login| login.number < since) {
                return Some(format!("{name}: a login was not replaced"));
            }
            if secret.ends() != logins.iter().map(|login| login.ends).min() {
                return Some(format!("{name}: the annotation does not say when the first login ends"));
            }
        }
        let theirs = |(key, _): &(&String, &Value)| !(is_pull(key) || self.rotates && holds_a_key(key));
        let mut first = self.first.iter().filter(theirs);
        let touched = first.find(|(key, secret)| now.get(*key) != Some(*secret));
        touched.map(|(key, _)| format!("{key} was touched"))
    }

    fn arrives(&self, side: Side, operation: &str) -> Option<Fault> {
        let mut state = self.state();
        let before = state.seen.iter().filter(|seen| *seen == operation).count();
        state.seen.push(operation.to_owned());
        let planned = state.plan.as_ref().filter(|(moment, _)| *moment == (operation, before));
        let fault = planned.map(|(_, plan)| plan(side))?;
        state.met = true;
        Some(fault)
    }

    fn look(&self, operation: &str, before: &Stored, after: &Stored) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let keys = keys.into_iter().filter(|key| !(self.rotates && holds_a_key(key)));
        let worse = |key: &String| {
            let what = judge::worse(&self.cloud, before.get(key), after.get(key))?;
            Some(format!("{key}: {what} (by {operation})"))
        };
        let worse: Vec<String> = keys.filter_map(worse).collect();
        self.state().broken.extend(worse);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_pull(key: &str) -> bool {
    key.strip_prefix(NAMESPACE)
        .and_then(|name| name.strip_prefix('/'))
        .is_some_and(|name| PULLS.contains(&name))
}

fn holds_a_key(key: &str) -> bool {
    matches!(key.strip_prefix(NAMESPACE), Some("/s" | "/s2"))
}
