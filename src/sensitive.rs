//! Values that must never be seen: secret access keys, passwords, tokens.

use std::fmt;

use zeroize::Zeroize;

/// A secret value. It has no `Display`, its `Debug` prints `[redacted]`, and it is wiped when dropped.
///
/// Equality is for telling whether two Secrets hold the same pair; it is not constant-time, since no attacker gets to
/// compare anything here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Marks `value` as secret.
    pub fn new(value: T) -> Sensitive<T> {
        Sensitive(value)
    }

    /// The value itself. Every caller is a place where a leak could begin: keep them few.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Sensitive::new(String::from("wJalrXUtnFEMI"));
        assert_eq!(
            format!("{secret:?} {:#?}", Some(&secret)),
            "[redacted] Some(\n    [redacted],\n)"
        );
    }
}
