use super::*;

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const AT: i64 = 1_440_938_160;

/// The example of the IAM User Guide, signature and all.
fn list_users() -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Request {
        method: "GET".into(),
        path: "/".into(),
        raw_query: "Action=ListUsers&Version=2010-05-08".into(),
        headers: vec![
            header("host", "iam.amazonaws.com"),
            header("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            header("x-amz-date", "20150830T123600Z"),
            header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ],
        body: Vec::new(),
        client: None,
    }
}

fn with(name: &str, value: &str) -> Request {
    let mut request = list_users();
    match request.headers.iter_mut().find(|(found, _)| found == name) {
        Some((_, old)) => *old = value.to_owned(),
        None => request.headers.push((name.to_owned(), value.to_owned())),
    }
    request
}

fn edited(from: &str, to: &str) -> Request {
    let authorization = list_users().header("authorization").unwrap().replace(from, to);
    with("authorization", &authorization)
}

fn refusal(request: &Request) -> Refusal {
    let check = || {
        let signed = Signed::parse(request)?;
        signed.check_scope("iam", |region| region == "us-east-1")?;
        signed.check_window(AT)?;
        signed.check_signature(SECRET)
    };
    check().expect_err("a refusal")
}

fn incomplete(text: &str) -> Refusal {
    Refusal::Incomplete(text.to_owned())
}

fn invalid(text: &str) -> Refusal {
    Refusal::Invalid(text.to_owned())
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method. Consult the service documentation for details.";

#[test]
fn the_documented_example_is_accepted() {
    let request = list_users();
    let signed = Signed::parse(&request).unwrap();
    assert_eq!((signed.key_id, signed.region, signed.at), (KEY_ID, "us-east-1", AT));
    assert_eq!(
        sha256_hex(signed.canonical_request().as_bytes()),
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    );
    assert_eq!(signed.check_scope("iam", |region| region == "us-east-1"), Ok(()));
    assert_eq!(signed.check_window(AT), Ok(()));
    assert_eq!(signed.check_signature(SECRET), Ok(()));
    assert_eq!(signed.check_signature("wJalrXUtnFEMI/K7MDENG"), Err(invalid(MISMATCH)));
}

#[test]
fn a_change_to_any_signed_part_is_found() {
    let mut method = list_users();
    method.method = "POST".into();
    let mut path = list_users();
    path.path = "/x".into();
    let mut query = list_users();
    query.raw_query = "Action=ListUsers&Version=2010-05-09".into();
    let mut body = list_users();
    body.body = b"x".to_vec();
    let host = with("host", "iam.example.com");
    let content_type = with("content-type", "text/plain");
    let date = with("x-amz-date", "20150830T123601Z");
    for request in [method, path, query, body, host, content_type, date] {
        assert_eq!(refusal(&request), invalid(MISMATCH), "{request:?}");
    }
}

#[test]
fn what_cannot_be_checked_is_incomplete() {
    let mut unsigned = list_users();
    unsigned.headers.pop();
    assert_eq!(refusal(&unsigned), Refusal::Unsigned);
    let mut dateless = list_users();
    dateless.headers.remove(2);
    for (request, text) in [
        (
            edited("AWS4-HMAC-SHA256", "Bearer"),
            "Unsupported AWS 'algorithm': 'Bearer'.",
        ),
        (
            edited("Signature=", "Sig="),
            "Authorization header requires 'Signature' parameter.",
        ),
        (
            edited("/iam", ""),
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             'AKIDEXAMPLE/20150830/us-east-1/aws4_request'",
        ),
        (
            dateless,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        ),
        (
            edited(";host;", ";"),
            "'host' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            edited(";x-amz-date", ""),
            "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            with("x-amz-target", "A.B"),
            "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            edited(";x-amz-date", ";x-amz-date;x-amz-target"),
            "'x-amz-target' is named as a 'SignedHeader', but it does not exist in the HTTP request",
        ),
        (
            edited("content-type;host", "host;content-type"),
            "'SignedHeaders' must be in lower case, in order and without repetition, got \
             'host;content-type;x-amz-date'.",
        ),
    ] {
        assert_eq!(refusal(&request), incomplete(text));
    }
}

#[test]
fn the_scope_must_fit_the_call() {
    for (from, to, text) in [
        (
            "us-east-1",
            "eu-west-1",
            "Credential should be scoped to a valid region.",
        ),
        (
            "/iam/",
            "/sts/",
            "Credential should be scoped to correct service: 'iam'.",
        ),
        (
            "aws4_request",
            "aws5_request",
            "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'.",
        ),
        (
            "20150830",
            "20150831",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150831' != \
             '20150830', from '20150830T123600Z'.",
        ),
    ] {
        assert_eq!(refusal(&edited(from, to)), invalid(text));
    }
}

#[test]
fn five_minutes_either_way() {
    let request = list_users();
    let signed = Signed::parse(&request).unwrap();
    assert_eq!(signed.check_window(AT + 300), Ok(()));
    assert_eq!(signed.check_window(AT - 300), Ok(()));
    assert_eq!(
        signed.check_window(AT + 301),
        Err(invalid(
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"
        ))
    );
    assert_eq!(
        signed.check_window(AT - 301),
        Err(invalid(
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"
        ))
    );
}

#[test]
fn encoding() {
    assert_eq!(uri_encode("a b/c~d+é", ""), "a%20b%2Fc~d%2B%C3%A9");
    assert_eq!(uri_encode("/a b", "/"), "/a%20b");
    let mut request = with("x-amz-meta", "  a   b ");
    request.headers.push(("x-amz-meta".into(), "c".into()));
    assert_eq!(canonical_value(&request, "x-amz-meta"), "a b,c");
}
