//! The requests to both servers in one order, as [`Moments`](crate::support::moments::Moments) has those of rotations: one of
//! them can be chosen by its number, and every Secret is looked at after each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::judge;
use super::world::{PULLS, Stored, stored};
use crate::support::aws::Cloud;
use crate::support::kube::Cluster;
use crate::support::moments::{Plan, Side};
use crate::support::program::{NAMESPACE, World};
use crate::support::script::Fault;
use crate::support::server::Server;

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
    plan: Option<(usize, Plan)>,
    met: Option<String>,
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
            let before = stored(&watch.cluster);
            let reply = effect();
            watch.look(operation, &before, &stored(&watch.cluster));
            reply
        }));
    }

    /// At the request of that number, from 0 and from now on, this is done.
    pub(super) fn plan(&self, number: usize, plan: Plan) {
        let mut state = self.state();
        state.seen.clear();
        state.met = None;
        state.plan = Some((number, plan));
    }

    /// Somebody else writes.
    pub(super) fn write(&self, write: impl FnOnce(&Cluster)) {
        let _turn = self.turn();
        write(&self.cluster);
    }

    /// The request that was planned for, if the run came so far.
    pub(super) fn met(&self) -> Option<String> {
        self.state().met.clone()
    }

    /// The requests since the last plan.
    pub(super) fn seen(&self) -> Vec<String> {
        self.state().seen.clone()
    }

    /// The first thing that a request made worse.
    pub(super) fn broken(&self) -> Option<String> {
        self.state().broken.first().cloned()
    }

    /// What is not as it is to be after a good run: every Secret that is to be refreshed, and that `besides` does not name, has
    /// all its logins, no older than `since`, and the annotation says when the first of them ends. All others are as at first.
    pub(super) fn amiss(&self, since: usize, besides: Option<&str>) -> Option<String> {
        let now = stored(&self.cluster);
        let pulls = PULLS.iter().filter(|pull| besides != Some(pull.name));
        for pull in pulls {
            let key = format!("{NAMESPACE}/{}", pull.name);
            let Some(secret) = now.get(&key) else {
                return Some(format!("{key} is gone"));
            };
            let logins = match judge::logins(&self.cloud, pull, secret) {
                Ok(logins) => logins,
                Err(what) => return Some(format!("{key}: {what}")),
            };
            if logins.iter().any(|login| login.number < since) {
                return Some(format!("{key}: a login was not replaced"));
            }
            if judge::ends(secret) != logins.iter().map(|login| login.ends).min() {
                return Some(format!("{key}: the annotation does not say when the login ends"));
            }
        }
        let theirs = |(key, _): &(&String, &Value)| judge::pull(key).is_none() && !(self.rotates && holds_a_key(key));
        let mut first = self.first.iter().filter(theirs);
        let touched = first.find(|(key, secret)| now.get(*key) != Some(*secret));
        touched.map(|(key, _)| format!("{key} was touched"))
    }

    fn arrives(&self, side: Side, operation: &str) -> Option<Fault> {
        let mut state = self.state();
        let number = state.seen.len();
        state.seen.push(operation.to_owned());
        let fault = state
            .plan
            .as_ref()
            .filter(|(at, _)| *at == number)
            .map(|(_, plan)| plan(side))?;
        state.met = Some(operation.to_owned());
        Some(fault)
    }

    fn look(&self, operation: &str, before: &Stored, after: &Stored) {
        let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let keys = keys.into_iter().filter(|key| !(self.rotates && holds_a_key(key)));
        let worse = keys.filter_map(|key| judge::worse(&self.cloud, key, before.get(key), after.get(key)));
        let worse: Vec<String> = worse.map(|what| format!("{what} (by {operation})")).collect();
        self.state().broken.extend(worse);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn holds_a_key(key: &str) -> bool {
    matches!(key.strip_prefix(NAMESPACE), Some("/s" | "/s2"))
}
