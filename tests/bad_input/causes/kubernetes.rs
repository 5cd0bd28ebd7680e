//! The API server cannot be asked, or refuses.

use std::sync::Arc;

use super::{Case, Row, all, nobody, plain, plainly, silent};
use crate::bad_input::{LIST, PUT_PULL, ecr_world, program};
use crate::support::aws::html_page;
use crate::support::kube::status::{service_unavailable, status_reply, too_many_requests};
use crate::support::program::{Program, World, under_test};
use crate::support::script::Fault;
use crate::support::server::Reply;
use crate::support::tls::Authority;

#[test]
fn the_api_server_cannot_be_asked_or_refuses() {
    all(KUBERNETES, "ERROR Kubernetes: ", "");
}

#[test]
fn the_api_server_refuses_a_write() {
    all(WRITES, "ERROR t/pull: Kubernetes: update t/pull at KUBE: ", "");
}

fn with_server(world: &World, address: &str) -> Program {
    Program::new(under_test())
        .args(&["ecr-update", "-n", "t", "--server", &format!("https://{address}")])
        .args(&["--token-file", &world.file("token")])
        .args(&["--certificate-authority", &world.file("ca.crt")])
        .env("AWS_ENDPOINT_URL", world.aws.url())
}

/// The API server at this address.
fn kube_at(address: &str) -> Case {
    let world = ecr_world();
    let program = with_server(&world, address);
    Case::of(world, program)
}

/// The API server with a certificate by an authority that is trusted.
fn kube_by(config: impl Fn(&Authority) -> Arc<rustls::ServerConfig>) -> Case {
    let mut world = ecr_world();
    let authority = Authority::new("cluster");
    world.kube = world.cluster.start("127.0.0.1", config(&authority));
    world.files.file("ca.crt", authority.pem());
    let program = program(&world, &["ecr-update"]);
    Case::of(world, program)
}

/// The API server answers this.
fn kube_says(operation: &str, reply: Reply) -> Case {
    let world = ecr_world();
    world.kube.script().always(operation, Fault::ReplyInstead(reply));
    let program = program(&world, &["ecr-update"]);
    Case::of(world, program)
}

/// The API server grants these verbs in this namespace.
fn kube_grants(namespace: &str, verbs: &[&str], arguments: &[&str]) -> Case {
    let world = ecr_world();
    let token = world
        .cluster
        .token("system:serviceaccount:t:rotate", &[(namespace, verbs)]);
    world.files.file("token", token);
    let program = program(&world, arguments);
    Case::of(world, program)
}

