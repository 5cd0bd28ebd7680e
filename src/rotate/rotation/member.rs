//! One Secret of the group: the object, what its records say, and what the protocol is shown of it.

use std::time::Duration;

use crate::aws::KeyPair;
use crate::error::one_line;
use crate::holder::Holder;
use crate::kube::{Mark, Secret};
use crate::rotate::protocol::{self, Claim, Holds, Lock, Seen};
use crate::rotate::record::{self, History, Journal, Read, What};
use crate::rotate::rotation::keys::{KeyTable, TooMany};
use crate::{cli, key_secret};

/// The annotation that says how long a replaced key may stay.
pub(in crate::rotate) const GRACE_PERIOD: &str = "aws-rotate-key/grace-period";
/// The annotation that says how old a key is when it is replaced.
pub(in crate::rotate) const MAX_AGE: &str = "aws-rotate-key/max-age";

const OF_ANOTHER_SECRET: &str = "another Secret, of which this one is a copy";
const OF_ANOTHER_USER: &str = "another user, whose pair was in it before";

/// One Secret of the group.
#[derive(Debug)]
pub(in crate::rotate) struct Member {
    pub(in crate::rotate) secret: Secret,
    pub(in crate::rotate) pair: Option<KeyPair>,
    /// A journal that can be read, whosever it is.
    pub(in crate::rotate) journal: Option<Journal>,
    pub(in crate::rotate) history: Option<History>,
    /// Why a record cannot be read.
    pub(in crate::rotate) unreadable: Option<String>,
    /// Of whom the records are, if they are none of this Secret's and user's.
    pub(in crate::rotate) void: Option<&'static str>,
    /// Whether what is odd about it was logged.
    pub(in crate::rotate) warned: bool,
    /// When this run stamped its journal last, by this machine's clock.
    pub(in crate::rotate) stamped: Option<Duration>,
    /// The stamp of a journal that was sent, by the API server's clock and by ours.
    pub(in crate::rotate) sent_stamp: Option<(i64, Duration)>,
    /// How often it was sent a new pair.
    pub(in crate::rotate) publishes: u32,
    pub(in crate::rotate) gone: bool,
    pub(in crate::rotate) grace: Duration,
    pub(in crate::rotate) max_age: Option<Duration>,
    pub(in crate::rotate) seen: Seen,
}

/// What decides whose a journal is.
pub(in crate::rotate) struct View<'a> {
    pub(in crate::rotate) run: &'a str,
    pub(in crate::rotate) user: Option<&'a str>,
    pub(in crate::rotate) holder: &'a Holder,
    pub(in crate::rotate) lock_timeout: Duration,
    /// How far ahead of the API server's clock a journal may be dated. Its holder dates it by a reply that may have taken as
    /// long as a request may.
    pub(in crate::rotate) most_ahead: Duration,
    /// The API server's clock.
    pub(in crate::rotate) server_now: i64,
    /// AWS's clock.
    pub(in crate::rotate) aws_now: i64,
}

impl Member {
    /// A Secret as it was read, with the run's own grace period and age.
    ///
    /// # Errors
    ///
    /// An annotation that holds no length of time.
    pub(in crate::rotate) fn new(secret: Secret, grace: Duration, max_age: Option<Duration>) -> Result<Member, String> {
        let own = |name: &str, parse: fn(&str) -> Result<Duration, String>| {
            let text = secret.annotation(name).map(str::trim).filter(|text| !text.is_empty());
            let length = text.map(|text| parse(text).map_err(|expected| (text, expected)));
            length.transpose().map_err(|(text, expected)| {
                let (key, text) = (&secret.key, one_line(text));
                format!("annotation `{name}` of {key} is `{text}`; {expected}; nothing was done")
            })
        };
        let grace = own(GRACE_PERIOD, cli::grace_period)?.unwrap_or(grace);
        let max_age = own(MAX_AGE, cli::max_age)?.or(max_age);
        let mut member = Member {
            pair: None,
            journal: None,
            history: None,
            unreadable: None,
            void: None,
            warned: false,
            stamped: None,
            sent_stamp: None,
            publishes: 0,
            gone: false,
            grace,
            max_age,
            seen: Seen::unknown(secret.is_immutable(), !grace.is_zero()),
            secret,
        };
        member.parse();
        Ok(member)
    }

    /// The Secret was read again.
    pub(in crate::rotate) fn read(&mut self, secret: Secret) {
        // A write that names an older version can no longer be stored.
        self.seen.may_land &= secret.resource_version() == self.secret.resource_version();
        self.seen.immutable = secret.is_immutable();
        self.secret = secret;
        self.seen.fresh = true;
        self.parse();
        if let (Some(journal), Some((renewed, stamped))) = (&self.journal, self.sent_stamp)
            && journal.renewed == renewed
        {
            self.stamped = Some(stamped);
        }
    }

