//! What is to be granted, from AWS's words for a missing permission. They are of one form for all services (IAM User Guide,
//! "Troubleshoot access denied error messages"): `User: ARN is not authorized to perform: ACTION on resource: RESOURCE because
//! no KIND of policy allows the ACTION action`, or `… with an explicit deny in a KIND of policy`.

/// What to do about a call of `action` that AWS has denied with these words.
pub(super) fn advice(message: &str, action: &str) -> String {
    if let Some((_, place)) = message.split_once("with an explicit deny") {
        let place = place.trim_end_matches('.');
        return format!(
            "an explicit deny{place} forbids `{action}`, and no permission outweighs it: take it out there"
        );
    }
    let on = match resource(message) {
        Some(resource) => format!(" on `{resource}`"),
        None => String::new(),
    };
    let place = if message.contains("no permissions boundary allows") {
        "in the permissions boundary of the user that owns this key"
    } else if message.contains("no service control policy allows") {
        "in the service control policies of the account"
    } else {
        "to the user that owns this key"
    };
    format!("allow `{action}`{on} {place}")
}

/// The resource as a policy names it. IAM names a user by the last part of its ARN; all that this program asks of IAM is about
/// the very user that asks.
fn resource(message: &str) -> Option<&str> {
    let user = between(message, "User: ", " is not authorized").filter(|arn| arn.contains(":user/"));
    let named = message.split_once(" on resource: ").map(|(_, rest)| {
        rest.split_once(" because ")
            .map_or(rest, |(resource, _)| resource)
            .trim_end_matches('.')
    });
    let resource = match named {
        Some(resource) if resource == "*" || resource.starts_with("arn:") => resource,
        Some(name) if name.starts_with("user ") => user?,
        Some(_) => return None,
        None => user.filter(|_| message.contains("perform: iam:"))?,
    };
    // One that was shortened or struck out is no use in a policy.
    (!resource.contains(['…', '[', ' '])).then_some(resource)
}

fn between<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    message.split_once(before)?.1.split_once(after).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_to_be_granted() {
        let arn = "arn:aws:iam::123456789012:user/team/ci";
        let user = format!("User: {arn} is not authorized to perform: iam:CreateAccessKey");
        let key = "iam:CreateAccessKey";
        let login = "ecr:GetAuthorizationToken";
        for (message, action, advice) in [
            (
                format!("{user} on resource: user ci because no identity-based policy allows the {key} action"),
                key,
                format!("allow `{key}` on `{arn}` to the user that owns this key"),
            ),
            (
                user.clone(),
                key,
                format!("allow `{key}` on `{arn}` to the user that owns this key"),
            ),
            (
                format!("{user} on resource: {arn}"),
                key,
                format!("allow `{key}` on `{arn}` to the user that owns this key"),
            ),
            (
                format!("{user} on resource: user ci because no permissions boundary allows the {key} action"),
                key,
                format!("allow `{key}` on `{arn}` in the permissions boundary of the user that owns this key"),
            ),
            (
                format!("{user} on resource: user ci because no service control policy allows the {key} action"),
                key,
                format!("allow `{key}` on `{arn}` in the service control policies of the account"),
            ),
            (
                format!("{user} on resource: user ci with an explicit deny in a service control policy"),
                key,
                format!(
                    "an explicit deny in a service control policy forbids `{key}`, and no permission outweighs it: take it out \
                     there"
                ),
            ),
            (
                format!("{user} on resource: user ci with an explicit deny"),
                key,
                format!("an explicit deny forbids `{key}`, and no permission outweighs it: take it out there"),
            ),
            (
                format!("User: {arn} is not authorized to perform: {login} on resource: * because no identity-based policy"),
                login,
                format!("allow `{login}` on `*` to the user that owns this key"),
            ),
            (
                format!("User: {arn} is not authorized to perform: {login}"),
                login,
                format!("allow `{login}` to the user that owns this key"),
            ),
            (
                "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: iam:CreateAccessKey on \
                 resource: user ci"
                    .into(),
                key,
                format!("allow `{key}` to the user that owns this key"),
            ),
            (
                "User: arn:aws:iam::123456789012:user/[…] is not authorized to perform: iam:CreateAccessKey".into(),
                key,
                format!("allow `{key}` to the user that owns this key"),
            ),
            (String::new(), key, format!("allow `{key}` to the user that owns this key")),
        ] {
            assert_eq!(super::advice(&message, action), advice, "{message}");
        }
    }
}
