//! Lengths of time as people write them: `90d`, `12h`, `30m`, `1d12h`, `45s`.

use std::time::Duration;

/// What is expected, for messages.
pub const EXPECTED: &str =
    "expected numbers with units in the order d, h, m, s, such as `90d`, `1d12h`, `30m` or `45s`";

/// Reads a length of time. Every number has a unit, each unit occurs once, and they go from the largest to the smallest.
pub fn parse(text: &str) -> Option<Duration> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, seconds) in UNITS {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 && rest[digits..].starts_with(unit) {
            let count: u64 = rest[..digits].parse().ok()?;
            total = total.checked_add(count.checked_mul(seconds)?)?;
            rest = &rest[digits + 1..];
        }
    }
    (rest.is_empty() && !text.is_empty()).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let seconds = |text| parse(text).map(|length| length.as_secs());
        assert_eq!(seconds("90d"), Some(7_776_000));
        assert_eq!(seconds("1d12h"), Some(129_600));
        assert_eq!(seconds("1d2h3m4s"), Some(93_784));
        assert_eq!(seconds("0s"), Some(0));
        for bad in [
            "",
            "5",
            "d",
            "12h1d",
            "1h1h",
            "1 h",
            "-1h",
            "1.5h",
            "1w",
            "99999999999999999999d",
            "213503982334602d",
            "1hx",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