    /// Says, once, what is odd about the Secret: records that are not its own, and a tool that applies it.
    pub(in crate::rotate) fn warn(&mut self) {
        if std::mem::replace(&mut self.warned, true) {
            return;
        }
        let key = &self.secret.key;
        if let Some(whose) = self.void {
            log::warn!("{key}: its records are of {whose}; they count for nothing");
        }
        if let Some(Mark { tool, shown_by }) = self.secret.ownership_mark() {
            log::warn!(
                "{key}: is applied by {tool} ({shown_by}): what it applies again is a dead key; take the pair out of what it \
                 applies"
            );
        }
    }

    /// The Secret is not there any more, or another one has its name.
    pub(in crate::rotate) fn is_gone(&mut self) {
        self.gone = true;
        self.seen.may_land = false;
        self.seen.fresh = true;
        self.seen.holds = Holds::Gone;
        self.seen.lock = Lock::Free;
        self.seen.claim = Claim::default();
        self.seen.history = protocol::History::default();
    }

    fn parse(&mut self) {
        self.unreadable = None;
        self.void = None;
        self.pair = key_secret::pair(&self.secret).ok();
        let mut journal = None;
        let mut history = None;
        match record::journal(self.secret.annotation(record::JOURNAL), &self.secret.uid) {
            Read::None => {}
            Read::Void => self.void = Some(OF_ANOTHER_SECRET),
            Read::Valid(valid) => journal = Some(valid),
            Read::Unreadable(why) => self.unreadable = Some(format!("annotation `{}`: {why}", record::JOURNAL)),
        }
        match record::history(self.secret.annotation(record::HISTORY), &self.secret.uid) {
            Read::None => {}
            Read::Void => self.void = Some(OF_ANOTHER_SECRET),
            Read::Valid(valid) => history = Some(valid),
            Read::Unreadable(why) => self.unreadable = Some(format!("annotation `{}`: {why}", record::HISTORY)),
        }
        self.journal = journal;
        self.history = history;
    }

    /// Shows the protocol what is there, in numbers of keys. Before the keys were ever listed there are none.
    pub(in crate::rotate) fn show(&mut self, view: &View<'_>, keys: Option<&mut KeyTable>) -> Result<(), TooMany> {
        if self.gone {
            return Ok(());
        }
        self.seen.lock = self.lock(view);
        let Some(keys) = keys else {
            self.seen.holds = Holds::Unknown;
            return Ok(());
        };
        self.seen.holds = match self.pair.as_ref().and_then(|pair| keys.known(&pair.id)) {
            Some(key) => Holds::Pair(key),
            None => Holds::Other,
        };
        let readable = matches!(self.seen.lock, Lock::Mine | Lock::Takeable);
        self.seen.claim = match self.journal.as_ref().filter(|_| readable) {
            None => Claim::default(),
            Some(journal) => Claim {
                known: keys.numbers(&journal.known)?,
                made: keys.numbers(&journal.made)?,
                open: !journal.windows.is_empty(),
                released: journal.released,
            },
        };
        self.seen.windowed &= self.seen.lock == Lock::Mine;
        let mut history = protocol::History::default();
        if let Some(record) = &self.history {
            if let Some(current) = &record.current {
                history.replaced = history.replaced.with(keys.number(current)?);
            }
            for (id, entry) in &record.keys {
                let key = keys.number(id)?;
                match entry.what {
                    What::Replaced => history.replaced = history.replaced.with(key),
                    What::Orphan => history.orphans = history.orphans.with(key),
                }
                if entry.until.is_some_and(|until| until > view.aws_now) {
                    history.protected = history.protected.with(key);
                }
                if entry.deactivated && entry.what == What::Orphan {
                    history.deactivated = history.deactivated.with(key);
                }
            }
        }
        self.seen.history = history;
        Ok(())
    }

    fn lock(&mut self, view: &View<'_>) -> Lock {
        if self.unreadable.is_some() {
            return Lock::Unreadable;
        }
        let Some(journal) = &self.journal else {
            return Lock::Free;
        };
        if journal.run == view.run {
            return Lock::Mine;
        }
        // It cannot get stale before its time has come once more.
        let ahead = i64::try_from(view.most_ahead.as_secs()).unwrap_or(i64::MAX);
        if journal.renewed_in_future(view.server_now.saturating_add(ahead)) {
            self.unreadable = Some(format!(
                "annotation `{}`: it is dated in the future, by the API server's clock",
                record::JOURNAL
            ));
            return Lock::Unreadable;
        }
        let over = journal.released
            || journal.holder.is_provably_gone(view.holder)
            || journal.is_stale(view.server_now, view.lock_timeout);
        match (over, view.user) {
            (false, _) => Lock::Live,
            // The pair of another user was put here since: what the journal says is of no concern to this one.
            (true, Some(user)) if journal.user != user => {
                self.void = Some(OF_ANOTHER_USER);
                Lock::Free
            }
            (true, _) => Lock::Takeable,
        }
    }
}
