//! Each kind of configuration that people have, and what becomes of it.

use super::*;

pub(super) const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
pub(super) const FIPS: &str = "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com";

/// A login `AWS:new` to `HOST`, and one `AWS:fips` to `FIPS`.
pub(super) fn entries() -> [Entry; 2] {
    [(HOST, "QVdTOm5ldw=="), (FIPS, "QVdTOmZpcHM=")].map(|(host, authorization)| Entry {
        host: host.into(),
        authorization: Sensitive::new(authorization.into()),
    })
}

fn merged(form: Form, current: &str, entries: &[Entry]) -> Result<String, BadConfig> {
    let value = merge(form, Some(current.as_bytes()), entries)?;
    Ok(String::from_utf8(value.expose().clone()).unwrap())
}

/// `NEW` stands for the new login to `HOST`, and `FRESH` for its member in whole.
fn text(template: &str) -> String {
    template
        .replace("FRESH", r#""HOST":{NEW}"#)
        .replace("NEW", r#""auth":"QVdTOm5ldw==""#)
        .replace("FIPS", FIPS)
        .replace("HOST", HOST)
}

/// Name, what is there, what becomes of it.
type Case = (&'static str, &'static str, &'static str);

/// One login is merged into `.dockerconfigjson`.
const WRAPPED: &[Case] = &[
    // A start.
    ("empty", "", r#"{"auths":{FRESH}}"#),
    ("white space", " \r\n\t", r#"{"auths":{FRESH}}"#),
    ("an empty object", "{}", r#"{"auths":{FRESH}}"#),
    ("an empty object and a line's end", "{ }\n", "{\"auths\":{FRESH} }\n"),
    ("empty auths", r#"{"auths":{}}"#, r#"{"auths":{FRESH}}"#),
    (
        "empty auths in lines",
        "{\n  \"auths\": {\n  }\n}",
        "{\n  \"auths\": {FRESH\n  }\n}",
    ),
    ("auths null", r#"{"auths":null}"#, r#"{"auths":{FRESH}}"#),
    (
        "no auths",
        r#"{"HttpHeaders":{"a":"b"}}"#,
        r#"{"HttpHeaders":{"a":"b"},"auths":{FRESH}}"#,
    ),
    // Foreign registries.
    (
        "another registry",
        r#"{"auths":{"ghcr.io":{"auth":"eDp5"}}}"#,
        r#"{"auths":{"ghcr.io":{"auth":"eDp5"},FRESH}}"#,
    ),
    (
        "username and password only",
        r#"{"auths":{"ghcr.io":{"username":"u","password":"p\u00e4ß"}}}"#,
        r#"{"auths":{"ghcr.io":{"username":"u","password":"p\u00e4ß"},FRESH}}"#,
    ),
    (
        "another registry's identity token",
        r#"{"auths":{"x.azurecr.io":{"auth":"MDAwMDo=","identitytoken":"t"}}}"#,
        r#"{"auths":{"x.azurecr.io":{"auth":"MDAwMDo=","identitytoken":"t"},FRESH}}"#,
    ),
    (
        "another registry, twice",
        r#"{"auths":{"ghcr.io":{"auth":"eDp5"},"ghcr.io":{"auth":"eDp6"}}}"#,
        r#"{"auths":{"ghcr.io":{"auth":"eDp5"},"ghcr.io":{"auth":"eDp6"},FRESH}}"#,
    ),
    (
        "other registries that are no objects",
        r#"{"auths":{"a":null,"b":"x","c":[1,{}],"d":7}}"#,
        r#"{"auths":{"a":null,"b":"x","c":[1,{}],"d":7,FRESH}}"#,
    ),
    (
        "an account of almost the same number, and another region",
        r#"{"auths":{"1HOST":{},"xHOST":{},"HOST.cn":{},"123456789012.dkr.ecr.eu-west-2.amazonaws.com":{}}}"#,
        r#"{"auths":{"1HOST":{},"xHOST":{},"HOST.cn":{},"123456789012.dkr.ecr.eu-west-2.amazonaws.com":{},FRESH}}"#,
    ),
    (
        "a pattern of hosts",
        r#"{"auths":{"*.dkr.ecr.eu-west-1.amazonaws.com":{"auth":"b2xk"}}}"#,
        r#"{"auths":{"*.dkr.ecr.eu-west-1.amazonaws.com":{"auth":"b2xk"},FRESH}}"#,
    ),
    (
        "a repository of the registry with a login of its own",
        r#"{"auths":{"HOST/team":{"auth":"b2xk"},"https://HOST/v2/team":{"auth":"b2xk"},"HOST:5000":{}}}"#,
        r#"{"auths":{"HOST/team":{"auth":"b2xk"},"https://HOST/v2/team":{"auth":"b2xk"},"HOST:5000":{},FRESH}}"#,
    ),
    // The registry's own entry.
    (
        "the host with an old login",
        r#"{"auths":{"HOST":{"auth":"b2xk"}}}"#,
        r#"{"auths":{FRESH}}"#,
    ),
    (
        "the host without one",
        r#"{"auths":{"HOST":{}}}"#,
        r#"{"auths":{FRESH}}"#,
    ),
    (
        "what else its entry has stays",
        r#"{"auths":{"HOST":{"email":"e@x","auth":"b2xk","n":1.50}}}"#,
        r#"{"auths":{"HOST":{"email":"e@x",NEW,"n":1.50}}}"#,
    ),
    (
        "as kubectl writes it",
        r#"{"auths":{"HOST":{"username":"AWS","password":"old","email":"e","auth":"QVdTOm9sZA=="}}}"#,
        r#"{"auths":{"HOST":{"username":"AWS","password":"new","email":"e",NEW}}}"#,
    ),
    (
        "username and password without auth",
        r#"{"auths":{"HOST":{"username":"x","password":7}}}"#,
        r#"{"auths":{"HOST":{"username":"AWS","password":"new",NEW}}}"#,
    ),
    (
        "an identity token would be taken first",
        r#"{"auths":{"HOST":{"auth":"b2xk","identitytoken":"t"}}}"#,
        r#"{"auths":{FRESH}}"#,
    ),
    (
        "a registry token would be taken first",
        r#"{"auths":{"HOST":{"registrytoken":"t","IdentityToken":"t","email":"e"}}}"#,
        r#"{"auths":{"HOST":{"email":"e",NEW}}}"#,
    ),
    (
        "members of the entry in other letters, and twice",
        r#"{"auths":{"HOST":{"Auth":"b2xk","auth":"b2xk","auth":1,"PASSWORD":"old"}}}"#,
        r#"{"auths":{"HOST":{"Auth":"QVdTOm5ldw==",NEW,NEW,"PASSWORD":"new"}}}"#,
    ),
    (
        "auth in other letters only",
        r#"{"auths":{"HOST":{"AUTH":"b2xk"}}}"#,
        r#"{"auths":{"HOST":{"AUTH":"QVdTOm5ldw==",NEW}}}"#,
    ),
    (
        "members of the entry with escapes",
        r#"{"auths":{"HOST":{"a\u0075th":"b2xk","\ud800":1,"e\/":"\ud800"}}}"#,
        r#"{"auths":{"HOST":{"a\u0075th":"QVdTOm5ldw==","\ud800":1,"e\/":"\ud800"}}}"#,
    ),
    ("an entry null", r#"{"auths":{"HOST":null}}"#, r#"{"auths":{FRESH}}"#),
    (
        "an entry that is a string",
        r#"{"auths":{"HOST":"b2xk"}}"#,
        r#"{"auths":{FRESH}}"#,
    ),
    (
        "an entry that is an array",
        r#"{"auths":{"HOST":[{"auth":"b2xk"}]}}"#,
        r#"{"auths":{FRESH}}"#,
    ),
    (
        "an entry that is a number",
        r#"{"auths":{"HOST": -0.0e-0 }}"#,
        r#"{"auths":{"HOST": {NEW} }}"#,
    ),
    (
        "the host twice",
        r#"{"auths":{"HOST":{"auth":"b2xk"},"ghcr.io":{},"HOST":{"auth":"b2xkZXI=","email":"e"}}}"#,
        r#"{"auths":{FRESH,"ghcr.io":{},"HOST":{NEW,"email":"e"}}}"#,
    ),
    // Its other spellings.
    (
        "https://, as the older tool wrote it",
        r#"{"auths":{"https://HOST":{"username":"AWS","password":"old","email":"e","auth":"b2xk"}}}"#,
        r#"{"auths":{"https://HOST":{"username":"AWS","password":"new","email":"e",NEW},FRESH}}"#,
    ),
    (
        "more spellings",
        r#"{"auths":{"http://HOST/":{},"HTTPS://HOST/v1/":{},"HOST/v2/":{},"HOST/v2":{},"HOST:443":{},"https://HOST:443/v2/":{}}}"#,
        r#"{"auths":{"http://HOST/":{NEW},"HTTPS://HOST/v1/":{NEW},"HOST/v2/":{NEW},"HOST/v2":{NEW},"HOST:443":{NEW},"https://HOST:443/v2/":{NEW},FRESH}}"#,
    ),
    (
        "capitals",
        r#"{"auths":{"123456789012.DKR.ECR.eu-west-1.amazonaws.com":{"auth":"b2xk"}}}"#,
        r#"{"auths":{"123456789012.DKR.ECR.eu-west-1.amazonaws.com":{NEW},FRESH}}"#,
    ),
    (
        "the host with escapes is the host",
        r#"{"auths":{"\u0031\u00323456789012.dkr.ecr.eu-west-1.amazonaws.com":{"auth":"b2xk"}}}"#,
        r#"{"auths":{"\u0031\u00323456789012.dkr.ecr.eu-west-1.amazonaws.com":{NEW}}}"#,
    ),
    // Helpers.
    (
        "credHelpers of others",
        r#"{"credHelpers":{"gcr.io":"gcloud"},"auths":{}}"#,
        r#"{"credHelpers":{"gcr.io":"gcloud"},"auths":{FRESH}}"#,
    ),
    (
        "credHelpers of this very host",
        r#"{"auths":{"HOST":{}},"credHelpers":{"HOST":"ecr-login", "a":"b"}}"#,
        r#"{"auths":{FRESH},"credHelpers":{"HOST":"ecr-login", "a":"b"}}"#,
    ),
    (
        "credsStore",
        r#"{"credsStore":"pass"}"#,
        r#"{"credsStore":"pass","auths":{FRESH}}"#,
    ),
    // Names that are there twice, or nearly.
    (
        "auths twice: the last is the one that is read",
        r#"{"auths":{"HOST":{"auth":"b2xk"},"a":{}},"auths":{"b":{}}}"#,
        r#"{"auths":{FRESH,"a":{}},"auths":{"b":{},FRESH}}"#,
    ),
    (
        "auths twice, the last null",
        r#"{"auths":{"a":{}},"auths":null}"#,
        r#"{"auths":{"a":{}},"auths":{FRESH}}"#,
    ),
    (
        "auths twice, the first null",
        r#"{"auths":null,"auths":{}}"#,
        r#"{"auths":null,"auths":{FRESH}}"#,
    ),
    (
        "Auths, which Go takes for auths",
        r#"{"Auths":{"HOST":{"auth":"b2xk"},"a":{}}}"#,
        r#"{"Auths":{FRESH,"a":{}},"auths":{FRESH}}"#,
    ),
    (
        "auths with an escape",
        r#"{"\u0061uths":{"a":{}}}"#,
        r#"{"\u0061uths":{"a":{},FRESH}}"#,
    ),
    (
        "other members twice",
        r#"{"HttpHeaders":{"b":1,"a":2,"b":3},"auths":{},"HttpHeaders":{}}"#,
        r#"{"HttpHeaders":{"b":1,"a":2,"b":3},"auths":{FRESH},"HttpHeaders":{}}"#,
    ),
    // Odd JSON.
    (
        "numbers as they were written",
        r#"{"n":[1.50e3,-0,1e400,1E+2,123456789012345678901234567890],"auths":{"a":{"b":1e-400}}}"#,
        r#"{"n":[1.50e3,-0,1e400,1E+2,123456789012345678901234567890],"auths":{"a":{"b":1e-400},FRESH}}"#,
    ),
    (
        "half surrogate pairs",
        r#"{"\ud800":"\udfff","auths":{"\ud800":{"auth":"\ud800"},"a\udc00b":[]}}"#,
        r#"{"\ud800":"\udfff","auths":{"\ud800":{"auth":"\ud800"},"a\udc00b":[],FRESH}}"#,
    ),
    (
        "escapes in others' names and values",
        r#"{"auths":{"gh\u0063r.io":{"p\u0061ssword":"\u0000\/\"\\"},"":{}},"\n":0}"#,
        r#"{"auths":{"gh\u0063r.io":{"p\u0061ssword":"\u0000\/\"\\"},"":{},FRESH},"\n":0}"#,
    ),
    (
        "characters beyond ASCII",
        r#"{"auths":{"bücher.example":{"password":"🔑\u2028"}}}"#,
        r#"{"auths":{"bücher.example":{"password":"🔑\u2028"},FRESH}}"#,
    ),
    (
        "indented, and white space at both ends",
        "\n{\n\t\"auths\" : {\n\t\t\"ghcr.io\" : { \"auth\" : \"eDp5\" }\n\t} ,\n\t\"a\" : [ ]\n}\r\n",
        "\n{\n\t\"auths\" : {\n\t\t\"ghcr.io\" : { \"auth\" : \"eDp5\" },FRESH\n\t} ,\n\t\"a\" : [ ]\n}\r\n",
    ),
    (
        "an indented entry of the host",
        "{\"auths\": {\n  \"HOST\": {\n    \"auth\": \"b2xk\",\n    \"email\": [ 1 ]\n  },\n  \"a\": { }\n}}",
        "{\"auths\": {\n  \"HOST\": {NEW,\"email\":[ 1 ]},\n  \"a\": { }\n}}",
    ),
];

#[test]
fn a_login_is_merged() {
    let entries = &entries()[..1];
    let mut failed = Vec::new();
    for (name, before, after) in WRAPPED {
        let (before, after) = (text(before), text(after));
        let once = merged(Form::Wrapped, &before, entries).unwrap_or_else(|error| panic!("{name}: {error}"));
        let twice = merged(Form::Wrapped, &once, entries);
        if once != after || twice.as_ref() != Ok(&once) {
            failed.push(format!(
                "{name}:\n  {before}\n  {once}\n  {twice:?}\n  expected {after}"
            ));
        }
        let value = login_to(Form::Wrapped, once.as_bytes(), HOST).unwrap_or_else(|| panic!("{name}: no login"));
        assert_eq!(value.expose(), "QVdTOm5ldw==", "{name}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(WRAPPED.len() >= 50);
}

/// One login is merged into `.dockercfg`.
const LEGACY: &[Case] = &[
    ("empty", "", "{FRESH}"),
    ("an empty object", "{}", "{FRESH}"),
    (
        "another registry",
        r#"{"ghcr.io":{"auth":"eDp5","email":""}}"#,
        r#"{"ghcr.io":{"auth":"eDp5","email":""},FRESH}"#,
    ),
    (
        "username and password only",
        r#"{"ghcr.io":{"username":"u","password":"p"},"HOST":{"username":"u"}}"#,
        r#"{"ghcr.io":{"username":"u","password":"p"},"HOST":{"username":"AWS",NEW}}"#,
    ),
    (
        "https:// and the host, twice",
        r#"{"https://HOST/v1/":{"auth":"b2xk"},"HOST":{"auth":"b2xk"},"HOST":null}"#,
        r#"{"https://HOST/v1/":{NEW},FRESH,FRESH}"#,
    ),
    (
        "members of the other form are hosts in this one",
        r#"{"auths":{"HOST":{"auth":"b2xk"}},"credHelpers":{"HOST":"x"},"credsStore":"x"}"#,
        r#"{"auths":{"HOST":{"auth":"b2xk"}},"credHelpers":{"HOST":"x"},"credsStore":"x",FRESH}"#,
    ),
    (
        "auths that is no object is no concern",
        r#"{"auths":[]}"#,
        r#"{"auths":[],FRESH}"#,
    ),
    (
        "identity token",
        r#"{"HOST":{"identitytoken":"t"},"a":{"identitytoken":"t"}}"#,
        r#"{FRESH,"a":{"identitytoken":"t"}}"#,
    ),
    (
        "half a surrogate pair",
        r#"{"\ud800":{}, "\u0061":1e999}"#,
        r#"{"\ud800":{}, "\u0061":1e999,FRESH}"#,
    ),
    ("indented", "{\n \"a\": {}\n}\n", "{\n \"a\": {},FRESH\n}\n"),
];

#[test]
fn a_login_is_merged_in_the_older_form() {
    let entries = &entries()[..1];
    for (name, before, after) in LEGACY {
        let once = merged(Form::Legacy, &text(before), entries).unwrap();
        assert_eq!(once, text(after), "{name}");
        assert_eq!(merged(Form::Legacy, &once, entries).unwrap(), once, "{name}");
        let value = login_to(Form::Legacy, once.as_bytes(), HOST).unwrap_or_else(|| panic!("{name}: no login"));
        assert_eq!(value.expose(), "QVdTOm5ldw==", "{name}");
    }
}

/// Two logins are merged.
const SEVERAL: &[Case] = &[
    ("a start", "{}", r#"{"auths":{FRESH,"FIPS":{"auth":"QVdTOmZpcHM="}}}"#),
    (
        "one is there",
        r#"{"auths":{"FIPS":{"auth":"b2xk"},"a":{}}}"#,
        r#"{"auths":{"FIPS":{"auth":"QVdTOmZpcHM="},"a":{},FRESH}}"#,
    ),
    (
        "both are there, and each is given its own",
        r#"{"auths":{"https://FIPS":{"password":"old"},"a":{},"HOST":{"password":"old"},"FIPS":{}}}"#,
        r#"{"auths":{"https://FIPS":{"password":"fips","auth":"QVdTOmZpcHM="},"a":{},"HOST":{"password":"new",NEW},"FIPS":{"auth":"QVdTOmZpcHM="}}}"#,
    ),
];

#[test]
fn several_logins_are_merged_at_once() {
    for (name, before, after) in SEVERAL {
        let once = merged(Form::Wrapped, &text(before), &entries()).unwrap();
        assert_eq!(once, text(after), "{name}");
        assert_eq!(merged(Form::Wrapped, &once, &entries()).unwrap(), once, "{name}");
    }
    let legacy = merged(Form::Legacy, "", &entries()).unwrap();
    assert_eq!(legacy, text(r#"{FRESH,"FIPS":{"auth":"QVdTOmZpcHM="}}"#));
}

#[test]
fn of_two_logins_to_one_host_the_first_counts() {
    let [first, mut second] = entries();
    second.host = HOST.into();
    let both = [first.clone(), second];
    for start in ["{}", r#"{"auths":{"HOST":{}}}"#] {
        let once = merged(Form::Wrapped, &text(start), &both).unwrap();
        assert_eq!(once, text(r#"{"auths":{FRESH}}"#));
    }
    // A host with the port is another name, but the same registry.
    let with_port = Entry {
        host: format!("{HOST}:443"),
        ..first
    };
    let once = merged(Form::Wrapped, &text(r#"{"auths":{"HOST":{}}}"#), &[with_port]).unwrap();
    assert_eq!(once, text(r#"{"auths":{FRESH,"HOST:443":{NEW}}}"#));
}

#[test]
fn no_login_changes_nothing() {
    let current = " {\"auths\":{\"a\":{}}}\n";
    assert_eq!(merged(Form::Wrapped, current, &[]).unwrap(), current);
    assert_eq!(merge(Form::Wrapped, None, &[]).unwrap().expose(), br#"{"auths":{}}"#);
    assert_eq!(merge(Form::Legacy, None, &[]).unwrap().expose(), b"{}");
}

#[test]
fn what_is_not_understood_is_refused() {
    let somewhere = |line, column| Some((line, column));
    for form in [Form::Wrapped, Form::Legacy] {
        for (bad, place) in [
            ("[]", None),
            ("null", None),
            ("7", None),
            ("\"{}\"", None),
            ("{", somewhere(1, 1)),
            ("\u{feff}{}", somewhere(1, 1)),
            ("{\"auths\":{}} x", somewhere(1, 14)),
            ("{}{}", somewhere(1, 3)),
            ("{}\0", somewhere(1, 3)),
            ("\0", somewhere(1, 1)),
            ("{\"a\":1,}", somewhere(1, 8)),
            ("{\"a\":\n{\"b\" 1}}", somewhere(2, 6)),
            ("{\"a\":01}", somewhere(1, 7)),
            ("{\"a\":NaN}", somewhere(1, 6)),
            ("{\"a\":\"\t\"}", somewhere(1, 6)),
            ("{\"a\":\"\\x\"}", somewhere(1, 8)),
            ("{'a':1}", somewhere(1, 2)),
            ("{\"a\":[1}", somewhere(1, 8)),
            ("// a\n{}", somewhere(1, 1)),
            ("\u{c}{}", somewhere(1, 1)),
            ("e30=", somewhere(1, 1)),
        ] {
            let error = merged(form, bad, &entries()).unwrap_err();
            assert_eq!(error, BadConfig::NotAnObject(form, place), "{bad}");
            assert!(login_to(form, bad.as_bytes(), HOST).is_none());
        }
        let not_text = merge(form, Some(b"{\n\"a\":\"\xff\"}"), &entries()).unwrap_err();
        assert_eq!(not_text, BadConfig::NotAnObject(form, somewhere(2, 6)));
    }
    for bad in [
        r#"{"auths":[]}"#,
        r#"{"auths":"x"}"#,
        r#"{"auths":[],"auths":{}}"#,
        r#"{"AUTHS":0,"auths":{}}"#,
    ] {
        let error = merged(Form::Wrapped, bad, &entries()).unwrap_err();
        assert_eq!(error, BadConfig::AuthsNotAnObject, "{bad}");
    }
}

#[test]
fn errors_name_the_data_key_and_what_to_do() {
    for (error, text) in [
        (
            BadConfig::NotAnObject(Form::Legacy, None),
            "the value of `.dockercfg` is no JSON object; it is left as it is: mend it, or set it to `{}`",
        ),
        (
            BadConfig::NotAnObject(Form::Wrapped, Some((3, 14))),
            "the value of `.dockerconfigjson` is no JSON object (line 3, column 14); it is left as it is: mend it, or set it to \
             `{}`",
        ),
        (
            BadConfig::AuthsNotAnObject,
            "`auths` in the value of `.dockerconfigjson` is no JSON object; it is left as it is: mend it, or set it to `{}`",
        ),
        (
            BadConfig::TooLarge(Form::Wrapped, 1_048_577),
            "the value of `.dockerconfigjson` would have 1048577 bytes with the new logins, and a Secret may have 1048576; it \
             is left as it is: take registries out of it",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

/// Depth and length of what others wrote are no reason to fail: a parser with recursion would stop at 128, or crash.
#[test]
fn depth_is_no_obstacle() {
    let depth = 200_000;
    let deep = [&"[".repeat(depth), "{\"a\":0}", &"]".repeat(depth)].concat();
    for template in [
        r#"{"a":DEEP,"auths":{}}"#,
        r#"{"auths":{"a":DEEP}}"#,
        r#"{"auths":{"HOST":{"a":DEEP}}}"#,
    ] {
        let before = text(template).replace("DEEP", &deep);
        let after = merged(Form::Wrapped, &before, &entries()[..1]).unwrap();
        assert_eq!(after.matches(&deep).count(), 1);
        assert!(after.len() > before.len());
    }
    let broken = format!(r#"{{"a":{}}}"#, "[".repeat(depth));
    assert!(matches!(
        merged(Form::Wrapped, &broken, &entries()),
        Err(BadConfig::NotAnObject(Form::Wrapped, Some(_)))
    ));
}

/// Five thousand registries in almost a megabyte.
fn huge(room: usize) -> String {
    let registry = |number: usize| {
        let password = "x".repeat(130);
        format!(r#""registry-{number}.example":{{"username":"u{number}","password":"{password}"}},"#)
    };
    let mut text = String::from(r#"{"auths":{"#);
    text.extend((0..5000).map(registry));
    let rest = r#""z":""}}"#;
    let filling = "z".repeat(MOST_BYTES - room - text.len() - rest.len());
    text + &rest.replace("\"\"", &format!("{filling:?}"))
}

#[test]
fn a_huge_configuration_is_merged() {
    let fresh = text(",FRESH");
    let before = huge(fresh.len());
    let after = merged(Form::Wrapped, &before, &entries()[..1]).unwrap();
    assert_eq!(after.len(), MOST_BYTES);
    let (all, end) = before.split_at(before.len() - 2);
    assert!(after == [all, &fresh, end].concat());
    assert_eq!(merged(Form::Wrapped, &after, &entries()[..1]).unwrap(), after);
}

#[test]
fn more_than_a_secret_may_have_is_refused() {
    let fresh = text(",FRESH");
    let error = merged(Form::Wrapped, &huge(fresh.len() - 1), &entries()[..1]).unwrap_err();
    assert_eq!(error, BadConfig::TooLarge(Form::Wrapped, MOST_BYTES + 1));
}

#[test]
fn the_login_to_a_host_is_the_one_that_clients_use() {
    for (current, login) in [
        (r#"{"auths":{"HOST":{"auth":"eA=="}}}"#, Some("eA==")),
        (
            r#"{"auths":{"HOST":{"auth":"b2xk"},"HOST":{"auth":"b2xk","auth":"eA=="}}}"#,
            Some("eA=="),
        ),
        (r#"{"auths":{"HOST":{"a\u0075th":"e\u0041=="}}}"#, Some("eA==")),
        (r#"{"Auths":{"HOST":{"Auth":"eA=="}},"auths":{}}"#, Some("eA==")),
        // Only the host itself is what every client finds.
        (r#"{"auths":{"https://HOST":{"auth":"eA=="}}}"#, None),
        (r#"{"auths":{"HOST":{"username":"AWS","password":"x"}}}"#, None),
        (r#"{"auths":{"HOST":{"auth":"eA==","identitytoken":"t"}}}"#, None),
        (r#"{"auths":{"HOST":{"auth":7}}}"#, None),
        (r#"{"auths":{"HOST":"eA=="}}"#, None),
        (r#"{"HOST":{"auth":"eA=="}}"#, None),
        ("{}", None),
        ("", None),
    ] {
        let found = login_to(Form::Wrapped, text(current).as_bytes(), HOST);
        assert_eq!(found.as_ref().map(|login| login.expose().as_str()), login, "{current}");
    }
    let legacy = text(r#"{"HOST":{"auth":"eA=="}}"#);
    let found = login_to(Form::Legacy, legacy.as_bytes(), HOST);
    assert!(found.is_some_and(|login| login.expose() == "eA=="));
}

#[test]
fn a_helper_that_some_clients_ask_first_is_told() {
    let for_this = "`credHelpers` names a helper for this registry: `docker`, `podman` and `skopeo` ask it, and not the login in \
                    `auths`; the kubelet does not";
    let for_all = "`credsStore` names a helper for all registries: `docker` asks it, and not the login in `auths`; the kubelet, \
                   `podman` and `skopeo` do not";
    for (current, expected) in [
        (r#"{"credHelpers":{"HOST":"ecr-login"}}"#, Some(for_this)),
        (
            r#"{"credHelpers":{"HOST":"ecr-login"},"credsStore":"pass"}"#,
            Some(for_this),
        ),
        (
            r#"{"credHelpers":{"gcr.io":"gcloud"},"credsStore":"pass"}"#,
            Some(for_all),
        ),
        (r#"{"credsStore":"pass"}"#, Some(for_all)),
        (r#"{"credHelpers":{"HOST":""},"credsStore":"pass"}"#, None),
        (r#"{"credHelpers":{"gcr.io":"gcloud"},"credsStore":""}"#, None),
        (r#"{"auths":{"HOST":{"auth":"eA=="}}}"#, None),
        ("[]", None),
    ] {
        assert_eq!(
            helper_before(Form::Wrapped, text(current).as_bytes(), HOST),
            expected,
            "{current}"
        );
    }
    assert_eq!(helper_before(Form::Legacy, br#"{"credsStore":"pass"}"#, HOST), None);
}
