//! The journal: on the Secrets of a user while a rotation is under way. It is the lock, and it tells a successor what the
//! rotation may have left behind.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Record, json};
use crate::aws::AccessKeyId;
use crate::holder::Holder;

/// A rotation that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rotate) struct Journal {
    /// The Secret that it is on.
    pub(in crate::rotate) uid: String,
    /// The IAM user that the rotation is for, by the unique id (`AIDA…`): a name can be given anew.
    pub(in crate::rotate) user: String,
    /// The run, by 16 hexadecimal digits that it drew.
    pub(in crate::rotate) run: String,
    /// The process that the run is.
    pub(in crate::rotate) holder: Holder,
    /// When it was begun, by the API server's clock.
    #[serde(with = "json::utc")]
    pub(in crate::rotate) begun: i64,
    /// When it was renewed last, by the API server's clock; at first, when it was begun.
    #[serde(with = "json::utc")]
    pub(in crate::rotate) renewed: i64,
    /// The Secrets that were locked together, as `namespace/name`.
    pub(in crate::rotate) group: Vec<String>,
    /// The keys that were there before the first create.
    pub(in crate::rotate) known: BTreeSet<AccessKeyId>,
    /// When keys may have been created without this rotation learning of it.
    pub(in crate::rotate) windows: Vec<Window>,
    /// The keys that a create of this rotation is known to have made, and that are not published yet.
    pub(in crate::rotate) made: BTreeSet<AccessKeyId>,
    /// Whether the run has given up: anybody may take it at once.
    pub(in crate::rotate) released: bool,
}

/// The time in which a create was under way, both ends included, by AWS's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rotate) struct Window {
    /// Its first second.
    #[serde(with = "json::utc")]
    pub(in crate::rotate) from: i64,
    /// Its last second.
    #[serde(with = "json::utc")]
    pub(in crate::rotate) to: i64,
}

/// A `Date` header is cut to seconds, so that two of them may be off by this much.
const CUT: Duration = Duration::from_secs(1);

impl Journal {
    /// As the annotation says it. Clocks can be set back between two stamps, or differ between two API servers; what ends
    /// before it begins is written as ending then, since it could not be read again.
    pub(in crate::rotate) fn to_text(&self) -> String {
        let in_order = |window: &Window| Window {
            from: window.from,
            to: window.to.max(window.from),
        };
        json::write(&Journal {
            renewed: self.renewed.max(self.begun),
            windows: self.windows.iter().map(in_order).collect(),
            ..self.clone()
        })
    }

    /// Whether it is certain that the holder has not renewed it for longer than the lock timeout. `server_now` is the `Date`
    /// of a reply of the API server.
    pub(in crate::rotate) fn is_stale(&self, server_now: i64, lock_timeout: Duration) -> bool {
        let age = u64::try_from(server_now.saturating_sub(self.renewed)).unwrap_or(0);
        Duration::from_secs(age) > lock_timeout.saturating_add(CUT)
    }

    /// Whether it was renewed later than it can have been: the API server's clock was set back since, and until that time
    /// has come once more, the journal would not get stale.
    pub(in crate::rotate) fn renewed_in_future(&self, server_now: i64) -> bool {
        self.renewed.saturating_sub(server_now) > CUT.as_secs().cast_signed()
    }
}

impl Window {
    /// Whether a create that was under way then is over and done with. `aws_now` is no later than AWS's clock.
    pub(in crate::rotate) fn is_over(&self, aws_now: i64) -> bool {
        self.to < aws_now
    }

    /// Whether a create that was under way then can have made a key of this `CreateDate`.
    pub(in crate::rotate) fn has(&self, created: i64) -> bool {
        (self.from..=self.to).contains(&created)
    }
}

impl Record for Journal {
    fn flaw(&self) -> Option<&'static str> {
        if !is_user_id(&self.user) {
            Some("expected `user` to be the unique id of an IAM user, such as AIDACKCEVSQ6C2EXAMPLE")
        } else if self.run.len() != 16 || !self.run.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Some("expected `run` to be 16 hexadecimal digits")
        } else if !self.group.iter().all(|name| is_secret_name(name)) {
            Some("expected `group` to name each Secret as namespace/name")
        } else if self.renewed < self.begun {
            Some("expected `renewed` not to be before `begun`")
        } else if self.windows.iter().any(|window| window.to < window.from) {
            Some("expected no window's `to` to be before its `from`")
        } else {
            None
        }
    }
}

/// The form that the IAM API reference gives for `UserId`: `[\w]+`, at most 128. No shortest length is asked for, since
/// stand-ins for AWS do not keep to it.
fn is_user_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_secret_name(text: &str) -> bool {
    let named = |part: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        !part.is_empty() && part.bytes().all(fits)
    };
    text.split_once('/')
        .is_some_and(|(namespace, name)| named(namespace) && named(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(renewed: i64, windows: &[(i64, i64)]) -> Journal {
        Journal {
            uid: "u".into(),
            user: "AIDACKCEVSQ6C2EXAMPLE".into(),
            run: "0123456789abcdef".into(),
            holder: Holder::this_process(None),
            begun: 0,
            renewed,
            group: vec!["t/s".into()],
            known: BTreeSet::new(),
            windows: windows.iter().map(|&(from, to)| Window { from, to }).collect(),
            made: BTreeSet::new(),
            released: false,
        }
    }

    #[test]
    fn a_journal_is_stale_when_the_timeout_and_the_cut_second_are_over() {
        let timeout = Duration::from_secs(90);
        assert!(!journal(1000, &[]).is_stale(1090, timeout));
        assert!(!journal(1000, &[]).is_stale(1091, timeout));
        assert!(journal(1000, &[]).is_stale(1092, timeout));
        assert!(!journal(1000, &[]).is_stale(1092, Duration::from_millis(91_001)));
        assert!(!journal(1000, &[]).is_stale(0, Duration::ZERO));
        assert!(!journal(1000, &[]).is_stale(i64::MAX, Duration::MAX));
        assert!(journal(i64::MIN, &[]).is_stale(i64::MAX, timeout));
        assert!(!journal(i64::MAX, &[]).is_stale(i64::MIN, Duration::ZERO));
    }

    #[test]
    fn a_clock_that_was_set_back_is_noticed() {
        assert!(!journal(1000, &[]).renewed_in_future(1000));
        assert!(!journal(1000, &[]).renewed_in_future(999));
        assert!(journal(1000, &[]).renewed_in_future(998));
        assert!(!journal(1000, &[]).renewed_in_future(i64::MAX));
        assert!(journal(i64::MAX, &[]).renewed_in_future(i64::MIN));
    }

    #[test]
    fn both_ends_of_a_window_are_in_it() {
        let window = Window { from: 10, to: 20 };
        let inside: Vec<i64> = (0..40).filter(|&at| window.has(at)).collect();
        assert_eq!(inside, (10..=20).collect::<Vec<_>>());
        assert!(!window.is_over(20));
        assert!(window.is_over(21));
    }
}
