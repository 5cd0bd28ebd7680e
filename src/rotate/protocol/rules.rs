//! What the operator asked for, and, for the proof, the rules that can be taken out one by one.

use crate::cli::{ForeignKeys, Retire};

/// What the operator asked for.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How many probes in a row make a key trusted. Propagation is not monotonic: one success proves nothing.
    pub probes: u8,
    /// How often a listing that contradicts something is asked for again.
    pub settles: u8,
    /// How many creates a run sends at the most, the next one when the one before is known to have made nothing.
    pub creates: u8,
    /// What becomes of a replaced key.
    pub retire: Retire,
    /// What becomes of a key that is nobody's.
    pub foreign_keys: ForeignKeys,
    /// The rule that the model takes out, to see what it is good for.
    #[cfg(test)]
    pub without: Option<Rule>,
}

/// A rule of the protocol that is a condition in the code. All are in force, but for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A journal is written before anything is changed.
    Journal,
    /// Rule 1: under an inherited lock, the keys are listed anew.
    ObserveInOrder,
    /// Rule 2: a look right before every deletion.
    NobodyHolds,
    /// Rule 2: a new member that the look finds stops the deletion.
    Newcomer,
    /// Rule 3: every Secret of the user is locked before anything is done.
    LockWhole,
    /// Rule 4: what was there before the journal is no orphan.
    Known,
    /// Rule 5: an orphan is dated into a create's window.
    Dated,
    /// Rule 5: two candidates, and neither is touched.
    OnlyCandidate,
    /// Rule 6: a create only under young journals.
    Fence,
    /// Rule 6: after a create of unknown outcome, what it has made is settled before the next one.
    UnknownOutcome,
    /// Rule 6: nothing is concluded about a create before its window is over.
    OutliveWindow,
    /// Rule 7: the new id is recorded.
    RecordId,
    /// Rule 7: a run whose lock is gone ends.
    LostEnds,
    /// Rule 8: a Secret is written only over this run's own journal.
    OwnJournal,
    /// Rule 9: a new key stays while a write with it may land.
    MayLand,
    /// A replaced key goes only when it is known that what replaces it is stored.
    PublishKnown,
    /// Rule 10: a journal that may be alive is not taken.
    Takeover,
    /// Rule 10: nothing is concluded about a dead holder's create before its window is over.
    OutliveDead,
    /// Rule 11: a journal with something unsettled is left.
    Release,
    /// Rule 12: a contradiction is looked at again.
    Settle,
}

#[cfg(test)]
impl Rule {
    /// All of them.
    pub const ALL: [Rule; 20] = [
        Rule::Journal,
        Rule::ObserveInOrder,
        Rule::NobodyHolds,
        Rule::Newcomer,
        Rule::LockWhole,
        Rule::Known,
        Rule::Dated,
        Rule::OnlyCandidate,
        Rule::Fence,
        Rule::UnknownOutcome,
        Rule::OutliveWindow,
        Rule::RecordId,
        Rule::LostEnds,
        Rule::OwnJournal,
        Rule::MayLand,
        Rule::PublishKnown,
        Rule::Takeover,
        Rule::OutliveDead,
        Rule::Release,
        Rule::Settle,
    ];
}

impl Policy {
    /// Whether a rule is in force: always, but for the model.
    #[cfg(not(test))]
    pub(super) fn keeps(&self, _rule: Rule) -> bool {
        true
    }

    /// Whether a rule is in force.
    #[cfg(test)]
    pub(in crate::rotate) fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
