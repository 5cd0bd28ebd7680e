//! The labels and annotations of `ecr-update`.

/// The label of a Secret to refresh.
pub const LABEL: &str = "aws-ecr-updater";
/// The Secret with the key pair, `name` or `namespace/name`. Without it the credentials are those that this machine has.
pub const SOURCE: &str = "aws-ecr-updater/secret";
/// The role to assume with them.
pub const ROLE_ARN: &str = "aws-ecr-updater/role-arn";
/// What that role's trust policy may ask for.
pub const EXTERNAL_ID: &str = "aws-ecr-updater/external-id";
/// The regions of the account's own registries, and `public` for ECR Public, with commas in between.
pub const REGION: &str = "aws-ecr-updater/region";
/// The hosts of further registries, with commas in between.
pub const REGISTRIES: &str = "aws-ecr-updater/registries";
/// Which plain fields are written: `username=KEY,password=KEY,url=KEY`.
pub const FIELDS: &str = "aws-ecr-updater/fields";
/// The namespaces that are to have copies.
pub const NAMESPACES: &str = "aws-ecr-updater/namespaces";
/// The service accounts that are to name the Secret in their `imagePullSecrets`.
pub const SERVICE_ACCOUNTS: &str = "aws-ecr-updater/service-accounts";
/// How much of the logins' life is left when they are replaced.
pub const RENEW_WITHIN: &str = "aws-ecr-updater/renew-within";

/// Written: when the first of the logins ends, in RFC 3339.
pub const EXPIRES_AT: &str = "aws-ecr-updater/expires-at";
/// Written: of whom and for which registries the logins are.
pub const LOGINS: &str = "aws-ecr-updater/logins";
/// The label of a copy, and the annotation on it that names its original.
pub const COPY: &str = "aws-ecr-updater/copy";
/// Written on a copy: its original, `namespace/name`.
pub const COPY_OF: &str = "aws-ecr-updater/copy-of";

/// How the names of all of them begin.
const PREFIX: &str = "aws-ecr-updater/";

/// All annotations.
pub const ALL: [&str; 12] = [
    SOURCE,
    ROLE_ARN,
    EXTERNAL_ID,
    REGION,
    REGISTRIES,
    FIELDS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    RENEW_WITHIN,
    EXPIRES_AT,
    LOGINS,
    COPY_OF,
];

/// Whether an annotation is meant for `ecr-update` and unknown to it: a slip of the pen, most often, and what it should have said
/// is not heeded.
pub(super) fn is_unknown(name: &str) -> bool {
    name.starts_with(PREFIX) && !ALL.contains(&name)
}
