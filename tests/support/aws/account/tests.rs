use std::time::Duration;

use super::super::propagation::{Flap, Lag};
use super::super::{iam, query::Parameters, sts};
use super::*;

/// An account with user `ci` and one key of it, and the user as a caller.
fn account() -> (Account, Caller) {
    let mut account = Account::new(Partition::AWS);
    account.users.insert(
        "ci".into(),
        User {
            id: random::user_id(),
            path: "/team/".into(),
            created: account.now(),
            denied: BTreeSet::new(),
            creates: 0,
            most_keys: 0,
        },
    );
    let owner = Owner::User("ci".into());
    let key_id = account.create(&owner, Gates::default()).key.id.clone();
    (
        account,
        Caller {
            owner,
            key_id,
            region: "us-east-1".into(),
        },
    )
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Creates a key as the caller would and gives its id.
fn create(account: &mut Account, caller: &Caller) -> String {
    let xml = iam::create_access_key(account, caller, &Parameters::new()).expect("a new key");
    text_of(&xml, "AccessKeyId").expect("an id").to_owned()
}

fn list(account: &mut Account, caller: &Caller, pairs: &[(&str, &str)]) -> String {
    iam::list_access_keys(account, caller, &parameters(pairs)).expect("a listing")
}

fn text_of<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0)
}

fn accepted(account: &mut Account, api: Api, id: &str, times: usize) -> Vec<bool> {
    (0..times).map(|_| account.signing_key(api, id).is_ok()).collect()
}

#[test]
fn a_new_key_is_refused_for_the_first_requests_over_all_services() {
    let (mut account, caller) = account();
    account.propagation.common.requests = 2;
    let id = create(&mut account, &caller);
    assert_eq!(accepted(&mut account, Api::Iam, &id, 1), [false]);
    assert_eq!(accepted(&mut account, Api::Sts, &id, 3), [false, true, true]);
    assert_eq!(
        accepted(&mut account, Api::Iam, &caller.key_id, 1),
        [true],
        "a key of before is untouched"
    );
}

#[test]
fn a_service_of_its_own_counts_for_itself() {
    let (mut account, caller) = account();
    account.propagation.own.insert(
        Api::Sts,
        Lag {
            requests: 1,
            delay: Duration::ZERO,
        },
    );
    account.propagation.own.insert(
        Api::Ecr,
        Lag {
            requests: 0,
            delay: Duration::from_secs(3600),
        },
    );
    let id = create(&mut account, &caller);
    assert_eq!(accepted(&mut account, Api::Iam, &id, 2), [true, true]);
    assert_eq!(accepted(&mut account, Api::Sts, &id, 2), [false, true]);
    assert_eq!(accepted(&mut account, Api::Ecr, &id, 2), [false, false]);
}

#[test]
fn a_key_that_flaps() {
    let (mut account, caller) = account();
    account.propagation.common.requests = 1;
    account.propagation.flap = Flap { accept: 2, refuse: 1 };
    let id = create(&mut account, &caller);
    assert_eq!(
        accepted(&mut account, Api::Iam, &id, 6),
        [false, true, true, false, true, true]
    );
}

#[test]
fn a_deleted_key_signs_as_long_as_the_lag() {
    let (mut account, caller) = account();
    account.deletion_lag = 2;
    iam::delete_access_key(&mut account, &caller, &parameters(&[("AccessKeyId", &caller.key_id)])).unwrap();
    assert!(account.rows(&caller.owner).is_empty());
    assert_eq!(accepted(&mut account, Api::Iam, &caller.key_id, 3), [true, true, false]);
}

#[test]
fn only_an_active_key_signs() {
    let (mut account, caller) = account();
    for (status, expected) in [
        (Status::Inactive, false),
        (Status::Expired, false),
        (Status::Active, true),
    ] {
        account.set_status(&caller.owner, &caller.key_id, status).unwrap();
        assert_eq!(accepted(&mut account, Api::Iam, &caller.key_id, 1), [expected]);
    }
}

#[test]
fn stale_listings_show_what_was_before_the_last_change() {
    let (mut account, caller) = account();
    let new = create(&mut account, &caller);
    account.stale_listings = 1;
    assert!(!list(&mut account, &caller, &[]).contains(&new));
    assert!(list(&mut account, &caller, &[]).contains(&new));
    account.delete(&caller.owner, &new).unwrap();
    account.stale_listings = 1;
    assert!(list(&mut account, &caller, &[]).contains(&new));
    assert!(!list(&mut account, &caller, &[]).contains(&new));
}

#[test]
fn two_keys_and_no_third() {
    let (mut account, caller) = account();
    create(&mut account, &caller);
    assert_eq!(
        iam::create_access_key(&mut account, &caller, &Parameters::new()),
        Err(Failure::new(
            409,
            "LimitExceeded",
            "Cannot exceed quota for AccessKeysPerUser: 2"
        ))
    );
    account.enforce_limit = false;
    create(&mut account, &caller);
    assert_eq!((account.user("ci").creates, account.user("ci").most_keys), (2, 3));
}

