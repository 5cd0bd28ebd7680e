//! The configurations that every `cargo test` looks at, and what is asserted of all of them together.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::explore::{Found, explore};
use super::sometimes::{ALL, Event};
use super::state::Budget;
use super::{BASE, Config};
use crate::cli::{ForeignKeys, Retire};
use crate::rotate::protocol::Policy;

/// A configuration, and how many states and transitions it has.
pub(super) struct Pinned {
    pub(super) config: Config,
    pub(super) states: usize,
    pub(super) transitions: usize,
}

/// A table of them, one a row: a name, what it is based on, what may happen and how often, the states, the transitions.
macro_rules! suite {
    ($($name:literal $base:ident { $($what:ident: $times:literal),* } $states:literal $transitions:literal;)*) => {
        [$(Pinned {
            config: Config {
                name: $name,
                budget: Budget { $($what: $times,)* ..$base.budget },
                ..$base
            },
            states: $states,
            transitions: $transitions,
        }),*]
    };
}
#[cfg(model_large)]
pub(super) use suite;

/// One Secret, two runs.
pub(super) const ONE: Config = Config {
    budget: Budget { runs: 2, ..BASE.budget },
    ..BASE
};
/// Nobody can prove that a run is gone.
pub(super) const UNPROVABLE: Config = Config { provable: false, ..ONE };
pub(super) const UNLIMITED: Config = Config { limit: false, ..ONE };
const STALE: Config = Config {
    truthful: true,
    ..UNLIMITED
};
pub(super) const DELETE: Config = with(
    UNLIMITED,
    Policy {
        foreign_keys: ForeignKeys::Delete,
        ..BASE.policy
    },
);
pub(super) const DELETE_INACTIVE: Config = with(
    UNLIMITED,
    Policy {
        foreign_keys: ForeignKeys::DeleteInactive,
        ..BASE.policy
    },
);
pub(super) const DEACTIVATE: Config = with(
    ONE,
    Policy {
        retire: Retire::Deactivate,
        ..BASE.policy
    },
);
pub(super) const SPREADS: Config = with(
    Config { spreads: true, ..ONE },
    Policy {
        probes: 2,
        ..BASE.policy
    },
);
pub(super) const GRACE: Config = Config { grace: true, ..ONE };
const MAX_AGE: Config = Config { max_age: true, ..ONE };
/// Another Secret of the user may turn up.
pub(super) const JOINED: Config = Config { most_secrets: 2, ..ONE };
/// The same, and it is the first in order.
const JOINED_BEFORE: Config = Config {
    copy_before: true,
    ..JOINED
};
/// Two Secrets, two runs.
pub(super) const TWO: Config = Config {
    secrets: 2,
    most_secrets: 2,
    ..ONE
};
pub(super) const DIFFERENT: Config = Config { different: true, ..TWO };
const TWO_STALE: Config = Config { truthful: true, ..TWO };
const TWO_GRACE: Config = Config { grace: true, ..TWO };
const TWO_MAX_AGE: Config = Config { max_age: true, ..TWO };
/// Three Secrets, two runs.
pub(super) const THREE: Config = Config {
    secrets: 3,
    most_secrets: 3,
    ..ONE
};

const fn with(config: Config, policy: Policy) -> Config {
    Config { policy, ..config }
}

