//! Nobody there, nobody answering, or somebody answering who is not AWS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use super::{
    ECR_FAILED, LIST, Nobody, ROTATE_FAILED, changes_nothing, ecr_update_refuses, ecr_world, program, rotate_refuses,
    rotate_world,
};
use crate::support::aws::{server_exception_json, service_unavailable_xml};
use crate::support::script::Fault;

#[test]
fn an_api_server_that_hangs_is_given_up() {
    let world = rotate_world();
    world.kube.script().always(LIST, Fault::HangBefore);
    changes_nothing(
        &world,
        program(&world, &["rotate", "--request-timeout=1s"]),
        1,
        &["ERROR Kubernetes: list Secrets in namespace t at KUBE: no complete answer within 1 s; run again later"],
    );
    assert_eq!(world.kube.operations(), [LIST; 5]);
}

#[test]
fn an_api_server_that_hangs_up_is_given_up() {
    for (fault, why) in [
        (
            Fault::DropBefore,
            "the connection broke: closed by the other side; run again later",
        ),
        (
            Fault::CutAnswer,
            "the connection broke: closed by the other side; run again later",
        ),
    ] {
        let world = rotate_world();
        world.kube.script().always(LIST, fault);
        changes_nothing(
            &world,
            program(&world, &["rotate"]),
            1,
            &[&format!("ERROR Kubernetes: list Secrets in namespace t at KUBE: {why}")],
        );
        assert_eq!(world.kube.operations(), [LIST; 5]);
    }
}

#[test]
fn an_aws_endpoint_that_is_not_there_is_named() {
    let nobody = Nobody::new();
    let address = nobody.address();
    let world = rotate_world();
    changes_nothing(
        &world,
        program(&world, &["rotate"]).env("AWS_ENDPOINT_URL", format!("http://{address}")),
        1,
        &[
            &format!(
                "ERROR t/s: ListAccessKeys with key KEY at {address}: cannot connect: connection refused; see that the address is right and can be reached from here; nothing was \
                 done"
            ),
            ROTATE_FAILED,
        ],
    );
    let world = ecr_world();
    changes_nothing(
        &world,
        program(&world, &["ecr-update"]).env("AWS_ENDPOINT_URL_ECR", format!("http://{address}")),
        1,
        &[
            &format!(
                "ERROR t/pull: GetAuthorizationToken with key KEY at {address}: cannot connect: connection refused; see that the address is right and can be reached from here (the \
                 key is from Secret t/s)"
            ),
            ECR_FAILED,
        ],
    );
}

/// An IAM that lists the key and is gone before it answers. It is at `::1`, where no other test takes the port over.
fn lists_and_leaves(key: &str) -> (String, JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let body = format!(
        "<ListAccessKeysResponse><ListAccessKeysResult><IsTruncated>false</IsTruncated><AccessKeyMetadata><member>\
         <AccessKeyId>{key}</AccessKeyId><Status>Active</Status><CreateDate>2026-11-23T04:45:54Z</CreateDate></member>\
         </AccessKeyMetadata></ListAccessKeysResult></ListAccessKeysResponse>"
    );
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"Action=ListAccessKeys&Version=2010-05-08") {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).unwrap();
            assert!(count > 0, "the request ends too early");
            request.extend_from_slice(&some[..count]);
        }
        drop(listener);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream
    });
    (address, server)
}

#[test]
fn a_create_that_never_left_has_made_no_key() {
    let world = rotate_world();
    let (address, server) = lists_and_leaves(&world.key.id);
    super::leaves_as_before(
        &world,
        program(&world, &["rotate"]).env("AWS_ENDPOINT_URL_IAM", format!("http://{address}")),
        1,
        &[
            "INFO  t/s: rotating key KEY of arn:aws:iam::123456789012:user/ci",
            &format!(
                "ERROR t/s: no new key was made: CreateAccessKey with key KEY at {address}: cannot connect: connection refused; see that the address is right and can be reached from here; the Secret keeps key KEY"
            ),
            ROTATE_FAILED,
        ],
    );
    drop(server.join());
}

#[test]
fn an_aws_endpoint_that_hangs_is_given_up() {
    let world = rotate_world();
    world.aws.script().always("ListAccessKeys", Fault::HangBefore);
    changes_nothing(
        &world,
        program(&world, &["rotate", "--request-timeout=1s"]),
        1,
        &[
            "ERROR t/s: ListAccessKeys with key KEY at AWS: no complete answer within 1 s; run again later; nothing was done",
            ROTATE_FAILED,
        ],
    );
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 5]);

    let world = ecr_world();
    world.aws.script().always("GetAuthorizationToken", Fault::HangBefore);
    changes_nothing(
        &world,
        program(&world, &["ecr-update", "--request-timeout=1s"]),
        1,
        &[
            "ERROR t/pull: GetAuthorizationToken with key KEY at AWS: no complete answer within 1 s; run again later (the key is from \
             Secret t/s)",
            ECR_FAILED,
        ],
    );
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"; 5]);
}

#[test]
fn an_aws_that_keeps_failing_is_given_up() {
    let world = rotate_world();
    world
        .aws
        .script()
        .always("ListAccessKeys", Fault::ReplyInstead(service_unavailable_xml()));
    rotate_refuses(
        &world,
        "ListAccessKeys with key KEY at AWS: ServiceUnavailable (503, request id ID): The request has failed due to a \
         temporary failure of the server; run again later; nothing was done",
    );
    assert_eq!(world.aws.operations(), ["ListAccessKeys"; 5]);

    let world = ecr_world();
    world
        .aws
        .script()
        .always("GetAuthorizationToken", Fault::ReplyInstead(server_exception_json()));
    ecr_update_refuses(
        &world,
        "GetAuthorizationToken with key KEY at AWS: ServerException (500, request id ID): These errors are usually caused \
         by a server-side issue; run again later (the key is from Secret t/s)",
    );
    assert_eq!(world.aws.operations(), ["GetAuthorizationToken"; 5]);
}
