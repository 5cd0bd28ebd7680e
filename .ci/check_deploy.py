"""Usage: check_deploy.py FOLDER_WITH_RENDERED_MANIFESTS IAM_FOLDER

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


SECRETS = [("secrets", ["get", "list", "watch", "update"])]
# What copies and service accounts need, and nothing beside it.
COPIES = [
    ("secrets", ["get", "list", "watch", "update", "create", "delete"]),
    ("namespaces", ["list"]),
    ("serviceaccounts", ["get", "update"]),
]


def check_rights(documents, prefix, namespace, rights):
    (role,) = of_kind(documents, prefix + "Role")
    expected = [{"apiGroups": [""], "resources": [kind], "verbs": verbs} for kind, verbs in rights]
    assert role["rules"] == expected, role["rules"]
    (binding,) = of_kind(documents, prefix + "RoleBinding")
    assert binding["roleRef"]["kind"] == prefix + "Role" and binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}], binding
    (account,) = of_kind(documents, "ServiceAccount")
    assert (account["metadata"]["name"], account["metadata"]["namespace"]) == (NAME, namespace), account


def check_jobs(documents, namespace, arguments):
    """The jobs of these names, each with its arguments behind its name."""
    jobs = {d["metadata"]["name"]: d for d in of_kind(documents, "CronJob")}
    assert sorted(jobs) == sorted(arguments), sorted(jobs)
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
        check_pod(run["template"]["spec"], name, arguments[name])


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


def policy(path, expected, parts=("Sid", "Effect", "Action", "Resource")):
    """The statements of an IAM policy, which allow these actions, each in full and each once."""
    document = json.loads(path.read_text())
    assert set(document) == {"Version", "Statement"} and document["Version"] == "2012-10-17", path
    actions = []
    for statement in document["Statement"]:
        assert set(statement) == set(parts) and statement["Effect"] == "Allow", statement
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
    # Neither knows a resource to narrow it to.
    (public,) = policy(folder / "ecr-public-policy.json", ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"])
    assert public["Resource"] == "*", public

    # One role, named in full, by whoever brings the external id; the example asks for that role with that id.
    (assume,) = policy(folder / "assume-role-policy.json", ["sts:AssumeRole"])
    trust = policy(folder / "pull-role-trust-policy.json", ["sts:AssumeRole"],
                   ("Sid", "Effect", "Principal", "Action", "Condition"))
    (example,) = yaml.safe_load_all((folder.parent / "examples/ecr-role.yaml").read_text())
    asked = example["metadata"]["annotations"]
    assert assume["Resource"] == asked["aws-ecr-updater/role-arn"], assume
    assert trust[0]["Principal"] == {"AWS": "arn:aws:iam::210987654321:user/ci"}, trust
    assert trust[0]["Condition"] == {"StringEquals": {"sts:ExternalId": asked["aws-ecr-updater/external-id"]}}, trust

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


ROLE, CLUSTER_ROLE = ["Role", "RoleBinding"], ["Namespace", "ClusterRole", "ClusterRoleBinding"]
EVERYWHERE = ["--all-namespaces"]
ONE_JOB = {"all": ["--max-age", "7d"]}
folder = pathlib.Path(sys.argv[1])
for name, kinds, rights, jobs in [
    ("namespace", ROLE, SECRETS, {"rotate": [], "ecr-update": []}),
    ("cluster", CLUSTER_ROLE, SECRETS, {"rotate": EVERYWHERE, "ecr-update": EVERYWHERE}),
    ("copies", CLUSTER_ROLE, COPIES, {"rotate": [], "ecr-update": []}),
    ("edited-namespace", ROLE, SECRETS, ONE_JOB),
    ("edited-cluster", CLUSTER_ROLE, SECRETS, {"all": ONE_JOB["all"] + EVERYWHERE}),
    ("edited-copies", CLUSTER_ROLE, COPIES, {"rotate": [], "ecr-update": ["--prune"]}),
]:
    rendered = manifests(folder / f"{name}.yaml", ["ServiceAccount", *kinds, *["CronJob"] * len(jobs)])
    namespace = "default" if kinds is ROLE else NAME
    check_rights(rendered, "" if kinds is ROLE else "Cluster", namespace, rights)
    check_jobs(rendered, namespace, jobs)
check_policies(pathlib.Path(sys.argv[2]))
print("rights, jobs and policies are as small as they are meant to be")
