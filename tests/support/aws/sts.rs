//! STS: GetCallerIdentity, which needs no permission, and sessions as a role.

use super::account::{ACCOUNT, Account, Caller, Owner};
use super::query::Parameters;
use super::reply::{Failure, element, iso8601};

/// How long a session lasts when nothing is said, in seconds.
const LIFETIME: i64 = 3600;

pub(super) fn get_caller_identity(account: &Account, caller: &Caller) -> String {
    let user_id = match &caller.owner {
        Owner::Root => ACCOUNT.to_owned(),
        Owner::User(name) => account.users[name].id.clone(),
        Owner::Session(role, name) => format!("{}:{name}", account.roles[role].id),
    };
    [
        element("Arn", &account.arn(&caller.owner)),
        element("UserId", &user_id),
        element("Account", ACCOUNT),
    ]
    .concat()
}

pub(super) fn assume_role(account: &mut Account, caller: &Caller, form: &Parameters) -> Result<String, Failure> {
    let arn = required(form, "RoleArn")?;
    let role = role_name(account, arn).filter(|name| {
        let wanted = &account.roles[*name].external_id;
        wanted.is_none() || wanted.as_ref() == form.get("ExternalId")
    });
    let Some(role) = role.map(str::to_owned) else {
        let caller = account.arn(&caller.owner);
        let message = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}");
        return Err(Failure::new(403, "AccessDenied", message));
    };
    session(account, &role, form)
}

/// Nobody signs it: the token is the proof.
pub(super) fn assume_role_with_web_identity(account: &mut Account, form: &Parameters) -> Result<String, Failure> {
    let (arn, token) = (required(form, "RoleArn")?, required(form, "WebIdentityToken")?);
    if token.split('.').count() != 3 {
        let message = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
        return Err(Failure::new(400, "InvalidIdentityToken", message));
    }
    let trusted = role_name(account, arn).filter(|name| account.roles[*name].tokens.contains(token));
    let Some(role) = trusted.map(str::to_owned) else {
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(Failure::new(403, "AccessDenied", message));
    };
    session(account, &role, form)
}

fn session(account: &mut Account, role: &str, form: &Parameters) -> Result<String, Failure> {
    let name = required(form, "RoleSessionName")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&name.len()) || !name.chars().all(fits) {
        return Err(Failure::validation(format!(
            "Value '{name}' at 'roleSessionName' failed to satisfy constraint"
        )));
    }
    let seconds = match form.get("DurationSeconds") {
        None => LIFETIME,
        Some(text) => text
            .parse()
            .ok()
            .filter(|s| (900..=43_200).contains(s))
            .ok_or_else(|| {
                Failure::validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
            })?,
    };
    let partition = account.partition.name;
    let role_id = account.roles[role].id.clone();
    let stored = account.create_session(role, name, seconds);
    let (token, ends) = stored.session.as_ref().expect("a session has a token");
    let credentials = [
        element("AccessKeyId", &stored.key.id),
        element("SecretAccessKey", &stored.secret),
        element("SessionToken", token),
        element("Expiration", &iso8601(*ends)),
    ];
    let user = [
        element("AssumedRoleId", &format!("{role_id}:{name}")),
        element(
            "Arn",
            &format!("arn:{partition}:sts::{ACCOUNT}:assumed-role/{role}/{name}"),
        ),
    ];
    Ok(format!(
        "<Credentials>{}</Credentials><AssumedRoleUser>{}</AssumedRoleUser>",
        credentials.concat(),
        user.concat()
    ))
}

fn required<'f>(form: &'f Parameters, name: &str) -> Result<&'f str, Failure> {
    form.get(name).map(String::as_str).ok_or_else(|| {
        Failure::validation(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint"
        ))
    })
}

/// The role of that ARN, if it is there.
fn role_name<'a>(account: &'a Account, arn: &str) -> Option<&'a str> {
    let name = arn.strip_prefix(&format!("arn:{}:iam::{ACCOUNT}:role/", account.partition.name))?;
    account.roles.get_key_value(name).map(|(name, _)| name.as_str())
}
