//! What records look like, and what is not taken for one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::aws::AccessKeyId;

pub(super) const UID: &str = "5f0a1c9e-7d0e-4f0e-9c51-0b7f2f1f3a55";

pub(super) const A_JOURNAL: &str = concat!(
    r#"{"version":1,"uid":"5f0a1c9e-7d0e-4f0e-9c51-0b7f2f1f3a55","user":"AIDACKCEVSQ6C2EXAMPLE","#,
    r#""run":"0123456789abcdef","holder":{"pod":null,"host":"bastion","boot":"0f1e","pids":"pid:[4026531836]","#,
    r#""pid":4711,"started":815},"begun":"2026-11-24T21:00:00Z","renewed":"2026-11-24T21:00:30Z","#,
    r#""group":["shop/aws"],"known":["AKIAIOSFODNN7EXAMPLE"],"#,
    r#""windows":[{"from":"2026-11-24T20:59:59Z","to":"2026-11-24T21:01:00Z"}],"#,
    r#""made":["AKIAI44QH8DHBEXAMPLE"],"released":false}"#
);

pub(super) const A_HISTORY: &str = concat!(
    r#"{"version":1,"uid":"5f0a1c9e-7d0e-4f0e-9c51-0b7f2f1f3a55","current":"AKIAI44QH8DHBEXAMPLE","#,
    r#""since":"2026-11-24T21:00:00Z","keys":{"AKIAIOSFODNN7EXAMPLE":"#,
    r#"{"what":"replaced","until":"2026-11-25T21:00:00Z","deactivated":true}}}"#
);

pub(super) fn id(text: &str) -> AccessKeyId {
    AccessKeyId::parse(text).unwrap()
}

/// The reason why it cannot be read.
pub(super) fn why<T: std::fmt::Debug>(read: Read<T>) -> String {
    match read {
        Read::Unreadable(why) => why,
        Read::None | Read::Void | Read::Valid(_) => panic!("{read:?}"),
    }
}

fn journal_with(name: &str, value: Value) -> String {
    let mut object: Value = serde_json::from_str(A_JOURNAL).unwrap();
    object[name] = value;
    object.to_string()
}

fn history_with(name: &str, value: Value) -> String {
    let mut object: Value = serde_json::from_str(A_HISTORY).unwrap();
    object[name] = value;
    object.to_string()
}

#[test]
fn a_journal_is_written_like_this() {
    let written = Journal {
        uid: UID.into(),
        user: "AIDACKCEVSQ6C2EXAMPLE".into(),
        run: "0123456789abcdef".into(),
        holder: serde_json::from_value(json!({
            "pod": null, "host": "bastion", "boot": "0f1e", "pids": "pid:[4026531836]", "pid": 4711, "started": 815
        }))
        .unwrap(),
        begun: 1_795_554_000,
        renewed: 1_795_554_030,
        group: vec!["shop/aws".into()],
        known: BTreeSet::from([id("AKIAIOSFODNN7EXAMPLE")]),
        windows: vec![Window {
            from: 1_795_553_999,
            to: 1_795_554_060,
        }],
        made: BTreeSet::from([id("AKIAI44QH8DHBEXAMPLE")]),
        released: false,
    };
    assert_eq!(written.to_text(), A_JOURNAL);
    assert_eq!(journal(Some(A_JOURNAL), UID), Read::Valid(written));
}

#[test]
fn a_history_is_written_like_this() {
    let entry = Entry {
        what: What::Replaced,
        until: Some(1_795_640_400),
        deactivated: true,
    };
    let written = History {
        uid: UID.into(),
        current: Some(id("AKIAI44QH8DHBEXAMPLE")),
        since: Some(1_795_554_000),
        keys: BTreeMap::from([(id("AKIAIOSFODNN7EXAMPLE"), entry)]),
    };
    assert_eq!(written.to_text(), A_HISTORY);
    assert_eq!(history(Some(A_HISTORY), UID), Read::Valid(written));
}

#[test]
fn no_annotation_is_no_record_and_an_empty_one_is_a_broken_record() {
    assert_eq!(journal(None, UID), Read::None);
    assert_eq!(why(journal(Some(""), UID)), "it is cut off or no JSON of this kind");
}

