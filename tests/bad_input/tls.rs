//! Certificates and the files that name whom to trust; IPv6.

use super::{ECR_FAILED, ROTATE_FAILED, changes_nothing, ecr_world, program, refreshes, rotate_world, said};
use crate::support::program::{Program, World, under_test};
use crate::support::tls::Authority;

const UNTRUSTED: &str = "TLS: the server's certificate is not signed by a trusted authority; name the authority's \
    certificate by `--certificate-authority`, or in a pod see to its service account";
const UNTRUSTED_AWS: &str = "TLS: the server's certificate is not signed by a trusted authority; name the authority's \
    certificate in `AWS_CA_BUNDLE`";

/// The only line of a run that ends at the list.
fn list_failed(why: &str) -> String {
    format!("ERROR Kubernetes: list Secrets in namespace t at KUBE: {why}")
}

/// The program with these options beside the world's server and namespace.
fn with_options(world: &World, options: &[&str]) -> Program {
    Program::new(under_test())
        .args(&["-n", "t", "--server", &world.kube.url()])
        .args(options)
}

#[test]
fn an_api_server_of_another_authority_is_not_trusted() {
    let world = rotate_world();
    world.files.file("ca.crt", Authority::new("another").pem());
    changes_nothing(&world, program(&world, &["rotate"]), 1, &[&list_failed(UNTRUSTED)]);
    // The token was not sent.
    assert_eq!(world.kube.operations(), Vec::<String>::new());
}

#[test]
fn an_api_server_is_not_trusted_by_the_public_authorities() {
    let world = rotate_world();
    let program = with_options(&world, &["--token-file", &world.file("token")]);
    changes_nothing(&world, program, 1, &[&list_failed(UNTRUSTED)]);
    assert_eq!(world.kube.operations(), Vec::<String>::new());
}

#[test]
fn an_api_server_at_an_ipv6_address_works() {
    let mut world = ecr_world();
    let authority = Authority::new("cluster");
    world.kube = world.cluster.start("::1", authority.server(&["::1"]));
    world.files.file("ca.crt", authority.pem());
    assert!(world.kube.url().starts_with("https://[::1]:"));
    refreshes(&world, program(&world, &["ecr-update"]), &[]);
}

#[test]
fn aws_over_tls_needs_an_authority_that_is_trusted() {
    let authority = Authority::new("proxy");
    let mut world = ecr_world();
    world.aws = world.cloud.start_tls(authority.server(&["127.0.0.1"]));
    let line = format!(
        "ERROR t/pull: GetAuthorizationToken with key KEY at AWS: {UNTRUSTED_AWS} (the key is from Secret t/s)"
    );
    changes_nothing(&world, program(&world, &["ecr-update"]), 1, &[&line, ECR_FAILED]);
    world.files.file("bundle.pem", Authority::new("another").pem());
    let another = program(&world, &["ecr-update"]).env("AWS_CA_BUNDLE", world.file("bundle.pem"));
    changes_nothing(&world, another, 1, &[&line, ECR_FAILED]);
    assert_eq!(world.aws.operations(), Vec::<String>::new());

    // More than one certificate, and text around them.
    let bundle = format!(
        "# ours\n{}# theirs\n{}",
        Authority::new("another").pem(),
        authority.pem()
    );
    world.files.file("bundle.pem", bundle);
    refreshes(
        &world,
        program(&world, &["ecr-update"]).env("AWS_CA_BUNDLE", world.file("bundle.pem")),
        &[],
    );
}

#[test]
fn a_rotation_does_not_begin_at_an_aws_that_is_not_trusted() {
    let mut world = rotate_world();
    world.aws = world.cloud.start_tls(Authority::new("proxy").server(&["127.0.0.1"]));
    changes_nothing(
        &world,
        program(&world, &["rotate"]),
        1,
        &[
            &format!("ERROR t/s: ListAccessKeys with key KEY at AWS: {UNTRUSTED_AWS}; nothing was done"),
            ROTATE_FAILED,
        ],
    );
}

