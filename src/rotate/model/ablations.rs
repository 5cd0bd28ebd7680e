//! What each rule is good for: taken out, a promise fails, and this is the length of the shortest way there.

use super::Violation::{self, P1, P2, P4, P5, P7, Unproven, Untrue};
use super::explore::explore;
use super::state::Budget;
use super::{BASE, Config};
use crate::rotate::protocol::Rule::{self, *};

/// A configuration in which a promise fails, and after how many actions at the least.
struct Ablation {
    without: Rule,
    config: Config,
    promise: Violation,
    actions: usize,
}

/// No fault, and two runs one after the other or at once.
const NONE: Budget = Budget { runs: 2, ..BASE.budget };
const PAIR: Config = Config { budget: NONE, ..BASE };
const SOLO: Config = Config { runs: 1, ..PAIR };
const TWO: Config = Config {
    secrets: 2,
    most_secrets: 2,
    ..SOLO
};
const UNLIMITED: Config = Config { limit: false, ..SOLO };
const TRUTHFUL: Config = Config { truthful: true, ..PAIR };
/// Another Secret of the user may turn up.
const JOINED: Config = Config {
    most_secrets: 2,
    ..SOLO
};
/// The same, and it is the first in order.
const JOINED_BEFORE: Config = Config {
    most_secrets: 2,
    copy_before: true,
    ..PAIR
};

/// A table of them, one a row: the rule, what the configuration is based on, what may happen and how often, the promise that
/// then fails, the number of actions. P5 is looked at only where it is the one: nearly all that is wrong shows there first.
macro_rules! ablations {
    ($($rule:ident $base:ident { $($what:ident: $times:literal),* } $promise:ident $actions:literal;)*) => {
        [$(Ablation {
            without: $rule,
            config: Config {
                progress: matches!($promise, P5),
                budget: Budget { $($what: $times,)* ..NONE },
                ..$base
            },
            promise: $promise,
            actions: $actions,
        }),*]
    };
}

/// A rule, the smallest configuration found, the promise that fails there, and the number of actions.
///
/// Three things in the rules of `DESIGN.md` are not in the table, and are kept all the same:
///
/// - Rule 4, *known*, and its intersection. What is listed when a journal is begun is held or recorded, or else it is foreign
///   and no create follows; what is held or recorded is no candidate anyway. The date (rule 5) keeps out what is older. So the
///   known keys are a second guard that is in nobody's way: it does not rest on AWS's dates, which count in seconds, nor on
///   the records of a Secret that somebody deletes in the meantime. `the_known_keys_are_a_second_guard` says so.
/// - Rule 5, *deactivate first*: P2 as it stands permits to delete the only candidate at once. A deactivation can be
///   undone by the owner, should the date mislead.
/// - Rule 3, *one order*: no promise rests on it. It keeps two runs from each winning one Secret and both giving up.
const TABLE: [Ablation; 27] = ablations! {
    Journal PAIR {} P7 6;
    Journal UNLIMITED { lose: 1, stale: 1 } P4 5;
    Journal SOLO { lose: 1 } P5 3;
    ObserveInOrder SOLO { crash: 1, late: 1 } P7 9;
    ObserveInOrder SOLO { crash: 1 } P5 5;
    NobodyHolds JOINED { copy: 1 } P1 9;
    NobodyHolds TWO { put_back: 1 } P1 12;
    Newcomer JOINED { copy: 1 } P1 10;
    LockWhole JOINED_BEFORE { copy: 1 } P7 9;
    Dated SOLO { foreign: 1, lose: 1 } P2 11;
    OnlyCandidate UNLIMITED { foreign: 1, lose: 1 } P2 12;
    Fence SOLO { late: 1 } P7 9;
    Fence UNLIMITED { lose: 1, stale: 1 } P4 9;
    UnknownOutcome UNLIMITED { crash: 1, stale: 1 } P4 11;
    UnknownOutcome SOLO { lose: 1 } P5 4;
    OutliveWindow SOLO { late: 1 } P7 7;
    RecordId UNLIMITED { foreign: 1, crash: 1 } P5 7;
    LostEnds PAIR { expire: 1, late: 1 } P7 18;
    LostEnds PAIR { expire: 1, put_back: 1 } P1 27;
    OwnJournal PAIR { expire: 1, lose: 1 } P1 15;
    MayLand SOLO { late: 1, refuse: 1 } P1 12;
    PublishKnown SOLO { lose: 1 } P1 8;
    Takeover PAIR {} P7 12;
    OutliveDead SOLO { crash: 1, late: 1 } P7 11;
    Release SOLO { stop: 1, late: 1 } P7 11;
    Release SOLO { stop: 1, late: 1 } P5 5;
    Settle TRUTHFUL { crash: 1, stale: 1 } Untrue 12;
};

/// Far more than any of them needs.
const MOST: usize = 1_000_000;

#[test]
fn every_rule_taken_out_breaks_a_promise() {
    let mut wrong = Vec::new();
    for Ablation {
        without,
        config,
        promise,
        actions,
    } in &TABLE
    {
        let mut config = *config;
        config.policy.without = Some(*without);
        let found = explore(&config, MOST).violation;
        let found = found.map(|(violation, trace)| (violation, trace.len()));
        if found != Some((*promise, *actions)) {
            wrong.push(format!("{without:?}: {found:?} instead of {promise:?} after {actions}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A blunder that is no rule taken out but one probe instead of several: the key flaps.
#[test]
fn one_probe_proves_nothing() {
    let mut config = Config {
        spreads: true,
        progress: false,
        ..SOLO
    };
    let found = explore(&config, MOST).violation;
    assert_eq!(
        found.map(|(violation, trace)| (violation, trace.len())),
        Some((Unproven, 8))
    );
    config.policy.probes = 2;
    assert_eq!(explore(&config, MOST).violation, None);
}

#[test]
fn every_rule_is_in_the_table() {
    let missing: Vec<Rule> = Rule::ALL
        .into_iter()
        .filter(|rule| *rule != Known && TABLE.iter().all(|ablation| ablation.without != *rule))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_known_keys_are_a_second_guard() {
    let budget = Budget {
        foreign: 1,
        lose: 1,
        ..NONE
    };
    let mut config = Config {
        limit: false,
        budget,
        ..PAIR
    };
    config.policy.without = Some(Known);
    assert_eq!(explore(&config, usize::MAX).violation, None);
}
