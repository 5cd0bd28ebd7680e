//! The steps that can be decided on, and how a rotation can end.

use super::keys::{Key, Keys};

/// What to do next. Secrets are named by their place in [`Observation::secrets`](super::Observation::secrets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Read this Secret again.
    Reread(usize),
    /// List the user's keys.
    ListKeys,
    /// List them again after a pause: the listing contradicts something.
    Settle,
    /// Ask STS whose key it is.
    Identify,
    /// Write a journal to a Secret that has none of this run.
    Lock(usize),
    /// Write this run's journal anew, with what it knows now.
    Record(usize),
    /// Create a key.
    Create,
    /// Try whether the services accept this key.
    Probe(Key),
    /// Write the pair of this key to a Secret.
    Publish(usize, Key),
    /// Read all Secrets in scope.
    Look,
    /// Delete a key.
    Delete(Key),
    /// Deactivate a key.
    Deactivate(Key),
    /// Take this run's journal off a Secret; the rotation is to end like this.
    Clear(usize, Outcome),
    /// Mark this run's journal on a Secret as one that anybody may take over; the rotation is to end like this.
    Release(usize, Outcome),
    /// Wait for the time that this names.
    Wait(For),
    /// That was it.
    Finish(Outcome),
}

/// What a run waits for. While it does, it renews its journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum For {
    /// The time of the next probe.
    Probe,
    /// The end of the window of a create whose outcome is not known.
    Window,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Every Secret holds the new key, and what it replaces is gone, or may stay for now.
    Rotated,
    /// The keys are young enough, and there was nothing else to do.
    NotDue,
    /// Leftovers were removed, or Secrets brought together; no key was replaced.
    Tidied,
    /// A replaced key may stay for now, and no further one can be made before it goes.
    Waiting(Key),
    /// Another run has the user in hand. Names the Secret whose journal says so.
    InProgress(usize),
    /// The run came to its end before this was done.
    Stopped,
    /// Another run has taken over, or somebody has removed a journal.
    Lost(usize),
    /// A record on this Secret cannot be read.
    Unreadable(usize),
    /// This Secret holds a key that IAM does not list.
    NotListed(usize),
    /// The key in this Secret is not active.
    Inactive(usize),
    /// It is the account root's key.
    Root,
    /// It is no user's key.
    NoUser,
    /// This Secret is immutable.
    Immutable(usize),
    /// This Secret cannot be written.
    Unwritable(usize),
    /// The user has keys that no Secret holds and no record names.
    Foreign(Keys),
    /// No Secret is left that holds a key of the user.
    Gone,
    /// Another Secret of this user turned up.
    Newcomer,
    /// A Secret that is not of the group speaks of its key.
    Elsewhere,
    /// The create was refused.
    NotCreated,
    /// A create got no answer. What it may have made is made inactive, for a later run to delete.
    CreateUnknown,
    /// The new key was not accepted in time.
    NotTrusted(Key),
    /// Several keys are held, and none of them stood the test.
    Unverified,
    /// No Secret could be written with the new pair.
    NotPublished(Key),
    /// Not every Secret could be written with the new pair.
    InPart(Key),
    /// This key could not be deleted or deactivated.
    Remains(Key),
}
