//! The services and the actions that the stand-in knows.

use super::super::server::{Request, form_pairs};

/// What `X-Amz-Target` begins with at ECR.
const ECR_TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.";
/// And at ECR Public.
const ECR_PUBLIC_TARGET: &str = "SpencerFrontendService.";

/// One of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Api {
    Iam,
    Sts,
    Ecr,
    EcrPublic,
}

impl Api {
    /// The signing name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Api::Iam => "iam",
            Api::Sts => "sts",
            Api::Ecr => "ecr",
            Api::EcrPublic => "ecr-public",
        }
    }

    /// The service of that signing name, as tests write it.
    pub(super) fn named(name: &str) -> Api {
        [Api::Iam, Api::Sts, Api::Ecr, Api::EcrPublic]
            .into_iter()
            .find(|api| api.name() == name)
            .unwrap_or_else(|| panic!("no service is called `{name}`: `iam`, `sts`, `ecr` and `ecr-public` are"))
    }
}

/// One of the actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    ListAccessKeys,
    CreateAccessKey,
    UpdateAccessKey,
    DeleteAccessKey,
    GetAccessKeyLastUsed,
    GetUser,
    GetCallerIdentity,
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetAuthorizationToken,
    GetPublicAuthorizationToken,
}

impl Action {
    const ALL: [Action; 11] = [
        Action::ListAccessKeys,
        Action::CreateAccessKey,
        Action::UpdateAccessKey,
        Action::DeleteAccessKey,
        Action::GetAccessKeyLastUsed,
        Action::GetUser,
        Action::GetCallerIdentity,
        Action::AssumeRole,
        Action::AssumeRoleWithWebIdentity,
        Action::GetAuthorizationToken,
        Action::GetPublicAuthorizationToken,
    ];

    /// The action of that service and name.
    pub(super) fn named(api: Api, name: &str) -> Option<Action> {
        Action::ALL
            .into_iter()
            .find(|action| action.api() == api && action.name() == name)
    }

    /// What a request calls, whether or not it is well-formed in all else: for recordings and scripts.
    pub(super) fn of(request: &Request) -> Option<Action> {
        if request.method != "POST" {
            return None;
        }
        if let Some(target) = request.header("x-amz-target") {
            return Action::of_target(target);
        }
        let form = form_pairs(&String::from_utf8_lossy(&request.body));
        let (_, name) = form.iter().find(|(name, _)| name == "Action")?;
        Action::named(Api::Iam, name).or_else(|| Action::named(Api::Sts, name))
    }

    /// What `X-Amz-Target` names.
    pub(super) fn of_target(target: &str) -> Option<Action> {
        let at = |prefix, api| Action::named(api, target.strip_prefix(prefix)?);
        at(ECR_TARGET, Api::Ecr).or_else(|| at(ECR_PUBLIC_TARGET, Api::EcrPublic))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Action::ListAccessKeys => "ListAccessKeys",
            Action::CreateAccessKey => "CreateAccessKey",
            Action::UpdateAccessKey => "UpdateAccessKey",
            Action::DeleteAccessKey => "DeleteAccessKey",
            Action::GetAccessKeyLastUsed => "GetAccessKeyLastUsed",
            Action::GetUser => "GetUser",
            Action::GetCallerIdentity => "GetCallerIdentity",
            Action::AssumeRole => "AssumeRole",
            Action::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Action::GetAuthorizationToken | Action::GetPublicAuthorizationToken => "GetAuthorizationToken",
        }
    }

    pub(super) fn api(self) -> Api {
        match self {
            Action::ListAccessKeys
            | Action::CreateAccessKey
            | Action::UpdateAccessKey
            | Action::DeleteAccessKey
            | Action::GetAccessKeyLastUsed
            | Action::GetUser => Api::Iam,
            Action::GetCallerIdentity | Action::AssumeRole | Action::AssumeRoleWithWebIdentity => Api::Sts,
            Action::GetAuthorizationToken => Api::Ecr,
            Action::GetPublicAuthorizationToken => Api::EcrPublic,
        }
    }

    /// As policies write it: `iam:CreateAccessKey`.
    pub(super) fn permission(self) -> String {
        format!("{}:{}", self.api().name(), self.name())
    }

    /// The parameters that the action takes, from the service models.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Action::ListAccessKeys => &["UserName", "Marker", "MaxItems"],
            Action::CreateAccessKey | Action::GetUser => &["UserName"],
            Action::UpdateAccessKey => &["UserName", "AccessKeyId", "Status"],
            Action::DeleteAccessKey => &["UserName", "AccessKeyId"],
            Action::GetAccessKeyLastUsed => &["AccessKeyId"],
            Action::GetCallerIdentity | Action::GetAuthorizationToken | Action::GetPublicAuthorizationToken => &[],
            Action::AssumeRole => &["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId"],
            Action::AssumeRoleWithWebIdentity => &["RoleArn", "RoleSessionName", "DurationSeconds", "WebIdentityToken"],
        }
    }
}
