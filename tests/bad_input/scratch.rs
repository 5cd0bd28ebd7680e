use super::*;
use crate::support::aws::html_page;
use crate::support::script::Fault;
use crate::support::server::Reply;
fn show(what: &str, world: &World, p: Program) {
    let run = p.run();
    println!(
        "== {what} {:?}\n{}\nstdout {} aws {:?} kube {:?}",
        run.code,
        said(world, &run).join("\n"),
        run.stdout,
        world.aws.operations(),
        world.kube.operations()
    );
}
#[test]
fn scratch() {
    let w = World::new();
    w.add_key_secret("s", "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY", &w.key.id);
    show("swapped alnum", &w, program(&w, &["rotate"]));
    let w = ecr_world();
    w.cloud.regions(&["us-east-1"]);
    show("wrong region ecr", &w, program(&w, &["ecr-update"]));
    let w = rotate_world();
    w.cluster.edit("t", "s", &|s| {
        s["metadata"]["annotations"] = serde_json::json!({"aws-rotate-key/region": "eu-west-9"})
    });
    show("wrong region rotate", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.cluster.edit("t", "s", &|s| {
        s["metadata"]["annotations"] = serde_json::json!({"aws-rotate-key/region": ""})
    });
    show("empty region rotate", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.kube.script().always(
        LIST,
        Fault::ReplyInstead(Reply::new(403, "application/json", r#"{"kind":"Status","code":403}"#)),
    );
    show("bare status", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.kube.script().once(LIST, Fault::ReplyInstead(html_page(502)));
    show("502 html kube", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.kube.script().once(LIST, Fault::ReplyInstead(html_page(500)));
    show("500 html kube", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.aws
        .script()
        .always("ListAccessKeys", Fault::ReplyInstead(html_page(403)));
    show("403 html aws", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.aws.script().always(
        "ListAccessKeys",
        Fault::ReplyInstead(Reply::new(200, "text/xml", vec![b' '; 1024 * 1024 + 1])),
    );
    show("too long aws", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let a = silent.local_addr().unwrap().to_string();
    show(
        "silent",
        &w,
        Program::new(under_test()).args(&[
            "-n",
            "t",
            "--server",
            &format!("https://{a}"),
            "--token-file",
            &w.file("token"),
            "--request-timeout=1s",
        ]),
    );
    for t in [
        "--request-timeout=18446744073709551615s",
        "--propagation-timeout=18446744073709551615s",
        "--request-timeout=99999999999d",
    ] {
        let w = rotate_world();
        w.aws
            .script()
            .once("ListAccessKeys", Fault::Delay(std::time::Duration::from_secs(2)));
        show(t, &w, program(&w, &["rotate", t]));
        println!("keys {:?}", w.cloud.keys("ci").len());
    }
    let w = rotate_world();
    show(
        "token literal",
        &w,
        Program::new(under_test()).args(&[
            "-n",
            "t",
            "--server",
            &w.kube.url(),
            "--token-file",
            "eyJhbGciOi.token.sig",
        ]),
    );
    show(
        "token dir",
        &w,
        Program::new(under_test()).args(&["-n", "t", "--server", &w.kube.url(), "--token-file", "/tmp"]),
    );
    show(
        "ca dir",
        &w,
        Program::new(under_test()).args(&[
            "-n",
            "t",
            "--server",
            &w.kube.url(),
            "--token-file",
            &w.file("token"),
            "--certificate-authority",
            "/tmp",
        ]),
    );
    show(
        "userinfo",
        &w,
        program(&w, &[]).env("AWS_ENDPOINT_URL", "https://user:hunter2@host"),
    );
    show(
        "userinfo server",
        &w,
        program(&w, &[]).args(&["--server", "https://user:hunter2@host"]),
    );
    show(
        "empty token file arg",
        &w,
        Program::new(under_test()).args(&["-n", "t", "--server", &w.kube.url(), "--token-file", ""]),
    );
    show(
        "server trailing",
        &w,
        Program::new(under_test()).args(&["-n", "t", "--server", "https://", "--token-file", "/tmp"]),
    );
    show(
        "bad port",
        &w,
        Program::new(under_test()).args(&[
            "-n",
            "t",
            "--server",
            "https://127.0.0.1:99999",
            "--token-file",
            &w.file("token"),
        ]),
    );
    show(
        "bad host",
        &w,
        Program::new(under_test()).args(&["-n", "t", "--server", "https://[::1", "--token-file", &w.file("token")]),
    );
    show(
        "bad endpoint port",
        &w,
        program(&w, &["rotate"]).env("AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
    );
    show(
        "endpoint with path",
        &w,
        program(&w, &["rotate"]).env("AWS_ENDPOINT_URL", "http://[::1]x"),
    );
    show(
        "rust log",
        &w,
        program(&w, &["rotate", "-n", "nope"]).env("RUST_LOG", "loud=,,"),
    );
    let w = rotate_world();
    w.kube.script().always(PUT_KEY, Fault::ReplyInstead(html_page(502)));
    show("502 html put", &w, program(&w, &["rotate"]));
    let w = ecr_world();
    w.aws.script().once(
        "GetAuthorizationToken",
        Fault::ReplyInstead(Reply::new(
            200,
            "application/x-amz-json-1.1",
            r#"{"authorizationData":[{"authorizationToken":"QVdTOmE=","expiresAt":1.0}]}"#,
        )),
    );
    show("no endpoint", &w, program(&w, &["ecr-update"]));
    let w = ecr_world();
    w.aws.script().once(
        "GetAuthorizationToken",
        Fault::ReplyInstead(Reply::new(
            400,
            "application/x-amz-json-1.1",
            r#"{"__type":"","message":""}"#,
        )),
    );
    show("empty type", &w, program(&w, &["ecr-update"]));
    let w = rotate_world();
    w.aws.script().once(
        "ListAccessKeys",
        Fault::ReplyInstead(Reply::new(
            400,
            "text/xml",
            "<ErrorResponse><Error><Code></Code></Error></ErrorResponse>",
        )),
    );
    show("empty code", &w, program(&w, &["rotate"]));
    let w = ecr_world();
    w.cluster.edit("t", "pull", &|s| s["type"] = "x".into());
    show("type", &w, program(&w, &["ecr-update"]));
    let w = rotate_world();
    w.cluster.edit("t", "s", &|s| {
        s["stringData"] = serde_json::json!({"pad": "x".repeat(1024*1024 - 70)});
    });
    show("too big", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.kube.script().once(
        LIST,
        Fault::ReplyInstead(Reply::new(200, "application/json", "{}").header("X-Big", "y".repeat(40000))),
    );
    show("big header", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.aws.script().once(
        "CreateAccessKey",
        Fault::ReplyAfter(Reply::new(200, "text/xml", "{}").header("X-Big", "y".repeat(40000))),
    );
    show("big header", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    w.cloud.deny("ci", "iam:DeleteAccessKey");
    w.files.file("token", w.cluster.token("u", &[("t", &["list", "get"])]));
    show("no update, no delete", &w, program(&w, &["rotate"]));
    let w = rotate_world();
    let files = w.file("token");
    w.aws.script().once(
        "CreateAccessKey",
        Fault::CallAfter(std::sync::Arc::new(move || {
            std::fs::write(&files, "").unwrap();
        })),
    );
    show("token goes", &w, program(&w, &["rotate"]));
    std::mem::forget(w);
}
