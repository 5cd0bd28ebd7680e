//! Whose turn it is: many users are under way at once, and one that waits is an entry in a list, not a thread.
//!
//! Time comes in as a parameter, so that a test can make it up.

use std::collections::VecDeque;
use std::time::Duration;

/// Work that has to be done, and work that has to wait.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    fresh: VecDeque<T>,
    waiting: Vec<(Duration, T)>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<T> {
    /// This.
    Do(T),
    /// Nothing before that time.
    Wait(Duration),
    /// Nothing.
    Nothing,
}

impl<T> Schedule<T> {
    /// Nothing but work that has not been begun.
    pub(super) fn new(fresh: impl IntoIterator<Item = T>) -> Schedule<T> {
        Schedule {
            fresh: fresh.into_iter().collect(),
            waiting: Vec::new(),
        }
    }

    /// Work that is to be gone on with at that time.
    pub(super) fn wait(&mut self, until: Duration, work: T) {
        self.waiting.push((until, work));
    }

    /// What waits and is due comes before what was not begun: a lock that is held has to be renewed, a key that was made has
    /// to be tried.
    pub(super) fn turn(&mut self, now: Duration) -> Turn<T> {
        let next = (0..self.waiting.len()).min_by_key(|&at| self.waiting[at].0);
        match next.map(|at| (at, self.waiting[at].0)) {
            Some((at, until)) if until <= now => Turn::Do(self.waiting.swap_remove(at).1),
            waiting => match (self.fresh.pop_front(), waiting) {
                (Some(work), _) => Turn::Do(work),
                (None, Some((_, until))) => Turn::Wait(until),
                (None, None) => Turn::Nothing,
            },
        }
    }

    /// What there would be to do, without taking it.
    pub(super) fn peek(&self) -> Turn<()> {
        match (
            self.fresh.is_empty(),
            self.waiting.iter().map(|(until, _)| *until).min(),
        ) {
            (false, _) => Turn::Do(()),
            (true, Some(until)) => Turn::Wait(until),
            (true, None) => Turn::Nothing,
        }
    }

    /// All that is left, in no certain order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.fresh.drain(..).chain(self.waiting.drain(..).map(|(_, work)| work))
    }

    /// Everything that waits is due: there is no time left.
    pub(super) fn hurry(&mut self) {
        for (until, _) in &mut self.waiting {
            *until = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_due_comes_first_and_then_what_was_not_begun() {
        let mut schedule = Schedule::new(["a", "b"]);
        assert_eq!(schedule.turn(s(0)), Turn::Do("a"));
        schedule.wait(s(10), "a");
        assert_eq!(schedule.turn(s(1)), Turn::Do("b"));
        schedule.wait(s(5), "b");
        assert_eq!(schedule.turn(s(2)), Turn::Wait(s(5)));
        assert_eq!(schedule.turn(s(11)), Turn::Do("b"));
        assert_eq!(schedule.turn(s(11)), Turn::Do("a"));
        assert_eq!(schedule.turn(s(11)), Turn::Nothing);
        schedule.wait(s(99), "c");
        schedule.hurry();
        assert_eq!(schedule.turn(s(0)), Turn::Do("c"));
    }
}
