//! How it ended with one Secret.

use crate::kube::Key;
use crate::report::Tally;

/// What became of one Secret.
#[derive(Debug)]
pub(super) enum Ended {
    /// `None`: that was said already.
    Refreshed(Option<String>),
    /// What it holds is good.
    Good(String),
    /// What it holds is good, but not all copies of it are what they are to be, which was said already. Some hold an old
    /// login if `stale`.
    Short {
        line: String,
        stale: bool,
    },
    /// It failed for a reason that may pass.
    Later(String),
    Failed(String),
}

impl Ended {
    /// With what became of what depends on the Secret: how many of these failed, and whether one of them holds an old login.
    pub(super) fn and(self, more: &str, failed: usize, stale: bool) -> Ended {
        match self {
            Ended::Refreshed(Some(line)) | Ended::Good(line) if failed > 0 => Ended::Short {
                line: line + more,
                stale,
            },
            Ended::Refreshed(line) => Ended::Refreshed(line.map(|line| line + more)),
            Ended::Good(line) => Ended::Good(line + more),
            Ended::Short { line, stale: already } => Ended::Short {
                line: line + more,
                stale: already || stale,
            },
            Ended::Failed(why) => Ended::Failed(why + more),
            Ended::Later(_) => self,
        }
    }
}

/// Logs it and counts it.
pub(super) fn say(key: &Key, ended: Ended, tally: &mut Tally) {
    match ended {
        Ended::Refreshed(line) => {
            if let Some(line) = line {
                log::info!("{key}: {line}");
            }
            tally.done(1);
        }
        Ended::Good(line) => {
            log::info!("{key}: {line}");
            tally.untouched(1);
        }
        Ended::Short { line, .. } => {
            log::info!("{key}: {line}");
            tally.failed(1);
        }
        Ended::Later(why) | Ended::Failed(why) => {
            log::error!("{key}: {why}");
            tally.failed(1);
        }
    }
}
