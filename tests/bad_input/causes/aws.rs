//! AWS cannot be asked, or refuses.

use std::sync::Arc;

use super::{Case, Row, all, https, nobody, plain, silent};
use crate::bad_input::{ecr_world, program};
use crate::support::aws::{
    error_json, error_xml, html_page, server_exception_json, service_unavailable_xml, throttling_xml,
};
use crate::support::program::World;
use crate::support::script::Fault;
use crate::support::server::Reply;
use crate::support::tls::Authority;

#[test]
fn ecr_cannot_be_asked_or_refuses() {
    let before = "ERROR t/pull: GetAuthorizationToken with key KEY at ";
    all(ECR, before, " (the key is from Secret t/s)");
}

#[test]
fn iam_refuses() {
    all(
        IAM,
        "ERROR t/s: ListAccessKeys with key KEY at AWS: ",
        "; nothing was done",
    );
}

/// AWS at this URL.
fn aws_at(url: &str) -> Case {
    let world = ecr_world();
    let program = program(&world, &["ecr-update"]).env("AWS_ENDPOINT_URL", url);
    Case::of(world, program)
}

/// AWS with a certificate by an authority that is trusted.
fn aws_by(config: impl Fn(&Authority) -> Arc<rustls::ServerConfig>) -> Case {
    let mut world = ecr_world();
    let authority = Authority::new("aws");
    world.aws = world.cloud.start_tls(config(&authority));
    world.files.file("bundle.pem", authority.pem());
    let program = program(&world, &["ecr-update"]).env("AWS_CA_BUNDLE", world.file("bundle.pem"));
    Case::of(world, program)
}

/// ECR answers this.
fn ecr_says(reply: Reply) -> Case {
    let world = ecr_world();
    world
        .aws
        .script()
        .always("GetAuthorizationToken", Fault::ReplyInstead(reply));
    let program = program(&world, &["ecr-update"]);
    Case::of(world, program)
}

/// IAM answers this to the first question.
fn iam_says(reply: Reply) -> Case {
    let world = World::with_key_secret();
    world.aws.script().always("ListAccessKeys", Fault::ReplyInstead(reply));
    let program = program(&world, &["rotate"]);
    Case::of(world, program)
}

/// ECR. Each line begins with `ERROR t/pull: GetAuthorizationToken with key KEY at ` and ends with ` (the key is from Secret
/// t/s)`.
const ECR: &[Row] = &[
    (
        "name resolution",
        "no-such-host.invalid: the host name cannot be resolved; see that the region `eu-west-1` is right, and that this machine \
         resolves names",
        || aws_at("https://no-such-host.invalid"),
    ),
    (
        "refused",
        "THERE: cannot connect: connection refused; see that the address is right and can be reached from here",
        || nobody(|address| aws_at(&https(address))),
    ),
    (
        "TLS: unknown authority",
        "AWS: TLS: the server's certificate is not signed by a trusted authority; name the authority's certificate in \
         `AWS_CA_BUNDLE`",
        || aws_by(|_| Authority::new("another").server(&["127.0.0.1"])),
    ),
    (
        "TLS: expired",
        "AWS: TLS: the server's certificate expired on 2020-01-01T00:00:00Z, and it is NOW by this machine's clock; renew it, or \
         set this machine's clock if that is off",
        || aws_by(|authority| authority.server_in(&["127.0.0.1"], (2019, 2020))),
    ),
    (
        "TLS: not yet valid",
        "AWS: TLS: the server's certificate is not valid before 2096-01-01T00:00:00Z, and it is NOW by this machine's clock; set \
         this machine's clock if that is off, or wait",
        || aws_by(|authority| authority.server_in(&["127.0.0.1"], (2096, 2097))),
    ),
    (
        "TLS: wrong name",
        "AWS: TLS: the server's certificate is not for 127.0.0.1, only for vpce-1.iam.us-east-1.vpce.amazonaws.com; use a name \
         that the certificate is for, or have it issued for this one",
        || aws_by(|authority| authority.server(&["vpce-1.iam.us-east-1.vpce.amazonaws.com"])),
    ),
    (
        "TLS: not spoken",
        "THERE: TLS: the server does not speak TLS; is the port right?",
        || plain(|address| aws_at(&https(address))),
    ),
    (
        "time-out: TLS",
        "THERE: no TLS connection within 1 s; see that the address is right, and that TLS is spoken at that port",
        || silent(https, aws_at),
    ),
    (
        "time-out: answer",
        "AWS: no complete answer within 1 s; run again later",
        || {
            let world = ecr_world();
            world.aws.script().always("GetAuthorizationToken", Fault::HangBefore);
            let program = program(&world, &["ecr-update", "--request-timeout=1s"]);
            Case::of(world, program)
        },
    ),
    (
        "unknown key",
        "AWS: UnrecognizedClientException (400, request id ID): The security token included in the request is invalid; the key is \
         deleted, inactive, of another partition, or too new; put a working pair into its Secret",
        || {
            let world = ecr_world();
            world.cloud.delete_key(&world.key.id);
            let program = program(&world, &["ecr-update"]);
            Case::of(world, program)
        },
    ),
    (
        "access denied",
        "AWS: AccessDeniedException (400, request id ID): User: arn:aws:iam::123456789012:user/ci is not authorized to perform: \
         ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action; \
         allow `ecr:GetAuthorizationToken` on `*` to the user that owns this key",
        || {
            let world = ecr_world();
            world.cloud.deny("ci", "ecr:GetAuthorizationToken");
            let program = program(&world, &["ecr-update"]);
            Case::of(world, program)
        },
    ),
    (
        "429",
        "AWS: TooManyRequestsException (429, request id ID): Rate exceeded; run again later; other tools may be using up this \
         account's request rate",
        || ecr_says(error_json(429, "TooManyRequestsException", "Rate exceeded")),
    ),
    (
        "5xx",
        "AWS: ServerException (500, request id ID): These errors are usually caused by a server-side issue; run again later",
        || ecr_says(server_exception_json()),
    ),
    (
        "5xx of something between",
        "AWS: expected an AWS error, got status 502 with a body of 113 bytes, `text/html; charset=utf-8`; run again later",
        || ecr_says(html_page(502)),
    ),
    (
        "wrong content type",
        "AWS: expected ECR's JSON, got status 200 with a body of 113 bytes, `text/html; charset=utf-8`; see that the address is \
         AWS's, and what stands between",
        || ecr_says(html_page(200)),
    ),
];

