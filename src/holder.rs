//! Who holds a lock, and whether that process is provably gone.
//!
//! A lock whose holder has died would be waited for until it runs out. Where it can be proven that the holder is gone there
//! is nothing to wait for. What cannot be proven is not assumed: a wrong "gone" would let two runs change one user's keys.

use std::fmt;
use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::error::one_line;

/// A process, so named that no other one on any machine has the same name. What could not be found out is empty or 0, and
/// then nothing can be proven about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The uid of its pod, where it is in one.
    #[serde(deserialize_with = "Option::deserialize")]
    pod: Option<String>,
    /// The host's name.
    host: String,
    /// The id that the kernel drew when it booted.
    boot: String,
    /// The namespace that the process id is of, such as `pid:[4026531836]`.
    pids: String,
    /// The process id.
    pid: u32,
    /// When the process was started, in clock ticks after the boot: process ids are used again, with a later time.
    started: u64,
}

impl Holder {
    /// This process. `pod` is the uid of the pod that it is in.
    pub fn this_process(pod: Option<String>) -> Holder {
        let pid = std::process::id();
        // A `/proc` that was mounted for another namespace counts processes in another way than `kill` does.
        let stat = Stat::of("self").filter(|stat| stat.pid == pid);
        let pids = stat.and_then(|_| fs::read_link("/proc/self/ns/pid").ok());
        Holder {
            pod: pod.filter(|pod| !pod.is_empty()),
            host: line_of("/proc/sys/kernel/hostname"),
            boot: line_of("/proc/sys/kernel/random/boot_id"),
            pids: pids.map_or_else(String::new, |pids| pids.to_string_lossy().into_owned()),
            pid,
            started: stat.map_or(0, |stat| stat.started),
        }
    }

    /// Whether it is certain, as seen by `this` process, that the process has ended.
    ///
    /// - It had a process id of the namespace that this one is in, and no live process has that id and that start time. That
    ///   it is the same namespace takes the same host and boot, or the same pod, beside the namespace's own number: the
    ///   first namespace of every machine has the same one. A number is given to another namespace only when every process
    ///   of the one before has ended.
    /// - It was in this pod, under another namespace of process ids: in a container of the pod that was started again since.
    ///   A second process in the same container has the same namespace, and is looked up like any other. Two containers of
    ///   one pod that run at the same time cannot be told from that; a pod must not have two that rotate keys.
    pub fn is_provably_gone(&self, this: &Holder) -> bool {
        if !self.can_be_found() || !this.can_be_found() {
            return false;
        }
        let same = |one: &str, other: &str| !one.is_empty() && one == other;
        let same_machine = same(&self.host, &this.host) && same(&self.boot, &this.boot);
        let pods = self.pod.as_deref().zip(this.pod.as_deref());
        let same_pod = pods.is_some_and(|(one, other)| same(one, other));
        if self.pids == this.pids {
            (same_machine || same_pod) && self.has_ended()
        } else {
            same_pod
        }
    }

    fn can_be_found(&self) -> bool {
        !self.pids.is_empty() && self.pid != 0 && self.started != 0
    }

    /// `kill` is asked first: a `/proc` that hides other users' processes shows nothing of a live one.
    fn has_ended(&self) -> bool {
        match i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            Some(pid) => ended(test_kill_process(pid), Stat::of(&self.pid.to_string()), self.started),
            None => false,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pod {
            Some(pod) => write!(f, "pod {}", one_line(pod)),
            None => write!(f, "{}, process {}", one_line(&self.host), self.pid),
        }
    }
}

/// Whether the process that was started at `started` has ended, by what `kill` says of its id and what `/proc` shows of it.
fn ended(kill: Result<(), Errno>, stat: Option<Stat>, started: u64) -> bool {
    match kill {
        Err(Errno::SRCH) => true,
        Ok(()) | Err(Errno::PERM) => stat.is_some_and(|stat| stat.ended || stat.started != started),
        Err(_) => false,
    }
}

/// What `/proc/PID/stat` says, of proc(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    /// Whether all that is left of the process is its exit code.
    ended: bool,
    started: u64,
}

impl Stat {
    fn of(process: &str) -> Option<Stat> {
        let text = fs::read(format!("/proc/{process}/stat")).ok()?;
        Stat::parse(&String::from_utf8_lossy(&text))
    }

    /// The command's name, the second field, is in parentheses and may itself have white space and parentheses in it.
    fn parse(text: &str) -> Option<Stat> {
        let (front, back) = text.rsplit_once(')')?;
        let (pid, _) = front.split_once(' ')?;
        let mut from_third = back.split_ascii_whitespace();
        let state = from_third.next()?;
        // The 22nd field; 3 are taken.
        let started = from_third.nth(18)?;
        Some(Stat {
            pid: pid.parse().ok()?,
            ended: matches!(state, "Z" | "X"),
            started: started.parse().ok()?,
        })
    }
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use super::*;

    fn this() -> Holder {
        Holder::this_process(None)
    }

    fn in_pod(pod: &str) -> Holder {
        Holder::this_process(Some(pod.to_owned()))
    }

    /// A process that lives until its standard input is closed.
    fn child() -> (Child, Holder) {
        let child = Command::new("cat").env_clear().stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let started = Stat::of(&pid.to_string()).unwrap().started;
        let holder = Holder { pid, started, ..this() };
        (child, holder)
    }

    #[test]
    fn this_process_is_known_and_not_gone() {
        let this = this();
        assert!(
            !this.host.is_empty() && this.boot.len() == 36 && this.pids.starts_with("pid:["),
            "{this:?}"
        );
        assert!(this.pid == std::process::id() && this.started > 0, "{this:?}");
        assert!(!this.is_provably_gone(&this));
        assert!(!in_pod("p").is_provably_gone(&in_pod("p")));
        assert_eq!(this, Holder::this_process(Some(String::new())));
    }

