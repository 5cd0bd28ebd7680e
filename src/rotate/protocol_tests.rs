//! Every state of the member Secrets and of the deletions is put before `decide`, and the four rules of its module hold.

use time::OffsetDateTime;

use super::*;

const POLICY: Policy = Policy {
    probes: 3,
    spacing: Duration::from_secs(2),
    propagation_timeout: Duration::from_secs(120),
};

fn id(text: &str) -> AccessKeyId {
    AccessKeyId::parse(text).unwrap()
}

fn old() -> AccessKeyId {
    id("AKIAOLDOLDOLDOLD")
}

fn key(name: &str, status: KeyStatus) -> AccessKey {
    AccessKey {
        id: id(name),
        status,
        created: OffsetDateTime::UNIX_EPOCH,
    }
}

fn member(holds: Holds) -> Member {
    Member {
        immutable: false,
        holds,
        writes: 0,
        refused: false,
        may_land: false,
    }
}

struct Seen {
    old: AccessKeyId,
    members: Vec<Member>,
    identity: Option<Who>,
    keys: Option<Vec<AccessKey>>,
    create: Create,
    trust: Trust,
    stopping: bool,
    elsewhere: bool,
    old_held: Held,
    new_held: Held,
    old_deletion: Deletion,
    new_deletion: Deletion,
}

impl Seen {
    fn at_start() -> Seen {
        Seen {
            old: old(),
            members: vec![member(Holds::Old)],
            identity: None,
            keys: None,
            create: Create::NotSent,
            trust: Trust::default(),
            stopping: false,
            elsewhere: false,
            old_held: Held::NotLooked,
            new_held: Held::NotLooked,
            old_deletion: Deletion::NotTried,
            new_deletion: Deletion::NotTried,
        }
    }

    fn ready() -> Seen {
        let keys = Some(vec![key("AKIAOLDOLDOLDOLD", KeyStatus::Active)]);
        Seen {
            identity: Some(Who::User),
            keys,
            ..Seen::at_start()
        }
    }

    fn with_trusted_key() -> Seen {
        let trust = Trust {
            refused: false,
            in_a_row: 3,
            next: Duration::ZERO,
            deadline: Duration::from_secs(120),
        };
        Seen {
            create: Create::Made(id("AKIANEWNEWNEWNEW")),
            trust,
            ..Seen::ready()
        }
    }

    fn decide(&self, now: u64) -> Step {
        let seen = Observation {
            old: &self.old,
            members: &self.members,
            identity: self.identity,
            keys: self.keys.as_deref(),
            create: &self.create,
            trust: self.trust,
            stopping: self.stopping,
            elsewhere: self.elsewhere,
            old_held: self.old_held,
            new_held: self.new_held,
            old_deletion: self.old_deletion,
            new_deletion: self.new_deletion,
        };
        decide(&seen, &POLICY, Duration::from_secs(now))
    }
}

#[test]
fn the_ordinary_way() {
    let mut seen = Seen::at_start();
    assert_eq!(seen.decide(0), Step::Identify);
    seen.identity = Some(Who::User);
    assert_eq!(seen.decide(0), Step::ListKeys);
    seen.keys = Some(vec![key("AKIAOLDOLDOLDOLD", KeyStatus::Active)]);
    assert_eq!(seen.decide(0), Step::Create);
    seen.create = Create::Made(id("AKIANEWNEWNEWNEW"));
    seen.trust.deadline = Duration::from_secs(120);
    assert_eq!(seen.decide(1), Step::Probe);
    seen.trust.next = Duration::from_secs(3);
    assert_eq!(seen.decide(1), Step::Wait(Duration::from_secs(3)));
    seen.trust.in_a_row = 3;
    assert_eq!(seen.decide(5), Step::Publish(0));
    seen.members[0] = Member {
        holds: Holds::New,
        writes: 1,
        ..member(Holds::New)
    };
    assert_eq!(seen.decide(5), Step::FindHolders(Which::Old));
    seen.old_held = Held::Nowhere;
    assert_eq!(seen.decide(5), Step::DeleteOld);
    seen.old_deletion = Deletion::Done;
    assert_eq!(seen.decide(5), Step::Finish(Outcome::Rotated));
}

#[test]
fn refusals_come_before_the_create() {
    let elsewhere = Seen {
        elsewhere: true,
        ..Seen::at_start()
    };
    assert_eq!(elsewhere.decide(0), Step::Finish(Outcome::Elsewhere));
    let with = |change: &dyn Fn(&mut Seen)| {
        let mut seen = Seen::ready();
        change(&mut seen);
        seen.decide(0)
    };
    assert_eq!(
        with(&|s| s.members[0].immutable = true),
        Step::Finish(Outcome::Immutable(0))
    );
    assert_eq!(with(&|s| s.identity = Some(Who::Root)), Step::Finish(Outcome::Root));
    assert_eq!(with(&|s| s.identity = Some(Who::Other)), Step::Finish(Outcome::NoUser));
    assert_eq!(with(&|s| s.keys = Some(Vec::new())), Step::Finish(Outcome::NotListed));
    let inactive = key("AKIAOLDOLDOLDOLD", KeyStatus::Inactive);
    assert_eq!(
        with(&|s| s.keys = Some(vec![inactive.clone()])),
        Step::Finish(Outcome::Inactive)
    );
    let foreign = key("AKIAFOREIGN00000", KeyStatus::Inactive);
    let both = vec![key("AKIAOLDOLDOLDOLD", KeyStatus::Active), foreign.clone()];
    assert_eq!(
        with(&|s| s.keys = Some(both.clone())),
        Step::Finish(Outcome::Foreign(vec![foreign.clone()]))
    );
}