#[test]
fn pages() {
    let (mut account, caller) = account();
    let second = create(&mut account, &caller);
    account.page_size = 1;
    let page = list(&mut account, &caller, &[]);
    assert_eq!(text_of(&page, "IsTruncated"), Some("true"));
    assert!(page.contains(&caller.key_id) && !page.contains(&second));
    let marker = text_of(&page, "Marker").unwrap();
    let last = list(&mut account, &caller, &[("Marker", marker)]);
    assert_eq!(
        (text_of(&last, "IsTruncated"), text_of(&last, "Marker")),
        (Some("false"), None)
    );
    assert_eq!(text_of(&last, "AccessKeyId"), Some(second.as_str()));

    account.page_size = 100;
    assert_eq!(
        text_of(&list(&mut account, &caller, &[("MaxItems", "1")]), "IsTruncated"),
        Some("true")
    );
    for bad in [("Marker", "zzz"), ("MaxItems", "0"), ("MaxItems", "1001")] {
        let failure = iam::list_access_keys(&mut account, &caller, &parameters(&[bad])).unwrap_err();
        assert_eq!((failure.status, failure.code), (400, "ValidationError"), "{bad:?}");
    }
}

#[test]
fn a_user_acts_on_itself_alone() {
    let (mut account, caller) = account();
    let root = account.create(&Owner::Root, Gates::default()).key.id.clone();
    let delete = |account: &mut Account, pairs: &[(&str, &str)]| {
        iam::delete_access_key(account, &caller, &parameters(pairs)).unwrap_err()
    };
    assert_eq!(
        delete(&mut account, &[("AccessKeyId", &root)]),
        Failure::new(
            404,
            "NoSuchEntity",
            format!("The Access Key with id {root} cannot be found.")
        )
    );
    assert_eq!(
        delete(&mut account, &[("AccessKeyId", &root), ("UserName", "other")]),
        Failure::new(
            403,
            "AccessDenied",
            "User: arn:aws:iam::123456789012:user/team/ci is not authorized to perform: iam:DeleteAccessKey on \
             resource: user other because no identity-based policy allows the iam:DeleteAccessKey action"
        )
    );
    account.user("ci").denied.insert("iam:DeleteAccessKey".into());
    let failure = delete(&mut account, &[("AccessKeyId", &caller.key_id)]);
    assert_eq!((failure.status, failure.code), (403, "AccessDenied"));
}

#[test]
fn the_root_has_no_name() {
    let (mut account, _) = account();
    let key_id = account.create(&Owner::Root, Gates::default()).key.id.clone();
    let root = Caller {
        owner: Owner::Root,
        key_id,
        region: "us-east-1".into(),
    };
    assert_eq!(text_of(&list(&mut account, &root, &[]), "UserName"), None);
    assert_eq!(
        text_of(&sts::get_caller_identity(&account, &root), "Arn"),
        Some("arn:aws:iam::123456789012:root")
    );
}

#[test]
fn what_holds_a_secret_does_not_show_it() {
    let key = AccessKey {
        id: "AKIA".into(),
        secret: "s3cr3t".into(),
    };
    assert_eq!(format!("{key:?}"), "AccessKey { id: \"AKIA\", secret: \"[redacted]\" }");
    let token = IssuedToken {
        region: "r".into(),
        key_id: "AKIA".into(),
        password: "s3cr3t".into(),
    };
    assert_eq!(
        format!("{token:?}"),
        "IssuedToken { region: \"r\", key_id: \"AKIA\", password: \"[redacted]\" }"
    );
}

#[test]
fn keys_look_like_those_of_aws() {
    let id = random::access_key_id();
    assert!(id.len() == 20 && id.starts_with("AKIA"), "{id}");
    let secret = random::secret_access_key();
    assert!(secret.len() == 40 && secret.contains('/') && secret.contains('+'));
    let size = random::ecr_password(0).len();
    assert!((1800..=2400).contains(&size), "{size}");
}

#[test]
fn roles_are_for_who_brings_what_they_ask_for() {
    let (mut account, caller) = account();
    let role = Role {
        id: random::role_id(),
        external_id: Some("42".into()),
        tokens: BTreeSet::from(["a.b.c".to_owned()]),
    };
    account.roles.insert("r".into(), role);
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/r");
    let assume = |account: &mut Account, more: &[(&str, &str)]| {
        let pairs = [&[("RoleArn", arn.as_str()), ("RoleSessionName", "two")], more].concat();
        sts::assume_role(account, &caller, &parameters(&pairs)).map_err(|failure| failure.code)
    };
    assert_eq!(assume(&mut account, &[]), Err("AccessDenied"));
    assert_eq!(assume(&mut account, &[("ExternalId", "43")]), Err("AccessDenied"));
    let xml = assume(&mut account, &[("ExternalId", "42")]).unwrap();
    let id = text_of(&xml, "AccessKeyId").unwrap().to_owned();
    let stored = account.stored(&id).unwrap();
    assert!(
        stored
            .session
            .as_ref()
            .is_some_and(|(token, _)| Some(token.as_str()) == text_of(&xml, "SessionToken"))
    );
    assert_eq!(
        account.arn(&stored.owner),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/two")
    );
    let by_token = |account: &mut Account, token: &str| {
        let pairs = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "two"),
            ("WebIdentityToken", token),
        ];
        sts::assume_role_with_web_identity(account, &parameters(&pairs)).map_err(|failure| failure.code)
    };
    assert_eq!(by_token(&mut account, "a.b.d"), Err("AccessDenied"));
    assert_eq!(by_token(&mut account, "a"), Err("InvalidIdentityToken"));
    assert!(by_token(&mut account, "a.b.c").is_ok());
}