    #[test]
    fn a_process_is_gone_when_it_has_ended_and_not_before() {
        let (mut child, holder) = child();
        let this = this();
        assert!(!holder.is_provably_gone(&this), "it is alive");
        drop(child.stdin.take());
        let begun = Instant::now();
        while !Stat::of(&holder.pid.to_string()).unwrap().ended {
            assert!(begun.elapsed() < Duration::from_secs(10), "`cat` does not end");
            sleep(Duration::from_millis(5));
        }
        assert!(holder.is_provably_gone(&this), "it is a zombie");
        child.wait().unwrap();
        assert!(holder.is_provably_gone(&this), "it was waited for");
    }

    #[test]
    fn another_process_with_the_same_id_is_not_the_holder() {
        let this = this();
        let earlier = Holder {
            started: this.started - 1,
            ..this.clone()
        };
        assert!(earlier.is_provably_gone(&this));
    }

    #[test]
    fn nothing_is_proven_about_another_machine() {
        let this = this();
        let gone = Holder {
            started: this.started - 1,
            ..this.clone()
        };
        for elsewhere in [
            Holder {
                host: "another".into(),
                ..gone.clone()
            },
            Holder {
                boot: "another".into(),
                ..gone.clone()
            },
            Holder {
                pids: "pid:[1]".into(),
                ..gone.clone()
            },
            Holder {
                pod: Some("p".into()),
                host: "another".into(),
                ..gone.clone()
            },
        ] {
            assert!(!elsewhere.is_provably_gone(&this), "{elsewhere:?}");
            assert!(!elsewhere.is_provably_gone(&in_pod("q")), "{elsewhere:?}");
        }
    }

    #[test]
    fn nothing_is_proven_by_what_is_not_known() {
        let this = this();
        let gone = Holder {
            started: this.started - 1,
            ..this.clone()
        };
        let without: [fn(&mut Holder); 5] = [
            |holder| holder.host.clear(),
            |holder| holder.boot.clear(),
            |holder| holder.pids.clear(),
            |holder| holder.pid = 0,
            |holder| holder.started = 0,
        ];
        for forget in without {
            let (mut them, mut us) = (gone.clone(), this.clone());
            forget(&mut them);
            assert!(!them.is_provably_gone(&us), "{them:?}");
            forget(&mut us);
            assert!(!them.is_provably_gone(&us) && !gone.is_provably_gone(&us), "{us:?}");
        }
        let beyond = Holder { pid: u32::MAX, ..gone };
        assert!(!beyond.is_provably_gone(&this));
    }

    #[test]
    fn in_a_pod_the_container_that_was_started_again_is_gone() {
        let this = in_pod("p");
        let before = Holder {
            pids: "pid:[1]".into(),
            ..this.clone()
        };
        assert!(before.is_provably_gone(&this));
        assert!(!before.is_provably_gone(&in_pod("q")));
        assert!(!before.is_provably_gone(&Holder::this_process(None)));
        let unknown = Holder {
            pids: String::new(),
            ..this.clone()
        };
        assert!(!unknown.is_provably_gone(&this) && !before.is_provably_gone(&unknown));
        let nowhere = |holder: &Holder| Holder {
            pod: Some(String::new()),
            ..holder.clone()
        };
        assert!(!nowhere(&before).is_provably_gone(&nowhere(&this)));
    }

    #[test]
    fn in_a_pod_a_second_process_of_the_container_is_looked_up() {
        let (mut child, holder) = child();
        let this = in_pod("p");
        let second = Holder {
            pod: Some("p".into()),
            host: String::new(),
            ..holder
        };
        assert!(!second.is_provably_gone(&this));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(second.is_provably_gone(&this));
    }

    #[test]
    fn a_process_that_proc_hides_is_not_gone() {
        let stat = |ended, started| Some(Stat { pid: 7, ended, started });
        assert!(!ended(Err(Errno::PERM), None, 5), "hidden");
        assert!(!ended(Ok(()), None, 5));
        assert!(!ended(Err(Errno::PERM), stat(false, 5), 5));
        assert!(ended(Err(Errno::PERM), stat(false, 6), 5), "the id was used again");
        assert!(ended(Ok(()), stat(true, 5), 5), "a zombie");
        assert!(ended(Err(Errno::SRCH), None, 5));
        assert!(!ended(Err(Errno::INVAL), None, 5), "no answer");
    }

    #[test]
    fn a_commands_name_may_have_anything_in_it() {
        let stat = |front: &str, state: char| {
            Stat::parse(&format!(
                "{front} {state} 1 7 7 0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 815 2170880 200 18446744\n"
            ))
        };
        let alive = Some(Stat {
            pid: 7,
            ended: false,
            started: 815,
        });
        for name in ["(cat)", "(a b)", "()", "(x) Z 1 (y)", "(\u{fffd}))"] {
            assert_eq!(stat(&format!("7 {name}"), 'S'), alive, "{name}");
        }
        assert_eq!(stat("7 (cat)", 'Z').map(|stat| stat.ended), Some(true));
        assert_eq!(stat("7 (cat)", 'X').map(|stat| stat.ended), Some(true));
        assert_eq!(stat("x (cat)", 'S'), None);
        assert_eq!(Stat::parse("7 (cat) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_holder_is_shown_by_its_pod_or_by_host_and_process() {
        let shown = |pod: Option<&str>| {
            Holder {
                host: "bastion".into(),
                pid: 123,
                ..Holder::this_process(pod.map(str::to_owned))
            }
            .to_string()
        };
        assert_eq!(shown(Some("1234")), "pod 1234");
        assert_eq!(shown(None), "bastion, process 123");
    }
}