/// IAM. Each line begins with `ERROR t/s: ListAccessKeys with key KEY at AWS: ` and ends with `; nothing was done`.
const IAM: &[Row] = &[
    (
        "access denied",
        "AccessDenied (403, request id ID): User: arn:aws:iam::123456789012:user/ci is not authorized to perform: \
         iam:ListAccessKeys on resource: user ci because no identity-based policy allows the iam:ListAccessKeys action; allow \
         `iam:ListAccessKeys` on `arn:aws:iam::123456789012:user/ci` to the user that owns this key",
        || {
            let world = World::with_key_secret();
            world.cloud.deny("ci", "iam:ListAccessKeys");
            let program = program(&world, &["rotate"]);
            Case::of(world, program)
        },
    ),
    (
        "access denied for good",
        "AccessDenied (403, request id ID): User: arn:aws:iam::123456789012:user/ci is not authorized to perform: \
         iam:ListAccessKeys on resource: user ci with an explicit deny in a service control policy; an explicit deny in a service \
         control policy forbids `iam:ListAccessKeys`, and no permission outweighs it: take it out there",
        || {
            let text = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: iam:ListAccessKeys on resource: user \
                        ci with an explicit deny in a service control policy";
            iam_says(error_xml(403, "AccessDenied", text))
        },
    ),
    (
        "404",
        "NoSuchEntity (404, request id ID): The user with name ci cannot be found; it was deleted meanwhile: see who else takes \
         care of this user",
        || iam_says(error_xml(404, "NoSuchEntity", "The user with name ci cannot be found.")),
    ),
    (
        "409",
        "EntityTemporarilyUnmodifiable (409, request id ID): The user is being changed; something else is changing this user; run \
         again later",
        || {
            iam_says(error_xml(
                409,
                "EntityTemporarilyUnmodifiable",
                "The user is being changed.",
            ))
        },
    ),
    (
        "throttled",
        "Throttling (400, request id ID): Rate exceeded; run again later; other tools may be using up this account's request rate",
        || iam_says(throttling_xml()),
    ),
    (
        "5xx",
        "ServiceUnavailable (503, request id ID): The request has failed due to a temporary failure of the server; run again later",
        || iam_says(service_unavailable_xml()),
    ),
    (
        "wrong content type",
        "expected IAM's XML, got status 200 with a body of 113 bytes, `text/html; charset=utf-8`; see that the address is AWS's, \
         and what stands between",
        || iam_says(html_page(200)),
    ),
];
