"""Usage: check_deploy.py NAMESPACE_YAML CLUSTER_YAML IAM_FOLDER

What the manifests and the IAM policies grant, exactly: no schema knows how much is too much."""

import fnmatch
import json
import pathlib
import sys

import yaml

NAME = "aws-iam-credential-rotate"


def manifests(path, kinds):
    """The documents of a rendered kustomization, which are of these kinds and no others."""
    documents = list(yaml.safe_load_all(pathlib.Path(path).read_text()))
    found = sorted(d["kind"] for d in documents)
    assert found == sorted(kinds), f"{path}: {found}"
    return documents


def of_kind(documents, kind):
    return [d for d in documents if d["kind"] == kind]


def check_rights(documents, prefix, namespace):
    (role,) = of_kind(documents, prefix + "Role")
    expected = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "update"]}]
    assert role["rules"] == expected, role["rules"]
    (binding,) = of_kind(documents, prefix + "RoleBinding")
    assert binding["roleRef"]["kind"] == prefix + "Role" and binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}], binding
    (account,) = of_kind(documents, "ServiceAccount")
    assert (account["metadata"]["name"], account["metadata"]["namespace"]) == (NAME, namespace), account


def check_jobs(documents, namespace, more_arguments):
    jobs = {d["metadata"]["name"]: d for d in of_kind(documents, "CronJob")}
    assert sorted(jobs) == ["ecr-update", "rotate"], sorted(jobs)
    for name, job in jobs.items():
        assert job["apiVersion"] == "batch/v1" and job["metadata"]["namespace"] == namespace
        spec = job["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        # One minute of an hour, and not the full hour. `* */6` would be every minute of each sixth hour.
        assert 0 < int(spec["schedule"].split()[0]) < 60, spec["schedule"]
        assert spec["startingDeadlineSeconds"] >= 60
        assert "successfulJobsHistoryLimit" in spec and "failedJobsHistoryLimit" in spec
        run = spec["jobTemplate"]["spec"]
        assert run["activeDeadlineSeconds"] > 0 and "backoffLimit" in run
        check_pod(run["template"]["spec"], name, more_arguments)


def check_pod(pod, name, more_arguments):
    assert pod["serviceAccountName"] == NAME and pod["automountServiceAccountToken"] is True
    assert pod["restartPolicy"] == "Never"
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }, pod["securityContext"]
    (container,) = pod["containers"]
    assert container["image"] == f"{NAME}:{version()}", container["image"]
    assert "command" not in container and container["args"] == [name, *more_arguments], container
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }, container["securityContext"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"} and "memory" in container["resources"]["limits"]


def version():
    """The program's own, from Cargo.toml: the image's tag in the manifests has to keep up with it."""
    for line in pathlib.Path("Cargo.toml").read_text().splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    raise AssertionError("Cargo.toml has no version")


def policy(path, expected):
    """The statements of an IAM policy, which allow these actions, each in full and each once."""
    document = json.loads(path.read_text())
    assert set(document) == {"Version", "Statement"} and document["Version"] == "2012-10-17", path
    actions = []
    for statement in document["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"} and statement["Effect"] == "Allow", statement
        assert statement["Sid"].isalnum(), statement["Sid"]
        actions += [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
    assert sorted(actions) == sorted(expected), f"{path}: {actions}"
    return document["Statement"]


def check_policies(folder):
    keys = policy(folder / "rotate-policy.json", [f"iam:{verb}AccessKey{s}" for verb, s in
                  [("List", "s"), ("Create", ""), ("Update", ""), ("Delete", "")]])
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
    login = policy(folder / "ecr-policy.json", ["ecr:GetAuthorizationToken", *pull])
    (token,) = [s for s in login if "ecr:GetAuthorizationToken" in s["Action"]]
    assert token["Action"] == "ecr:GetAuthorizationToken" and token["Resource"] == "*", token

    # The user itself in every partition, with a path and without, and nobody else. As in IAM, `*` also matches `/`.
    (statement,) = keys
    cases = {"user/alice": True, "user/team/alice": True, "user/a/b/alice": True,
             "user/malice": False, "user/team/malice": False, "user/alice/bob": False, "user/bob": False,
             "role/alice": False, "group/alice": False}
    for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-eusc"]:
        for resource, expected in cases.items():
            arn = f"arn:{partition}:iam::123456789012:{resource}"
            patterns = [p.replace("${aws:username}", "alice") for p in statement["Resource"]]
            assert any(fnmatch.fnmatchcase(arn, p) for p in patterns) == expected, arn


namespaced = manifests(sys.argv[1], ["ServiceAccount", "Role", "RoleBinding", "CronJob", "CronJob"])
check_rights(namespaced, "", "default")
check_jobs(namespaced, "default", [])
cluster = manifests(sys.argv[2], ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "CronJob", "CronJob"])
check_rights(cluster, "Cluster", NAME)
check_jobs(cluster, NAME, ["--all-namespaces"])
check_policies(pathlib.Path(sys.argv[3]))
print("rights, jobs and policies are as small as they are meant to be")