/// The API server. Each line begins with `ERROR Kubernetes: `.
const KUBERNETES: &[Row] = &[
    (
        "name resolution",
        "list Secrets in namespace t at https://no-such-host.invalid: the host name cannot be resolved; see that the address is \
         right, and that this machine resolves names",
        || kube_at("no-such-host.invalid"),
    ),
    (
        "refused",
        "list Secrets in namespace t at https://THERE: cannot connect: connection refused; see that the address is right and can \
         be reached from here",
        || nobody(kube_at),
    ),
    (
        "TLS: unknown authority",
        "list Secrets in namespace t at KUBE: TLS: the server's certificate is not signed by a trusted authority; name the \
         authority's certificate by `--certificate-authority`, or in a pod see to its service account",
        || kube_by(|_| Authority::new("another").server(&["127.0.0.1"])),
    ),
    (
        "TLS: expired",
        "list Secrets in namespace t at KUBE: TLS: the server's certificate expired on 2020-01-01T00:00:00Z, and it is NOW by \
         this machine's clock; renew it, or set this machine's clock if that is off",
        || kube_by(|authority| authority.server_in(&["127.0.0.1"], (2019, 2020))),
    ),
    (
        "TLS: not yet valid",
        "list Secrets in namespace t at KUBE: TLS: the server's certificate is not valid before 2096-01-01T00:00:00Z, and it is \
         NOW by this machine's clock; set this machine's clock if that is off, or wait",
        || kube_by(|authority| authority.server_in(&["127.0.0.1"], (2096, 2097))),
    ),
    (
        "TLS: wrong name",
        "list Secrets in namespace t at KUBE: TLS: the server's certificate is not for 127.0.0.1, only for kubernetes.default, \
         10.96.0.1; use a name that the certificate is for, or have it issued for this one",
        || kube_by(|authority| authority.server(&["kubernetes.default", "10.96.0.1"])),
    ),
    (
        "TLS: no name",
        "list Secrets in namespace t at KUBE: TLS: the server's certificate is not for 127.0.0.1, and for no other name; use a \
         name that the certificate is for, or have it issued for this one",
        || kube_by(|authority| authority.server(&[])),
    ),
    (
        "TLS: client certificate demanded",
        "list Secrets in namespace t at KUBE: TLS: the server demands a client certificate, and was sent none; give the user a \
         client certificate and its key",
        || kube_by(|authority| authority.server_for(&["127.0.0.1"], authority)),
    ),
    (
        "TLS: not spoken",
        "list Secrets in namespace t at https://THERE: TLS: the server does not speak TLS; is the port right?",
        || plain(kube_at),
    ),
    (
        "time-out: TLS",
        "list Secrets in namespace t at https://THERE: no TLS connection within 1 s; see that the address is right, and that TLS \
         is spoken at that port",
        || silent(plainly, kube_at),
    ),
    (
        "time-out: answer",
        "list Secrets in namespace t at KUBE: no complete answer within 1 s; run again later",
        || {
            let world = ecr_world();
            world.kube.script().always(LIST, Fault::HangBefore);
            let program = program(&world, &["ecr-update", "--request-timeout=1s"]);
            Case::of(world, program)
        },
    ),
    (
        "401",
        "list Secrets in namespace t at KUBE: Unauthorized (401): Unauthorized; the token is not accepted: expired, or of another \
         cluster; get a new one",
        || {
            let case = kube_grants("t", &["list"], &["ecr-update"]);
            let token = std::fs::read_to_string(case.world.file("token")).unwrap();
            case.world.cluster.revoke(&token);
            case
        },
    ),
    (
        "403: in a namespace",
        "list Secrets in namespace t at KUBE: Forbidden (403): secrets is forbidden: User \"system:serviceaccount:t:rotate\" \
         cannot list resource \"secrets\" in API group \"\" in the namespace \"t\"; grant the verb `list` on `secrets` by a Role \
         and a RoleBinding",
        || kube_grants("t", &["get"], &["ecr-update"]),
    ),
    (
        "403: in all namespaces",
        "list Secrets in all namespaces at KUBE: Forbidden (403): secrets is forbidden: User \
         \"system:serviceaccount:t:rotate\" cannot list resource \"secrets\" in API group \"\" at the cluster scope; grant the \
         verb `list` on `secrets` by a ClusterRole and a ClusterRoleBinding, or name a namespace",
        || kube_grants("t", &["list"], &["ecr-update", "-A"]),
    ),
    (
        "404: no API there",
        "list Secrets in namespace t at KUBE: NotFound (404): the server could not find the requested resource; see that the \
         address is that of a Kubernetes API server",
        || {
            let text = "the server could not find the requested resource";
            kube_says(LIST, status_reply(404, "NotFound", text))
        },
    ),
    (
        "429",
        "list Secrets in namespace t at KUBE: TooManyRequests (429): The request limit has been reached, please try again later; \
         run again later",
        || kube_says(LIST, too_many_requests(3600)),
    ),
    (
        "5xx",
        "list Secrets in namespace t at KUBE: ServiceUnavailable (503): the server is currently unable to handle the request; run \
         again later",
        || kube_says(LIST, service_unavailable()),
    ),
    (
        "5xx of something between",
        "list Secrets in namespace t at KUBE: expected a Status of the Kubernetes API, got status 502 with a body of 113 bytes, \
         `text/html; charset=utf-8` (is this the API server?); run again later",
        || kube_says(LIST, html_page(502)),
    ),
    (
        "wrong content type",
        "list Secrets in namespace t at KUBE: expected a SecretList, got status 200 with a body of 113 bytes, `text/html; \
         charset=utf-8` (is this the API server?)",
        || kube_says(LIST, html_page(200)),
    ),
];

/// A write. Each line begins with `ERROR t/pull: Kubernetes: update t/pull at KUBE: `.
const WRITES: &[Row] = &[
    (
        "403: may not write",
        "Forbidden (403): secrets \"pull\" is forbidden: User \"system:serviceaccount:t:rotate\" cannot update resource \
         \"secrets\" in API group \"\" in the namespace \"t\"; grant the verb `update` on `secrets` by a Role and a RoleBinding",
        || kube_grants("t", &["list", "get"], &["ecr-update"]),
    ),
    (
        "404: gone meanwhile",
        "NotFound (404): secrets \"pull\" not found; it was deleted meanwhile; make it again if it is still wanted",
        || kube_says(PUT_PULL, status_reply(404, "NotFound", "secrets \"pull\" not found")),
    ),
    (
        "409",
        "Conflict (409): Operation cannot be fulfilled on secrets \"pull\": the object has been modified; somebody else keeps \
         changing it: see who, and run again",
        || {
            let text = "Operation cannot be fulfilled on secrets \"pull\": the object has been modified";
            kube_says(PUT_PULL, status_reply(409, "Conflict", text))
        },
    ),
    (
        "422",
        "Invalid (422): Secret \"pull\" is invalid: data: Forbidden: field is immutable when `immutable` is set; correct the \
         Secret, or the policy that forbids it, and run again",
        || {
            let text = "Secret \"pull\" is invalid: data: Forbidden: field is immutable when `immutable` is set";
            kube_says(PUT_PULL, status_reply(422, "Invalid", text))
        },
    ),
];