#[test]
fn a_newer_version_is_told_from_a_broken_record() {
    let newer = "expected version 1, it is 2: written by a newer version of this program";
    assert_eq!(why(journal(Some(r#"{"version":2,"new":1.5}"#), UID)), newer);
    assert_eq!(why(history(Some(&history_with("version", json!(2))), "another")), newer);
    let zero = journal_with("version", json!(0));
    assert_eq!(why(journal(Some(&zero), UID)), "expected version 1, it is 0");
    for none in [json!("1"), json!(1.0), json!(-1), json!(null)] {
        let text = journal_with("version", none);
        assert_eq!(why(journal(Some(&text), UID)), "expected version 1, it names none");
    }
}

#[test]
fn what_came_along_with_a_copy_is_void_even_if_it_is_odd() {
    assert_eq!(journal(Some(A_JOURNAL), "another"), Read::Void);
    assert_eq!(history(Some(A_HISTORY), "another"), Read::Void);
    assert_eq!(
        history(Some(r#"{"version":1,"uid":"u","odd":true}"#), "another"),
        Read::Void
    );
    assert_eq!(
        why(history(Some(r#"{"version":1,"odd":true}"#), "another")),
        "expected the fields of version 1 and no others, each of its kind"
    );
}

#[test]
fn a_journal_with_a_flaw_is_not_read() {
    let kinds = "expected the fields of version 1 and no others, each of its kind";
    let time = "expected every time to be such as `2026-11-24T21:00:00Z`";
    let key_id = "expected every access key id to be 16 to 128 capital letters and digits";
    let user = "expected `user` to be the unique id of an IAM user, such as AIDACKCEVSQ6C2EXAMPLE";
    let run = "expected `run` to be 16 hexadecimal digits";
    let group = "expected `group` to name each Secret as namespace/name";
    let (from, to) = ("2026-11-24T21:00:01Z", "2026-11-24T21:00:00Z");
    for (name, value, expected) in [
        ("odd", json!(1), kinds),
        ("uid", json!(7), kinds),
        ("user", json!(""), user),
        ("user", json!("AIDA/C"), user),
        ("run", json!("0123456789abcde"), run),
        ("run", json!("0123456789ABCDEF"), run),
        ("holder", json!({}), "missing field `pod`"),
        ("holder", json!("me"), kinds),
        ("begun", json!(1_795_554_000), kinds),
        ("begun", json!("yesterday"), time),
        ("begun", json!("2026-11-24T21:00:00.5Z"), time),
        ("begun", json!("2026-11-24T21:00:00+00:00"), time),
        ("begun", json!("2026-11-24t21:00:00z"), time),
        ("begun", json!("2026-11-24T23:59:60Z"), time),
        ("begun", json!("2026-11-31T21:00:00Z"), time),
        (
            "renewed",
            json!("2026-11-24T20:59:59Z"),
            "expected `renewed` not to be before `begun`",
        ),
        ("group", json!(["shop"]), group),
        ("group", json!(["shop/aws/x"]), group),
        ("group", json!(["shop/"]), group),
        ("known", json!(["AKIA"]), key_id),
        ("known", json!([7]), kinds),
        ("windows", json!([{"from": from}]), "missing field `to`"),
        (
            "windows",
            json!([{"from": from, "to": to}]),
            "expected no window's `to` to be before its `from`",
        ),
        ("windows", json!([{"from": from, "to": from, "at": to}]), kinds),
        ("made", json!(["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]), key_id),
        ("made", json!(null), kinds),
        ("released", json!("false"), kinds),
    ] {
        assert_eq!(
            why(journal(Some(&journal_with(name, value.clone())), UID)),
            expected,
            "{name}: {value}"
        );
    }
}

#[test]
fn a_history_with_a_flaw_is_not_read() {
    let kinds = "expected the fields of version 1 and no others, each of its kind";
    let keys = |entry: Value| json!({"AKIAIOSFODNN7EXAMPLE": entry});
    for (name, value, expected) in [
        ("odd", json!(1), kinds),
        ("current", json!(7), kinds),
        ("since", json!(7), kinds),
        ("keys", json!([]), kinds),
        (
            "keys",
            keys(json!({"what": "orphan", "until": null})),
            "missing field `deactivated`",
        ),
        (
            "keys",
            keys(json!({"what": "orphan", "deactivated": true})),
            "missing field `until`",
        ),
        (
            "keys",
            keys(json!({"what": "foreign", "until": null, "deactivated": true})),
            kinds,
        ),
        (
            "keys",
            json!({"akia": {"what": "orphan", "until": null, "deactivated": true}}),
            "expected every access key id to be 16 to 128 capital letters and digits",
        ),
    ] {
        assert_eq!(
            why(history(Some(&history_with(name, value.clone())), UID)),
            expected,
            "{name}: {value}"
        );
    }
}

#[test]
fn no_field_may_be_missing() {
    for (text, is_journal) in [(A_JOURNAL, true), (A_HISTORY, false)] {
        let whole: Value = serde_json::from_str(text).unwrap();
        for name in whole.as_object().unwrap().keys().filter(|name| *name != "version") {
            let mut part = whole.clone();
            part.as_object_mut().unwrap().remove(name);
            let part = part.to_string();
            let why = if is_journal {
                why(journal(Some(&part), UID))
            } else {
                why(history(Some(&part), UID))
            };
            assert_eq!(why, format!("missing field `{name}`"));
        }
    }
}

#[test]
fn a_name_that_occurs_twice_is_not_read() {
    let entry = r#""AKIAIOSFODNN7EXAMPLE":{"what":"replaced","until":null,"deactivated":true}"#;
    let twice = [
        A_JOURNAL.replacen('{', r#"{"uid":"another","#, 1),
        A_JOURNAL.replacen('{', r#"{"version":1,"#, 1),
        A_JOURNAL.replacen(r#"{"pod""#, r#"{"pod":"p","pod""#, 1),
        A_HISTORY.replacen(r#""keys":{"#, &format!(r#""keys":{{{entry},"#), 1),
    ];
    for text in twice {
        assert_eq!(
            why(journal(Some(&text), UID)),
            "it is cut off or no JSON of this kind",
            "{text}"
        );
    }
}

#[test]
fn what_is_behind_the_end_is_not_passed_over() {
    for more in ["x", "{}", ",", "}", "\0"] {
        assert_eq!(
            why(journal(Some(&format!("{A_JOURNAL}{more}")), UID)),
            "it is cut off or no JSON of this kind"
        );
    }
}

#[test]
fn a_record_has_its_longest() {
    let padded = |length: usize| format!("{A_JOURNAL}{}", " ".repeat(length - A_JOURNAL.len()));
    assert!(matches!(journal(Some(&padded(65_536)), UID), Read::Valid(_)));
    assert_eq!(
        why(journal(Some(&padded(65_537)), UID)),
        "expected at most 65536 bytes, it has 65537"
    );
    let deep = format!(r#"{{"version":1,"odd":{}"#, "[".repeat(60_000));
    assert_eq!(why(journal(Some(&deep), UID)), "it is cut off or no JSON of this kind");
}

/// A secret in the wrong field must not get into a log by way of the reason.
#[test]
fn a_reason_quotes_nothing() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let whole: Value = serde_json::from_str(A_JOURNAL).unwrap();
    for name in whole.as_object().unwrap().keys().map(String::as_str).chain([secret]) {
        for value in [
            json!(secret),
            json!([secret]),
            json!({secret: secret}),
            json!([{secret: 1}]),
        ] {
            if name != "uid" || !value.is_string() {
                let why = why(journal(Some(&journal_with(name, value)), UID));
                assert!(!why.contains("wJalr"), "{why}");
            }
        }
    }
}

#[test]
fn what_a_clock_set_back_left_is_readable() {
    let Read::Valid(mut written) = journal(Some(A_JOURNAL), UID) else {
        panic!()
    };
    written.renewed = written.begun - 2;
    written.windows = vec![Window { from: 9, to: 8 }];
    let Read::Valid(found) = journal(Some(&written.to_text()), UID) else {
        panic!()
    };
    assert_eq!(found.renewed, written.begun);
    assert_eq!(found.windows, [Window { from: 9, to: 9 }]);
}

#[test]
fn a_grace_without_end_ends_with_the_year_9999() {
    let Read::Valid(mut written) = history(Some(A_HISTORY), UID) else {
        panic!()
    };
    written.since = Some(i64::MIN);
    written.keys.values_mut().for_each(|entry| entry.until = Some(i64::MAX));
    let text = written.to_text();
    assert!(text.contains(r#""until":"9999-12-31T23:59:59Z""#), "{text}");
    assert!(text.contains(r#""since":"1970-01-01T00:00:00Z""#), "{text}");
    assert!(matches!(history(Some(&text), UID), Read::Valid(_)));
}