const SMALL: [Pinned; 42] = suite! {
    "1 crash lose" ONE { crash: 1, lose: 1 } 18_224 79_031;
    "1 crash late" ONE { crash: 1, late: 1 } 25_868 113_274;
    "1 crash late unprovable" UNPROVABLE { crash: 1, late: 1 } 25_438 112_073;
    "1 expire late" ONE { expire: 1, late: 1 } 108_822 372_117;
    "1 lose late" ONE { lose: 1, late: 1 } 114_675 425_804;
    "1 stale" STALE { stale: 1, crash: 1, lose: 1 } 30_712 130_547;
    "1 foreign" UNLIMITED { foreign: 1, crash: 1, lose: 1 } 217_213 1_055_288;
    "1 foreign deleted" DELETE { foreign: 1, crash: 1 } 43_083 174_319;
    "1 foreign inactive deleted" DELETE_INACTIVE { foreign: 2, crash: 1 } 193_764 862_300;
    "1 put back" ONE { put_back: 1, crash: 1, lose: 1 } 39_714 176_957;
    // Found here: a run that lost one Secret before it had locked all of them went on with the keys as it had listed them before.
    "1 put back copy" JOINED { put_back: 1, copy: 1, expire: 1 } 315_740 1_167_685;
    "1 touch" ONE { touch: 1, crash: 1, lose: 1 } 76_294 368_850;
    "1 copy" JOINED { copy: 1, crash: 1 } 21_822 88_038;
    "1 copy before" JOINED_BEFORE { copy: 1, lose: 1 } 138_322 509_027;
    "1 refuse" ONE { refuse: 1, late: 1 } 48_916 170_765;
    "1 stop" ONE { stop: 1, late: 1 } 76_733 293_394;
    "1 wipe" ONE { wipe: 1, crash: 1 } 13_644 57_906;
    "1 remove" ONE { remove: 1, late: 1 } 54_265 194_883;
    "1 grace" GRACE { crash: 1, lose: 1 } 8_444 35_583;
    "1 max age" MAX_AGE { crash: 1, late: 1 } 24_396 106_213;
    "1 spreads" SPREADS { crash: 1 } 10_621 45_489;
    "1 deactivate" DEACTIVATE { crash: 1, late: 1 } 18_104 78_400;
    "2 crash lose" TWO { crash: 1, lose: 1 } 66_679 310_906;
    "2 crash late" TWO { crash: 1, late: 1 } 97_669 459_477;
    "2 different" DIFFERENT { crash: 1, lose: 1 } 27_953 119_540;
    "2 expire" TWO { expire: 1 } 33_535 120_707;
    "2 put back" TWO { put_back: 1, crash: 1 } 28_823 125_716;
    "2 stale" TWO_STALE { stale: 1, crash: 1 } 15_474 60_846;
    "2 refuse" TWO { refuse: 1, lose: 1 } 159_622 594_416;
    "2 wipe" TWO { wipe: 1, crash: 1 } 80_832 373_273;
    "2 remove" TWO { remove: 1, crash: 1 } 71_579 338_509;
    "2 grace" TWO_GRACE { crash: 1, lose: 1 } 116_621 582_352;
    "2 max age" TWO_MAX_AGE { crash: 1, lose: 1 } 62_676 290_442;
    "3 crash" THREE { crash: 1 } 26_910 118_346;
    "1 keep" ONE { keep: 1, crash: 1, late: 1 } 70_221 336_225;
    "1 keep expire" ONE { keep: 1, expire: 1 } 24_558 88_682;
    "1 keep unlimited" UNLIMITED { keep: 1, crash: 1 } 5_230 21_303;
    "1 keep grace" GRACE { keep: 1, crash: 1 } 1_304 4_540;
    "1 keep deactivate" DEACTIVATE { keep: 1, crash: 1 } 3_885 15_727;
    "2 keep" TWO { keep: 1, crash: 1 } 18_167 82_012;
    "2 keep different" DIFFERENT { keep: 1, crash: 1 } 9_075 36_750;
    "1 three in a row" ONE { crash: 1, runs: 3 } 57_570 202_907;
};

/// How many are explored at a time.
const THREADS: usize = 2;

/// Explores all of them, and asserts that every promise holds in every state, that each has the states and
/// transitions that it is known to have, and that whatever may happen in it did happen.
pub(super) fn prove(suite: &[Pinned]) -> BTreeSet<Event> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Found)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(Pinned { config, .. }) = suite.get(at) else {
                        break;
                    };
                    let found = explore(config, usize::MAX);
                    results.lock().unwrap().push((at, found));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(at, _)| *at);
    let mut wrong = Vec::new();
    let mut events = BTreeSet::new();
    for (pinned, (_, found)) in suite.iter().zip(results) {
        let name = pinned.config.name;
        if let Some((violation, actions)) = &found.violation {
            wrong.push(format!("{name}: {violation:?} after {actions:#?}"));
        } else if (found.states, found.transitions) != (pinned.states, pinned.transitions) {
            wrong.push(format!(
                "{name}: {} states, {} transitions",
                found.states, found.transitions
            ));
        } else if found.least != Budget::default() {
            wrong.push(format!("{name}: this was never used up: {:?}", found.least));
        }
        events.extend(found.events.0);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    events
}

#[test]
fn every_promise_holds_in_every_state() {
    let events = prove(&SMALL);
    let missing: Vec<_> = ALL.iter().filter(|event| !events.contains(event)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}
