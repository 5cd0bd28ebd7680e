//! The requests to both servers in one order: to step in at one of them by its number, and to look at the world after each.
//!
//! What is looked at are the promises that hold at every moment. They are looked at after every effect and before the next
//! one: both servers take turns.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::aws::{Change, Cloud, Status};
use super::kube::Cluster;
use super::program::World;
use super::script::Fault;
use super::server::{Request, Server};

const JOURNAL: &str = "aws-rotate-key/journal";

/// A moment of a run, named so that it is the same one in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The request of that number, from 0. Renewals, whose number depends on the time that others take, do not count.
    Request(usize),
    /// The renewal of that number, from 0.
    Renewal(usize),
}

/// Which server a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Aws,
    Kube,
}

/// What is done at one point; it depends on the server.
pub type Plan = Box<dyn Fn(Side) -> Fault + Send + Sync>;

/// All requests of a world, and what was found out about it.
pub struct Moments {
    cloud: Arc<Cloud>,
    cluster: Arc<Cluster>,
    /// The key that the Secrets held at first.
    first: String,
    state: Mutex<State>,
    /// Held while a request takes its effect and the world is looked at.
    turn: Mutex<()>,
    /// How many requests have taken effect.
    effects: Mutex<u64>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    renewals: usize,
    plan: Option<(Point, Plan)>,
    /// What the planned fault met.
    met: Option<String>,
    /// Creates that have arrived and not yet taken effect.
    creating: usize,
    /// Image-pull Secrets whose login was seen to work. From then on it has to.
    working: BTreeSet<String>,
    broken: Vec<String>,
}

impl Moments {
    /// Watches the requests of `world` from now on.
    pub fn of(world: &World) -> Arc<Moments> {
        let moments = Arc::new(Moments {
            cloud: Arc::clone(&world.cloud),
            cluster: Arc::clone(&world.cluster),
            first: world.key.id.clone(),
            state: Mutex::default(),
            turn: Mutex::default(),
            effects: Mutex::default(),
            changed: Condvar::new(),
        });
        moments.attach(&world.aws, Side::Aws);
        moments.attach(&world.kube, Side::Kube);
        moments
    }

    fn attach(self: &Arc<Self>, server: &Server, side: Side) {
        let moments = Arc::clone(self);
        server.script().choose(Arc::new(move |operation, request| {
            moments.arrives(side, operation, request)
        }));
        let moments = Arc::clone(self);
        server.watch(Arc::new(move |operation, effect| {
            let _turn = moments.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = effect();
            moments.took_effect(operation);
            reply
        }));
    }

    /// Counts from the start, and forgets the plan.
    pub fn restart(&self) {
        let mut state = self.state();
        *state = State {
            broken: std::mem::take(&mut state.broken),
            working: std::mem::take(&mut state.working),
            ..State::default()
        };
    }

    /// At that point, this is done.
    pub fn plan(&self, point: Point, plan: Plan) {
        self.state().plan = Some((point, plan));
    }

    /// The request that the planned fault met, if the run came so far.
    pub fn met(&self) -> Option<String> {
        self.state().met.clone()
    }

    /// The requests since the last [`Moments::restart`], without renewals.
    pub fn seen(&self) -> Vec<String> {
        self.state().seen.clone()
    }

    /// How many renewals there were since then.
    pub fn renewals(&self) -> usize {
        self.state().renewals
    }

    /// What was found that breaks a promise.
    pub fn broken(&self) -> Vec<String> {
        self.state().broken.clone()
    }

    /// How many requests have taken effect so far.
    pub fn effects(&self) -> u64 {
        *self.effects.lock().unwrap()
    }

