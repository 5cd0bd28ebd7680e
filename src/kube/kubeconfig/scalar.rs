//! Scalars of YAML without quotes.

use serde_json::{Number, Value};

/// What a scalar without quotes means by YAML 1.1, as kubectl reads it.
pub(super) fn meaning(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    match number(text) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !first.is_ascii_digit() && !b"+-.".contains(&first) {
        return None;
    }
    let digits = text.replace('_', "");
    let (negative, magnitude) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let whole = |digits: &str, radix| {
        if digits.starts_with(['+', '-']) {
            return None;
        }
        let value = u64::from_str_radix(digits, radix).ok()?;
        match (negative, i64::try_from(value)) {
            (true, Ok(value)) => Some(Number::from(-value)),
            (true, Err(_)) => None,
            (false, _) => Some(Number::from(value)),
        }
    };
    let prefixed = [("0x", 16), ("0b", 2), ("0o", 8)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((magnitude.strip_prefix(prefix)?, radix)));
    let octal = magnitude.len() > 1 && magnitude.starts_with('0') && magnitude.bytes().all(|b| b.is_ascii_digit());
    let found = match prefixed {
        Some((digits, radix)) => whole(digits, radix),
        None if octal => whole(magnitude, 8),
        None => whole(magnitude, 10),
    };
    let float = || {
        let of_a_float = |b: u8| b.is_ascii_digit() || b".eE+-".contains(&b);
        if !magnitude.bytes().all(of_a_float) || !magnitude.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        Number::from_f64(digits.parse().ok()?)
    };
    found.or_else(float)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_those_of_yaml_1_1() {
        for (text, expected) in [
            ("yes", json!(true)),
            ("No", json!(false)),
            ("ON", json!(true)),
            ("y", json!(true)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("", json!(null)),
            ("v1", json!("v1")),
            ("1.2.3", json!("1.2.3")),
            ("2026-11-25", json!("2026-11-25")),
            ("10.0.0.1", json!("10.0.0.1")),
            ("-", json!("-")),
            ("0x", json!("0x")),
            ("0o17", json!(15)),
            ("-0b11", json!(-3)),
            ("-9223372036854775809", json!(-9_223_372_036_854_775_808.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1e3", json!(1000.0)),
            ("09", json!(9.0)),
            ("+-1", json!("+-1")),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }
}