const NO_CERTIFICATE: &str = "it holds no certificate; expected PEM, `-----BEGIN CERTIFICATE-----`";
const DAMAGED: &str = "a certificate in it is damaged";
const NO_FILE: &str = "cannot be read: No such file or directory (os error 2)";

/// The run ends before anything is asked for.
#[track_caller]
fn wrong_configuration(world: &World, program: Program, line: &str) {
    changes_nothing(world, program, 2, &[&format!("ERROR {line}")]);
    assert_eq!(world.kube.operations(), Vec::<String>::new());
    assert_eq!(world.aws.operations(), Vec::<String>::new());
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    let cut = Authority::new("cut").pem().replace("MII", "III");
    for (setting, names) in [
        ("AWS_CA_BUNDLE", "`AWS_CA_BUNDLE`"),
        ("--certificate-authority", "`--certificate-authority`"),
    ] {
        for (content, why) in [
            (None, format!("which {NO_FILE}")),
            (Some(""), NO_CERTIFICATE.to_owned()),
            (Some("not a certificate"), NO_CERTIFICATE.to_owned()),
            (
                Some("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
                DAMAGED.to_owned(),
            ),
            (Some("-----BEGIN CERTIFICATE-----\nMIIB\n"), DAMAGED.to_owned()),
            (Some(&*cut), DAMAGED.to_owned()),
        ] {
            let world = rotate_world();
            if let Some(content) = content {
                world.files.file("bundle.pem", content);
            }
            let bundle = world.file("bundle.pem");
            let program = if setting == "AWS_CA_BUNDLE" {
                program(&world, &["rotate"]).env(setting, &bundle)
            } else {
                with_options(&world, &["--token-file", &world.file("token"), setting, &bundle])
            };
            let joint = if content.is_none() { "," } else { ":" };
            wrong_configuration(
                &world,
                program,
                &format!("{names} names `FILES/bundle.pem`{joint} {why}"),
            );
        }
    }
}

#[test]
fn a_token_file_that_is_not_there_is_refused() {
    let world = rotate_world();
    let options = [
        "--certificate-authority",
        &world.file("ca.crt"),
        "--token-file",
        &world.file("nothing"),
    ];
    wrong_configuration(
        &world,
        with_options(&world, &options),
        &format!("`--token-file` names `FILES/nothing`, which {NO_FILE}"),
    );
}

#[test]
fn a_token_file_without_a_token_is_refused() {
    for content in ["", " \n", "two words\n", "t\u{f6}ken"] {
        let world = rotate_world();
        world.files.file("token", content);
        wrong_configuration(
            &world,
            program(&world, &["rotate"]),
            "Kubernetes: list Secrets in namespace t at KUBE: no bearer token in `FILES/token`: it is empty, or no token",
        );
    }
}

#[test]
fn a_token_with_white_space_around_it_works() {
    let world = ecr_world();
    let token = std::fs::read_to_string(world.file("token")).unwrap();
    world.files.file("token", format!("\n {token} \r\n"));
    refreshes(&world, program(&world, &["ecr-update"]), &[]);
}

#[test]
fn a_token_that_is_replaced_meanwhile_is_read_again() {
    let world = ecr_world();
    let run = {
        let fresh = world
            .cluster
            .token("system:serviceaccount:t:rotate", &[("t", &["get", "list", "update"])]);
        let (cluster, path) = (world.cluster.clone(), world.file("token"));
        let old = std::fs::read_to_string(&path).unwrap();
        let replace = move || {
            std::fs::write(&path, &fresh).unwrap();
            cluster.revoke(&old);
        };
        let hook = crate::support::script::Fault::CallBefore(std::sync::Arc::new(replace));
        world.aws.script().once("GetAuthorizationToken", hook);
        world.run(&["ecr-update"])
    };
    assert_eq!(said(&world, &run).last().map(String::as_str), Some(super::ECR_DONE));
}
