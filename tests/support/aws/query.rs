//! The Query protocol that IAM and STS speak: a form goes in, XML comes out.

use std::collections::BTreeMap;

use super::super::server::{Reply, Request, form_pairs};
use super::account::Account;
use super::action::{Action, Api};
use super::authenticate::authenticate;
use super::reply::{Failure, result_xml};
use super::{iam, sts};

/// The parameters of a call, `Action` and `Version` aside.
pub(super) type Parameters = BTreeMap<String, String>;

pub(super) fn answer(account: &mut Account, request: &Request) -> Reply {
    let form = form(request);
    // A request that names no service is answered in IAM's name.
    let api = form.as_ref().ok().and_then(api).unwrap_or(Api::Iam);
    let result = form.and_then(|form| perform(account, api, request, form));
    match result {
        Ok((action, result)) => result_xml(api, action.name(), result.as_deref()),
        Err(failure) => failure.xml(api),
    }
}

fn perform(
    account: &mut Account,
    api: Api,
    request: &Request,
    mut form: Parameters,
) -> Result<(Action, Option<String>), Failure> {
    let unsigned = form
        .get("Action")
        .is_some_and(|name| name == Action::AssumeRoleWithWebIdentity.name());
    let caller = if unsigned && api == Api::Sts {
        None
    } else {
        Some(authenticate(account, api, request)?)
    };
    let (name, version) = (form.remove("Action"), form.remove("Version"));
    let name = name.ok_or_else(|| {
        Failure::new(
            400,
            "MissingAction",
            "The request is missing an action or a required parameter.",
        )
    })?;
    let version = version.unwrap_or_else(|| "NO_VERSION_SPECIFIED".into());
    let action = Action::named(api, &name)
        .filter(|_| version == api_version(api))
        .ok_or_else(|| {
            Failure::new(
                400,
                "InvalidAction",
                format!("Could not find operation {name} for version {version}"),
            )
        })?;
    if let Some(unknown) = form.keys().find(|name| !action.parameters().contains(&name.as_str())) {
        return Err(Failure::validation(format!("`{name}` has no parameter `{unknown}`")));
    }
    let Some(caller) = caller else {
        if request.header("authorization").is_some() {
            return Err(Failure::validation(format!("nobody signs `{name}`")));
        }
        return sts::assume_role_with_web_identity(account, &form).map(|result| (action, Some(result)));
    };
    let result = match action {
        Action::AssumeRole => sts::assume_role(account, &caller, &form).map(Some),
        Action::AssumeRoleWithWebIdentity => unreachable!("it has no caller"),
        Action::ListAccessKeys => iam::list_access_keys(account, &caller, &form).map(Some),
        Action::CreateAccessKey => iam::create_access_key(account, &caller, &form).map(Some),
        Action::UpdateAccessKey => iam::update_access_key(account, &caller, &form).map(|()| None),
        Action::DeleteAccessKey => iam::delete_access_key(account, &caller, &form).map(|()| None),
        Action::GetAccessKeyLastUsed => iam::get_access_key_last_used(account, &caller, &form).map(Some),
        Action::GetUser => iam::get_user(account, &caller, &form).map(Some),
        Action::GetCallerIdentity => Ok(Some(sts::get_caller_identity(account, &caller))),
        Action::GetAuthorizationToken | Action::GetPublicAuthorizationToken => {
            unreachable!("`Action::named` finds actions of IAM or STS here")
        }
    };
    result.map(|result| (action, result))
}

/// The form in the body; the request must be one that carries it as AWS's own clients do.
fn form(request: &Request) -> Result<Parameters, Failure> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/") || !request.raw_query.is_empty() {
        let message = format!(
            "expected `POST /` without a query, got `{} {}`",
            request.method, request.path
        );
        return Err(Failure::new(404, "UnknownOperationException", message));
    }
    let content_type = request.header("content-type").unwrap_or_default();
    let (media_type, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    if media_type.trim() != "application/x-www-form-urlencoded" {
        let message = format!("expected content type `application/x-www-form-urlencoded`, got `{content_type}`");
        return Err(Failure::new(400, "MalformedInput", message));
    }
    let body =
        str::from_utf8(&request.body).map_err(|_| Failure::new(400, "MalformedInput", "the form is not UTF-8"))?;
    let mut form = Parameters::new();
    for (name, value) in form_pairs(body) {
        if form.insert(name.clone(), value).is_some() {
            return Err(Failure::validation(format!("parameter `{name}` comes more than once")));
        }
    }
    Ok(form)
}

fn api(form: &Parameters) -> Option<Api> {
    let version = form.get("Version")?;
    [Api::Iam, Api::Sts]
        .into_iter()
        .find(|&api| version == api_version(api))
}

fn api_version(api: Api) -> &'static str {
    match api {
        Api::Iam => "2010-05-08",
        Api::Sts => "2011-06-15",
        Api::Ecr | Api::EcrPublic => unreachable!("ECR speaks JSON"),
    }
}
