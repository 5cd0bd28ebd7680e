//! What a journal says, and by which clocks it is dated.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Rotation, seconds};
use crate::rotate::Servers;
use crate::rotate::protocol::{self, Lock, Step};
use crate::rotate::record::{self, Journal, Window};

impl Rotation {
    /// A journal, as text: what this run knows now, with what it takes over from the journals that it finds.
    pub(super) fn journal(
        &mut self,
        step: Step,
        at: usize,
        servers: &Servers,
        now: Duration,
    ) -> Result<String, String> {
        let seen = self.observation(now);
        let claim = protocol::claim(&seen, &servers.policy);
        let (known, made, open) = protocol::inheritance(&seen);
        let opens = protocol::opens_window(&seen, &servers.policy) && !matches!(step, Step::Publish(..));
        let mut windows = Vec::new();
        if claim.open && open && !opens {
            windows = self.inherited_windows();
        }
        if matches!(step, Step::Lock(_)) {
            let inherited = self.members.iter().any(|member| member.seen.lock == Lock::Takeable);
            self.unresolved = self.inherited_windows();
            self.memory.taking(known, made, open, inherited);
        }
        if opens {
            windows.push(self.window(servers, now));
        }
        let (renewed, stamped) = self.stamp(servers, now);
        let member = &self.members[at];
        let own = member.journal.as_ref().filter(|journal| journal.run == self.run);
        let there = self.members.iter().filter(|member| !member.gone);
        let journal = Journal {
            uid: member.secret.uid.clone(),
            user: self
                .identity
                .as_ref()
                .map_or_else(String::new, |identity| identity.user_id().to_owned()),
            run: self.run.clone(),
            holder: servers.holder.clone(),
            begun: own.map_or(renewed, |journal| journal.begun),
            renewed,
            group: there.map(|member| member.secret.key.to_string()).collect(),
            known: self.keys.ids(claim.known).cloned().collect(),
            windows,
            made: self.keys.ids(claim.made).cloned().collect(),
            released: matches!(step, Step::Release(..)),
        };
        let text = journal.to_text();
        if text.len() > record::LONGEST {
            return Err(format!(
                "the journal for {} would have {} bytes, {} are allowed; put the key into fewer Secrets",
                member.secret.key,
                text.len(),
                record::LONGEST
            ));
        }
        self.members[at].sent_stamp = Some((renewed, stamped));
        Ok(text)
    }

    /// The windows of creates whose outcome is not known, with those of journals that can be taken over.
    fn inherited_windows(&self) -> Vec<Window> {
        let mut windows = self.unresolved.clone();
        for member in self.members.iter().filter(|member| member.seen.lock == Lock::Takeable) {
            for window in member.journal.iter().flat_map(|journal| &journal.windows) {
                if !windows.contains(window) {
                    windows.push(*window);
                }
            }
        }
        windows
    }

    /// The time in which a create that follows this stamp shows: from the listing before it to the end of the fence and of
    /// the time that the request may take, by AWS's clock.
    fn window(&mut self, servers: &Servers, now: Duration) -> Window {
        let (from, asked) = match (self.own, self.listed) {
            (Some(own), Some(listed)) if self.members.iter().any(|m| m.seen.windowed) => (own.from, listed.asked),
            (_, Some(listed)) => (listed.date, listed.asked),
            (_, None) => (self.aws_now(now), now),
        };
        let since = now.saturating_sub(asked) + servers.options.lock_timeout * 2 / 3;
        let base = self.listed.map_or(from, |listed| listed.date);
        let window = Window {
            from,
            // Dates are cut to seconds, at both ends.
            to: base.saturating_add(seconds(since)).saturating_add(2),
        };
        self.own = Some(window);
        window
    }

    /// The API server's clock now, no earlier than it really is, and ours: a lock that is dated so runs out for its holder
    /// before it does for anybody else. The clock that goes on is the one that is counted by, so no two are compared.
    pub(super) fn stamp(&self, servers: &Servers, now: Duration) -> (i64, Duration) {
        match servers.kube.server_time() {
            Some(time) => {
                let since = now.saturating_sub(time.asked);
                let whole = seconds(since) + i64::from(since.subsec_nanos() > 0);
                (time.date.unix_timestamp().saturating_add(whole), now)
            }
            None => (OffsetDateTime::now_utc().unix_timestamp(), now),
        }
    }
}