    /// Waits until more than so many have.
    pub fn wait_for_effect(&self, count: u64) {
        let effects = self.effects.lock().unwrap();
        drop(self.changed.wait_while(effects, |effects| *effects <= count).unwrap());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrives(&self, side: Side, operation: &str, request: &Request) -> Option<Fault> {
        let name = match side {
            Side::Kube => self.named(operation, request),
            Side::Aws => operation.to_owned(),
        };
        let unpublished = self.unpublished();
        let mut state = self.state();
        let point = if name.starts_with("renew ") {
            state.renewals += 1;
            Point::Renewal(state.renewals - 1)
        } else {
            state.seen.push(name.clone());
            Point::Request(state.seen.len() - 1)
        };
        let planned = state.plan.as_ref().filter(|(at, _)| *at == point);
        let fault = planned.map(|(_, plan)| plan(side));
        if fault.is_some() {
            state.met = Some(name);
        }
        if operation == "CreateAccessKey" {
            if !unpublished.is_empty() {
                state
                    .broken
                    .push(format!("P7: a create while {unpublished:?} is in no Secret"));
            }
            if state.creating > 0 {
                state.broken.push("P7: a create while another one is under way".into());
            }
            if fault.as_ref().is_none_or(Fault::lets_pass) {
                state.creating += 1;
            }
        }
        fault
    }

    fn took_effect(&self, operation: &str) {
        let mut found = self.look();
        let unpublished = self.unpublished();
        if unpublished.len() > 1 {
            found.push(format!("P7: {unpublished:?} are in no Secret"));
        }
        let logins = self.logins();
        let mut state = self.state();
        for (name, key) in logins {
            let status = key.as_deref().and_then(|id| self.cloud.status_of(id));
            if status == Some(Status::Active) {
                state.working.insert(name);
            } else if state.working.contains(&name) {
                found.push(format!(
                    "the login in {name} worked, and now is made with {key:?}, which is {status:?}"
                ));
            }
        }
        if operation == "CreateAccessKey" {
            state.creating = state.creating.saturating_sub(1);
        }
        let after = state.seen.last().cloned().unwrap_or_default();
        state
            .broken
            .extend(found.into_iter().map(|what| format!("{what} (after {after})")));
        drop(state);
        *self.effects.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    /// What the write is for: `lock t/s`, `record`, `renew`, `publish`, `clear`, `release`, or `take over`.
    fn named(&self, operation: &str, request: &Request) -> String {
        let Some((_, path)) = operation.split_once("PUT /api/v1/namespaces/") else {
            return operation.to_owned();
        };
        let Some((namespace, name)) = path.split_once("/secrets/") else {
            return operation.to_owned();
        };
        let before = self.cluster.secret(namespace, name).unwrap_or_default();
        let after: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let journal = |secret: &Value| -> Value {
            let text = secret["metadata"]["annotations"][JOURNAL].as_str().unwrap_or("null");
            serde_json::from_str(text).unwrap_or_default()
        };
        let (old, new) = (journal(&before), journal(&after));
        let what = if before["data"] != after["data"] {
            "publish"
        } else if old.is_null() {
            "lock"
        } else if new.is_null() {
            "clear"
        } else if new["released"] == true {
            "release"
        } else if old["run"] != new["run"] {
            "take over"
        } else if old["made"] != new["made"] || history(&before) != history(&after) {
            "record"
        } else {
            "renew"
        };
        format!("{what} {namespace}/{name}")
    }

    /// Keys that requests have made, that still exist and that no Secret holds.
    fn unpublished(&self) -> Vec<String> {
        let held: Vec<String> = self.pairs().into_iter().map(|(_, id, _)| id).collect();
        let made = self
            .cloud
            .changes()
            .into_iter()
            .filter(|(_, change)| *change == Change::Created);
        made.map(|(id, _)| id)
            .filter(|id| self.cloud.status_of(id) == Some(Status::Active) && !held.contains(id))
            .collect()
    }

    /// Name, key id and secret of every Secret to rotate.
    fn pairs(&self) -> Vec<(String, String, String)> {
        let text = |secret: &Value, key: &str| {
            let value = STANDARD.decode(secret["data"][key].as_str().unwrap_or_default());
            String::from_utf8(value.unwrap_or_default()).unwrap_or_default()
        };
        let mut pairs = Vec::new();
        for key in self.cluster.names() {
            let (namespace, name) = key.split_once('/').expect("a namespace and a name");
            let Some(secret) = self.cluster.secret(namespace, name) else {
                continue;
            };
            if secret["metadata"]["labels"]["aws-rotate-key"] == "true" {
                let (id, value) = (text(&secret, "access_key_id"), text(&secret, "secret_access_key"));
                pairs.push((key, id, value));
            }
        }
        pairs
    }

    /// The name of every image-pull Secret and the key that its login was made with, if it holds one that AWS has issued.
    pub fn logins(&self) -> Vec<(String, Option<String>)> {
        let mut logins = Vec::new();
        for key in self.cluster.names() {
            let (namespace, name) = key.split_once('/').expect("a namespace and a name");
            let Some(secret) = self.cluster.secret(namespace, name) else {
                continue;
            };
            if secret["metadata"]["labels"]["aws-ecr-updater"] == "true" {
                let config = secret["data"][".dockerconfigjson"].as_str().unwrap_or_default();
                logins.push((key, self.maker(config)));
            }
        }
        logins
    }

    /// The key that the first login in a Docker configuration was made with.
    fn maker(&self, config: &str) -> Option<String> {
        let config: Value = serde_json::from_slice(&STANDARD.decode(config).ok()?).ok()?;
        let entries = config["auths"].as_object()?.values();
        let mut auths = entries.filter_map(|entry| STANDARD.decode(entry["auth"].as_str()?).ok());
        let password = String::from_utf8(auths.next()?).ok()?.split_off("AWS:".len());
        let issued = self.cloud.tokens_issued();
        issued
            .iter()
            .rfind(|token| token.password == password)
            .map(|token| token.key_id.clone())
    }

    /// What is wrong with the world now.
    fn look(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, id, secret) in self.pairs() {
            if self.cloud.secret_of(&id) != Some(secret) {
                found.push(format!("P1: {name} holds a pair that never was"));
            } else if self.cloud.status_of(&id) != Some(Status::Active) {
                found.push(format!(
                    "P1: {name} holds {id}, which is {:?}",
                    self.cloud.status_of(&id)
                ));
            }
        }
        let changes = self.cloud.changes();
        for (id, change) in &changes {
            let ours = *id == self.first || changes.contains(&(id.clone(), Change::Created));
            if !ours {
                found.push(format!("P2: a stranger's key {id} was {change:?}"));
            }
        }
        let most = self.cloud.max_keys_seen("ci");
        if most > 2 {
            found.push(format!("P4: {most} keys at one time"));
        }
        found
    }

    /// Whether all is as it is to be in the end: one key, active, in every Secret, and no journal. Else what is not.
    pub fn unsteady(&self) -> Option<String> {
        let keys = self.cloud.keys("ci");
        if keys.len() != 1 {
            return Some(format!("P5: the keys are {keys:?}"));
        }
        self.restless()
    }

    /// Whether all is as it may be when a run ends well: beside the key that all Secrets hold there may be a leftover,
    /// deactivated and to be deleted by the next run. Else what is not.
    pub fn restless(&self) -> Option<String> {
        let pairs = self.pairs();
        let mut keys = self.cloud.keys("ci");
        keys.retain(|key| key.status == Status::Active);
        if keys.len() != 1 {
            return Some(format!("P5: the active keys are {keys:?}"));
        }
        if let Some((name, id, _)) = pairs.iter().find(|(_, id, _)| *id != keys[0].id) {
            return Some(format!("P5: {name} holds {id}, the only active key is {}", keys[0].id));
        }
        for (key, _, _) in &pairs {
            let (namespace, name) = key.split_once('/').expect("a namespace and a name");
            if self.cluster.annotation(namespace, name, JOURNAL).is_some() {
                return Some(format!("P5: a journal is left on {key}"));
            }
        }
        self.look().into_iter().next()
    }
}

fn history(secret: &Value) -> &Value {
    &secret["metadata"]["annotations"]["aws-rotate-key/history"]
}
