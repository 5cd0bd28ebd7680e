//! IAM: the calls about access keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::account::{Account, Caller, Change, Owner, Row, Status};
use super::action::Action;
use super::query::Parameters;
use super::reply::{Failure, element, iso8601};

pub(super) fn list_access_keys(
    account: &mut Account,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<String, Failure> {
    let owner = target(account, caller, Action::ListAccessKeys, parameters)?;
    let first = match parameters.get("Marker") {
        Some(marker) => {
            row_of(&owner, marker).ok_or_else(|| Failure::validation(format!("Invalid Marker: {marker}")))?
        }
        None => 0,
    };
    let asked = parameters.get("MaxItems").map(|text| max_items(text)).transpose()?;
    let size = asked.unwrap_or(usize::MAX).min(account.page_size);
    let rows: Vec<Row> = account
        .listed(&owner)
        .into_iter()
        .filter(|(row, _)| *row >= first)
        .collect();
    let (page, rest) = rows.split_at(size.min(rows.len()));

    let mut xml = element("IsTruncated", if rest.is_empty() { "false" } else { "true" });
    if let Some((next, _)) = rest.first() {
        xml += &element("Marker", &marker_of(&owner, *next));
    }
    xml += "    <AccessKeyMetadata>\n";
    for (_, key) in page {
        xml += "    <member>\n";
        xml += &user_name(&owner);
        xml += &element("AccessKeyId", &key.id);
        xml += &element("Status", key.status.name());
        xml += &element("CreateDate", &iso8601(key.created));
        xml += "    </member>\n";
    }
    Ok(xml + "    </AccessKeyMetadata>\n")
}

pub(super) fn create_access_key(
    account: &mut Account,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<String, Failure> {
    let owner = target(account, caller, Action::CreateAccessKey, parameters)?;
    if account.limit_reached(&owner) {
        return Err(Failure::new(
            409,
            "LimitExceeded",
            "Cannot exceed quota for AccessKeysPerUser: 2",
        ));
    }
    if let Owner::User(name) = &owner {
        account.user(name).creates += 1;
    }
    let gates = account.propagation.gates();
    let id = account.create(&owner, gates).key.id.clone();
    account.changes.push((id.clone(), Change::Created));
    let stored = account.stored(&id).expect("the key just made");
    Ok([
        "    <AccessKey>\n".to_owned(),
        user_name(&owner),
        element("AccessKeyId", &stored.key.id),
        element("Status", stored.key.status.name()),
        element("SecretAccessKey", &stored.secret),
        element("CreateDate", &iso8601(stored.key.created)),
        "    </AccessKey>\n".to_owned(),
    ]
    .concat())
}

pub(super) fn update_access_key(
    account: &mut Account,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<(), Failure> {
    let id = access_key_id(parameters)?;
    let status = match required(parameters, "Status", "status")? {
        "Active" => Status::Active,
        "Inactive" => Status::Inactive,
        other => {
            return Err(constraint(
                other,
                "status",
                "Member must satisfy enum value set: [Active, Inactive]",
            ));
        }
    };
    let owner = target(account, caller, Action::UpdateAccessKey, parameters)?;
    account.set_status(&owner, id, status).ok_or_else(|| no_such_key(id))?;
    let change = if status == Status::Active {
        Change::Activated
    } else {
        Change::Deactivated
    };
    account.changes.push((id.to_owned(), change));
    Ok(())
}

pub(super) fn delete_access_key(
    account: &mut Account,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<(), Failure> {
    let id = access_key_id(parameters)?;
    let owner = target(account, caller, Action::DeleteAccessKey, parameters)?;
    account.delete(&owner, id).ok_or_else(|| no_such_key(id))?;
    account.changes.push((id.to_owned(), Change::Deleted));
    Ok(())
}

pub(super) fn get_access_key_last_used(
    account: &mut Account,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<String, Failure> {
    let action = Action::GetAccessKeyLastUsed;
    let id = access_key_id(parameters)?;
    account.permit(&caller.owner, action, &format!("access key {id}"))?;
    let (owner, last_used) = match account.existing(id) {
        Some(stored) => (stored.owner.clone(), stored.last_used.clone()),
        None => return Err(no_such_key(id)),
    };
    if caller.owner != Owner::Root && caller.owner != owner {
        let arn = account.arn(&caller.owner);
        return Err(Failure::access_denied(
            action.api(),
            &arn,
            &action.permission(),
            &format!("access key {id}"),
        ));
    }
    let (at, service, region) = match &last_used {
        Some((at, api, region)) => (element("LastUsedDate", &iso8601(*at)), api.name(), region.as_str()),
        // AWS leaves out the date of a key that was never used, but not the rest.
        None => (String::new(), "N/A", "N/A"),
    };
    Ok([
        user_name(&owner),
        "    <AccessKeyLastUsed>\n".to_owned(),
        at,
        element("ServiceName", service),
        element("Region", region),
        "    </AccessKeyLastUsed>\n".to_owned(),
    ]
    .concat())
}

pub(super) fn get_user(account: &mut Account, caller: &Caller, parameters: &Parameters) -> Result<String, Failure> {
    let owner = target(account, caller, Action::GetUser, parameters)?;
    let arn = element("Arn", &account.arn(&owner));
    let about = match &owner {
        Owner::Root => vec![element("UserId", super::account::ACCOUNT), arn],
        Owner::Session(..) => unreachable!("`target` gives no session"),
        Owner::User(name) => {
            let user = account.user(name);
            vec![
                element("Path", &user.path),
                element("UserName", name),
                element("UserId", &user.id),
                arn,
                element("CreateDate", &iso8601(user.created)),
            ]
        }
    };
    Ok(format!("    <User>\n{}    </User>\n", about.concat()))
}

/// Whom a call is about: `UserName`, or else the user whose key signed it. A user may act on itself alone.
fn target(account: &Account, caller: &Caller, action: Action, parameters: &Parameters) -> Result<Owner, Failure> {
    let owner = match parameters.get("UserName") {
        None => caller.owner.clone(),
        Some(name) => {
            check_user_name(name)?;
            Owner::User(name.clone())
        }
    };
    match (&caller.owner, &owner) {
        // The stand-in grants a role nothing at IAM; these are the words where it names no user.
        (Owner::Session(..), _) | (_, Owner::Session(..)) => Err(Failure::validation(
            "Must specify userName when calling with non-User credentials",
        )),
        (Owner::Root, Owner::User(name)) if !account.users.contains_key(name) => Err(Failure::new(
            404,
            "NoSuchEntity",
            format!("The user with name {name} cannot be found."),
        )),
        (Owner::Root, Owner::Root | Owner::User(_)) => Ok(owner),
        (Owner::User(_), Owner::Root) => unreachable!("`UserName` cannot name the root"),
        (Owner::User(own), Owner::User(other)) => {
            let resource = format!("user {other}");
            if own != other {
                let arn = account.arn(&caller.owner);
                return Err(Failure::access_denied(
                    action.api(),
                    &arn,
                    &action.permission(),
                    &resource,
                ));
            }
            account.permit(&caller.owner, action, &resource)?;
            Ok(owner)
        }
    }
}

fn check_user_name(name: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        return Err(Failure::validation(
            "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-",
        ));
    }
    Ok(())
}

fn access_key_id(parameters: &Parameters) -> Result<&str, Failure> {
    let id = required(parameters, "AccessKeyId", "accessKeyId")?;
    if id.len() < 16 {
        return Err(constraint(
            id,
            "accessKeyId",
            "Member must have length greater than or equal to 16",
        ));
    }
    if id.len() > 128 {
        return Err(constraint(
            id,
            "accessKeyId",
            "Member must have length less than or equal to 128",
        ));
    }
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(constraint(
            id,
            "accessKeyId",
            "Member must satisfy regular expression pattern: [\\w]+",
        ));
    }
    Ok(id)
}

fn max_items(text: &str) -> Result<usize, Failure> {
    match text.parse() {
        Ok(number @ 1..=1000) => Ok(number),
        Ok(0) => Err(constraint(
            text,
            "maxItems",
            "Member must have value greater than or equal to 1",
        )),
        Ok(_) => Err(constraint(
            text,
            "maxItems",
            "Member must have value less than or equal to 1000",
        )),
        Err(_) => Err(Failure::new(
            400,
            "MalformedInput",
            format!("`MaxItems` is no number: `{text}`"),
        )),
    }
}

fn required<'p>(parameters: &'p Parameters, name: &str, member: &str) -> Result<&'p str, Failure> {
    parameters.get(name).map(String::as_str).ok_or_else(|| {
        Failure::validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not \
             be null"
        ))
    })
}

fn constraint(value: &str, member: &str, constraint: &str) -> Failure {
    Failure::validation(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    ))
}

fn no_such_key(id: &str) -> Failure {
    Failure::new(
        404,
        "NoSuchEntity",
        format!("The Access Key with id {id} cannot be found."),
    )
}

/// `<UserName>`; the root has no name and AWS leaves the element out.
fn user_name(owner: &Owner) -> String {
    match owner {
        Owner::Root | Owner::Session(..) => String::new(),
        Owner::User(name) => element("UserName", name),
    }
}

/// Where the next page begins, in a form that only the service itself can read. It is good for one owner alone.
fn marker_of(owner: &Owner, row: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{row} {owner:?}"))
}

fn row_of(owner: &Owner, marker: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
    let row = text.split_once(' ')?.0.parse().ok()?;
    (marker == marker_of(owner, row)).then_some(row)
}
