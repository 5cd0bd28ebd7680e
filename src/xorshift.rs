//! Numbers for tests that are the same in every run.

/// Marsaglia's xorshift: the next number, below `limit`. The state is not 0.
pub(crate) fn below(state: &mut u64, limit: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % limit
}
