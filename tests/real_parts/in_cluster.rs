//! The image as a pod runs it: no `--server`, the service account mounted where the kubelet mounts it, the API server
//! named by the two variables that the kubelet sets.
//!
//! `RUN_IN_IMAGE` is a program that runs the image's with its own arguments and environment, and mounts the folder that
//! `SERVICE_ACCOUNT` names; `.ci/check-image` makes it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::program::{NAMESPACE, Program, Run, VERBS, World};
use crate::support::script::Fault;
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::tools::{required, run};

const USER: &str = "system:serviceaccount:t:aws-iam-credential-rotate";
const PUT: &str = "PUT /api/v1/namespaces/t/secrets/s";

/// A world with a Secret to rotate, and an API server at `host` that a pod's service account leads to.
struct Pod {
    world: World,
    server: Server,
    host: String,
    account: PathBuf,
}

impl Pod {
    fn new(host: &str) -> Pod {
        let world = World::new();
        world.add_key_secret("s", &world.key.id, &world.key.secret);
        let authority = Authority::new("cluster of a pod");
        let server = world.cluster.start(host, authority.server(&[host]));
        let account = world.files.path().join("account");
        fs::create_dir(&account).unwrap();
        let token = world.cluster.token(USER, &[(NAMESPACE, VERBS)]);
        mount_version(&account, "1", authority.pem(), &token);
        Pod {
            world,
            server,
            host: host.to_owned(),
            account,
        }
    }

    /// The image's program in this pod.
    fn program(&self) -> Program {
        Program::new(required("RUN_IN_IMAGE"))
            .env("SERVICE_ACCOUNT", self.account.display().to_string())
            .env("KUBERNETES_SERVICE_HOST", &self.host)
            .env("KUBERNETES_SERVICE_PORT", self.server.port().to_string())
            .env("AWS_ENDPOINT_URL", self.world.aws.url())
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let token = fs::read_to_string(self.account.join("token")).unwrap_or_default();
        let run = run(&self.world, self.program().args(arguments));
        assert!(
            token.is_empty() || !run.stderr.contains(&token),
            "the token was printed"
        );
        run
    }
}

/// As the kubelet does it: the files of a version lie in a folder of its own, `..data` leads there, and is replaced in one
/// step when the token is renewed.
fn mount_version(account: &Path, version: &str, authority: &str, token: &str) {
    let folder = format!("..{version}");
    fs::create_dir(account.join(&folder)).unwrap();
    for (name, content) in [("ca.crt", authority), ("namespace", NAMESPACE), ("token", token)] {
        fs::write(account.join(&folder).join(name), content).unwrap();
        let _ = symlink(format!("..data/{name}"), account.join(name));
    }
    symlink(&folder, account.join("..new")).unwrap();
    fs::rename(account.join("..new"), account.join("..data")).unwrap();
}

fn a_rotation_in_a_pod(host: &str) {
    let pod = Pod::new(host);
    let world = &pod.world;
    let run = pod.run(&[]);
    let log = run.log(world);
    let done = "INFO  rotate: 1 Secret with label aws-rotate-key=true in namespace t: 1 rotated, 0 failed";
    assert_eq!(log.last().map(String::as_str), Some(done), "{log:#?}");
    assert_eq!(run.code, Some(0));
    let keys = world.cloud.keys("ci");
    assert_eq!((keys.len(), keys[0].id.clone()), (1, world.value("s", "access_key_id")));
    assert_ne!(keys[0].id, world.key.id);
    assert_eq!(
        world.kube.operations(),
        Vec::<String>::new(),
        "another API server was asked"
    );
    let list = "GET /api/v1/namespaces/t/secrets";
    assert_eq!(pod.server.operations(), [list, PUT, PUT, PUT, list, PUT]);
}

#[test]
fn the_image_rotates_in_a_pod_with_an_ipv4_api_server() {
    a_rotation_in_a_pod("127.0.0.1");
}

#[test]
fn the_image_rotates_in_a_pod_with_an_ipv6_api_server() {
    a_rotation_in_a_pod("::1");
}

#[test]
fn a_token_that_the_kubelet_renews_during_the_run_is_read_again() {
    let pod = Pod::new("127.0.0.1");
    let old = fs::read_to_string(pod.account.join("token")).unwrap();
    let authority = fs::read_to_string(pod.account.join("ca.crt")).unwrap();
    let (cluster, account) = (Arc::clone(&pod.world.cluster), pod.account.clone());
    // After the first list, and before its answer.
    let renew = move || {
        let token = cluster.token(USER, &[(NAMESPACE, VERBS)]);
        mount_version(&account, "2", &authority, &token);
        cluster.revoke(&old);
    };
    let list = "GET /api/v1/namespaces/t/secrets";
    pod.server.script().once(list, Fault::CallAfter(Arc::new(renew)));
    let run = pod.run(&[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(pod.server.operations(), [list, PUT, PUT, PUT, list, PUT]);
}

#[test]
fn exit_codes_pass_through_the_image() {
    let pod = Pod::new("127.0.0.1");
    let world = &pod.world;
    world.add_key_secret("broken", "", "");
    let one = pod.run(&["rotate"]);
    let log = one.log(world);
    let done = "INFO  rotate: 2 Secrets with label aws-rotate-key=true in namespace t: 1 rotated, 1 failed";
    assert_eq!(log.last().map(String::as_str), Some(done), "{}", one.stderr);
    assert_eq!(one.code, Some(1));

    let two = pod.run(&["--no-such-option"]);
    assert_eq!(
        two.stderr,
        "Unrecognized argument: --no-such-option\nRun `aws-iam-credential-rotate --help` for usage.\n"
    );
    assert_eq!(two.code, Some(2));

    // The image's user is not root, which could read this.
    let why = |why: &str| {
        format!(
            "ERROR the pod's service account is of no use: `/var/run/secrets/kubernetes.io/serviceaccount/token`: {why}; \
             is `automountServiceAccountToken` off?"
        )
    };
    let token = pod.account.join("token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let not_readable = pod.run(&[]);
    assert_eq!(not_readable.log(world), [why("Permission denied (os error 13)")]);
    assert_eq!(not_readable.code, Some(2));
    fs::remove_file(&token).unwrap();
    let no_token = pod.run(&[]);
    assert_eq!(no_token.log(world), [why("No such file or directory (os error 2)")]);
    assert_eq!(no_token.code, Some(2));
}