#[test]
fn a_create_of_unknown_outcome_is_the_end() {
    let seen = Seen {
        create: Create::Unknown,
        ..Seen::ready()
    };
    assert_eq!(seen.decide(0), Step::Finish(Outcome::CreateUnknown));
}

#[test]
fn a_key_that_is_not_trusted_in_time_is_withdrawn() {
    let mut seen = Seen::with_trusted_key();
    seen.trust.in_a_row = 0;
    seen.trust.refused = true;
    assert_eq!(seen.decide(119), Step::Probe);
    assert_eq!(seen.decide(120), Step::DeleteNew);
    seen.new_deletion = Deletion::Failed;
    assert_eq!(seen.decide(120), Step::Finish(Outcome::NotTrusted));
}

#[test]
fn a_run_that_is_to_stop_begins_nothing_and_ends_what_it_has_begun() {
    let before = Seen {
        stopping: true,
        ..Seen::ready()
    };
    assert_eq!(before.decide(0), Step::Finish(Outcome::Interrupted));
    let mut seen = Seen {
        stopping: true,
        ..Seen::with_trusted_key()
    };
    assert_eq!(
        seen.decide(10),
        Step::Publish(0),
        "a trusted key is a few requests from the end"
    );
    seen.trust.in_a_row = 2;
    seen.trust.next = Duration::from_secs(60);
    assert_eq!(seen.decide(10), Step::DeleteNew);
    seen.new_deletion = Deletion::Done;
    assert_eq!(seen.decide(10), Step::Finish(Outcome::Interrupted));
    seen.new_deletion = Deletion::NotTried;
    seen.members[0].writes = 1;
    assert_eq!(seen.decide(10), Step::Publish(0));
}

/// The run was busy elsewhere; the key never failed a probe.
#[test]
fn a_key_that_is_probed_late_gets_its_probes() {
    let mut seen = Seen::with_trusted_key();
    seen.trust.in_a_row = 0;
    assert_eq!(seen.decide(500), Step::Probe);
    seen.trust.in_a_row = 2;
    seen.trust.next = Duration::from_secs(502);
    assert_eq!(seen.decide(500), Step::Wait(Duration::from_secs(502)));
}

#[test]
fn a_refused_key_is_not_waited_for_beyond_the_deadline() {
    let mut seen = Seen::with_trusted_key();
    seen.trust = Trust {
        in_a_row: 0,
        refused: true,
        next: Duration::from_secs(130),
        deadline: Duration::from_secs(120),
    };
    assert_eq!(seen.decide(100), Step::Wait(Duration::from_secs(120)));
}

/// All states of two Secrets after a trusted create: what is decided never breaks rules 2 and 3, and always moves on.
#[test]
fn every_state_of_two_secrets_keeps_the_rules() {
    const HOLDS: [Holds; 6] = [
        Holds::Old,
        Holds::New,
        Holds::Other,
        Holds::Gone,
        Holds::Unread,
        Holds::Unreadable,
    ];
    let members: Vec<Member> = HOLDS
        .iter()
        .flat_map(|&holds| {
            [(0, false), (1, false), (1, true), (3, false), (3, true)]
                .into_iter()
                .flat_map(move |(writes, may_land)| {
                    [false, true].map(|refused| Member {
                        immutable: false,
                        holds,
                        writes,
                        refused,
                        may_land,
                    })
                })
        })
        .collect();
    const HELD: [Held; 4] = [Held::NotLooked, Held::Nowhere, Held::Somewhere, Held::Unknown];
    const DELETIONS: [Deletion; 3] = [Deletion::NotTried, Deletion::Done, Deletion::Failed];
    let mut states = 0;
    for a in &members {
        for b in &members {
            for (old_held, new_held) in HELD.into_iter().flat_map(|o| HELD.map(|n| (o, n))) {
                for (old_deletion, new_deletion) in DELETIONS.into_iter().flat_map(|o| DELETIONS.map(|n| (o, n))) {
                    states += 1;
                    check(&Seen {
                        members: vec![*a, *b],
                        old_held,
                        new_held,
                        old_deletion,
                        new_deletion,
                        ..Seen::with_trusted_key()
                    });
                }
            }
        }
    }
    assert_eq!(states, 518_400);
}

fn check(seen: &Seen) {
    let any = |holds| seen.members.iter().any(|m| m.holds == holds);
    let may_land = seen.members.iter().any(|m| m.may_land && m.holds != Holds::New);
    let step = seen.decide(10);
    match step {
        Step::DeleteOld => {
            assert!(any(Holds::New) && !any(Holds::Old) && !any(Holds::Unread) && !any(Holds::Unreadable));
            assert_eq!((seen.old_held, seen.old_deletion), (Held::Nowhere, Deletion::NotTried));
            assert!(!may_land);
        }
        Step::DeleteNew => {
            assert!(!any(Holds::New) && !any(Holds::Unread) && !may_land);
            let never_written = seen.members.iter().all(|m| m.writes == 0);
            assert!(never_written || seen.new_held == Held::Nowhere);
        }
        Step::Publish(at) => {
            let member = seen.members[at];
            assert!(member.holds == Holds::Old && !member.refused && member.writes < MOST_WRITES);
        }
        Step::Finish(Outcome::Rotated) => assert!(any(Holds::New) && !any(Holds::Old) && !any(Holds::Unreadable)),
        Step::Reread(at) => assert_eq!(seen.members[at].holds, Holds::Unread),
        Step::FindHolders(Which::Old) => assert_eq!(seen.old_held, Held::NotLooked),
        Step::FindHolders(Which::New) => assert_eq!(seen.new_held, Held::NotLooked),
        Step::Finish(_) => {}
        Step::Identify | Step::ListKeys | Step::Create | Step::Probe | Step::Wait(_) => panic!("{step:?} is long over"),
    }
}
