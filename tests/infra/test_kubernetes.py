"""The manifests: valid for old and new clusters, without rights, and in agreement with each other and the image."""

import copy
import re

import kubernetes_validate
import pytest
import yaml

from quality_gate.monitoring.outbox import DEFAULT_MAX_BYTES

VERSIONS = ("1.29", "1.33", "1.37")
LABEL = {"app.kubernetes.io/name": "quality-gate"}


@pytest.fixture(scope="module")
def manifests(infra):
    """Every object, by kind; the two services by their names."""
    found = {}
    for name in yaml.safe_load((infra / "kubernetes" / "kustomization.yaml").read_text())["resources"]:
        for document in yaml.safe_load_all((infra / "kubernetes" / name).read_text()):
            kind = document["kind"]
            found[document["metadata"]["name"] if kind == "Service" else kind] = document
    return found


@pytest.fixture(scope="module")
def pod(manifests):
    return manifests["StatefulSet"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (container,) = pod["containers"]
    return container


@pytest.fixture(scope="module")
def dockerfile(infra):
    return (infra / "docker" / "serving.Dockerfile").read_text()


def test_every_file_is_part_of_the_base(infra):
    kustomization = yaml.safe_load((infra / "kubernetes" / "kustomization.yaml").read_text())
    files = {path.name for path in (infra / "kubernetes").glob("*.yaml")}
    assert files == {"kustomization.yaml", *kustomization["resources"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_the_cluster_takes(manifests, version):
    assert len(manifests) == 10
    for document in manifests.values():
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("StatefulSet", ("spec", "template", "spec", "terminationGracePeriod"), 60),
        ("HorizontalPodAutoscaler", ("spec", "minReplicas"), "two"),
        ("NetworkPolicy", ("spec", "ingres"), []),
        ("PodDisruptionBudget", ("spec", "maxUnavailable"), {}),
        ("PersistentVolumeClaim", ("spec", "accessModes"), "ReadWriteMany"),
    ],
)
def test_a_mistake_is_found(manifests, kind, path, wrong):
    document = copy.deepcopy(manifests[kind])
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = wrong
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


def test_the_pod_has_no_rights(pod, container, manifests):
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert manifests["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_user_port_and_folders_are_those_of_the_image(pod, container, dockerfile, manifests):
    context = pod["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in dockerfile
    assert context["fsGroup"] == context["runAsGroup"]
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in dockerfile
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    photos = manifests["ConfigMap"]["data"]["QUALITY_GATE_REVIEW_PHOTOS"]
    assert set(mounts) == {"/tmp", photos, re.search(r"^VOLUME (\S+)$", dockerfile, re.MULTILINE).group(1)}
    claims = [claim["metadata"]["name"] for claim in manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]]
    assert claims == [mounts["/var/lib/quality-gate"]], "what waits for the prediction log outlives the pod"


def test_probes_ask_what_the_service_answers(container):
    asked = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    assert all(container[name]["httpGet"]["port"] == "http" for name in asked)


def test_a_pod_that_ends_has_time_for_its_longest_request(pod, container, manifests):
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    longest = float(manifests["ConfigMap"]["data"]["QUALITY_GATE_REQUEST_TIMEOUT_S"])
    assert pod["terminationGracePeriodSeconds"] > pause + longest


def test_all_objects_mean_the_same_pods(manifests):
    spec = manifests["StatefulSet"]["spec"]
    assert spec["template"]["metadata"]["labels"] == LABEL
    selectors = [
        spec["selector"]["matchLabels"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        manifests["quality-gate"]["spec"]["selector"],
        manifests["quality-gate-replicas"]["spec"]["selector"],
    ]
    assert selectors == [LABEL] * 5
    assert spec["serviceName"] == "quality-gate-replicas"
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    named = manifests["StatefulSet"]
    assert target == {"apiVersion": named["apiVersion"], "kind": named["kind"], "name": named["metadata"]["name"]}
    assert "replicas" not in spec, "applying it again would undo what the autoscaler decided"


def test_two_servers_at_least_so_that_one_may_be_taken_away(manifests):
    assert manifests["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
    assert manifests["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_only_clients_come_in_and_only_names_and_the_database_are_reached(manifests):
    policy = manifests["NetworkPolicy"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    (ingress,) = policy["ingress"]
    assert ingress["from"] == [{"namespaceSelector": {"matchLabels": {"quality-gate/client": "true"}}}]
    assert [port["port"] for port in ingress["ports"]] == ["http"]
    assert all(rule["to"] for rule in policy["egress"]), "a rule without `to` reaches everything"
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 5432}


def test_settings_are_those_the_service_reads_and_secrets_are_no_part_of_the_base(manifests, container, settings):
    plain = set(manifests["ConfigMap"]["data"])
    secret = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container["env"]}
    assert plain | set(secret) <= settings
    assert secret == {
        "QUALITY_GATE_API_KEYS": {"name": "quality-gate", "key": "api-keys"},
        "QUALITY_GATE_DATABASE_URL": {"name": "quality-gate", "key": "database-url"},
    }
    assert "Secret" not in manifests
    limit = container["resources"]["limits"]["cpu"]
    assert manifests["ConfigMap"]["data"]["QUALITY_GATE_THREADS"] == limit


def storage(claim):
    """What a claim asks for, in bytes."""
    return int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 2**30


def test_what_waits_for_the_database_and_for_review_fits_into_its_volume(manifests):
    (outbox,) = manifests["StatefulSet"]["spec"]["volumeClaimTemplates"]
    photos = 1e6 * float(manifests["ConfigMap"]["data"]["QUALITY_GATE_REVIEW_MAX_MB"])
    # A fifth is left for blocks, and for what comes between two sweeps.
    assert 0.8 * storage(outbox) > DEFAULT_MAX_BYTES
    assert photos < 0.8 * storage(manifests["PersistentVolumeClaim"])


def test_all_servers_have_one_folder_of_photos_for_review(manifests, pod, container):
    claim = manifests["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"], "there are two servers at least, on any nodes"
    (volume,) = (one["name"] for one in pod["volumes"] if "persistentVolumeClaim" in one)
    places = {one["name"]: one.get("persistentVolumeClaim", {}).get("claimName") for one in pod["volumes"]}
    assert places[volume] == claim["metadata"]["name"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts[volume] == manifests["ConfigMap"]["data"]["QUALITY_GATE_REVIEW_PHOTOS"]
