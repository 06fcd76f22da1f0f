"""The pods of a training on a cluster, as ZenML renders them from the very files, and the schedule that starts it."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import kubernetes_validate
import pytest
import yaml
from kubernetes import client as api
from zenml.artifact_stores import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.config.compiler import Compiler
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.enums import StackComponentType
from zenml.integrations.kubernetes import kube_utils
from zenml.integrations.kubernetes.flavors import KubernetesOrchestratorConfig
from zenml.integrations.kubernetes.manifest_utils import build_job_manifest, build_pod_manifest
from zenml.integrations.kubernetes.manifest_utils import pod_template_manifest_from_pod as as_template
from zenml.integrations.kubernetes.orchestrators import KubernetesOrchestrator
from zenml.stack import Stack

from pipelines import batch_prediction, training, tuning
from pipelines.cluster_schedule import cluster_schedule, scheduled_start
from pipelines.containers import TRAINING_IMAGE
from quality_gate.home import HOME_VARIABLE, Home

VERSIONS = ("1.29", "1.33", "1.37")
IMAGE = f"registry.example.com/quality-gate/{TRAINING_IMAGE}"
GPU = "nvidia.com/gpu"
WITH_GPU = {"find_suspects", "train_scratch_baseline", "train_transfer"}
MOMENT = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def described(infra):
    return yaml.safe_load((infra / "stacks" / "kubernetes.yaml").read_text())["components"]


@pytest.fixture(scope="module")
def manifests(infra):
    """The objects that are applied by hand, by kind and name."""
    folder, found = infra / "kubernetes" / "training", {}
    named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    # The namespace is that of the service.
    for name in ("../namespace.yaml", *named):
        for document in yaml.safe_load_all((folder / name).read_text()):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


def component(kind, configuration, implementation, flavor):
    return implementation(
        name=flavor, id=UUID(int=1), config=configuration, flavor=flavor, type=kind, user=None, created=MOMENT,
        updated=MOMENT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def orchestrator(described):
    configuration = KubernetesOrchestratorConfig(**described["orchestrator"]["configuration"])
    return component(StackComponentType.ORCHESTRATOR, configuration, KubernetesOrchestrator, "kubernetes")


@pytest.fixture(scope="module")
def compiled(orchestrator, infra, tmp_path_factory):
    """Compiles a pipeline for the stack, with a run configuration or without; needs no server."""
    home = tmp_path_factory.mktemp("home")
    kept = component(
        StackComponentType.ARTIFACT_STORE, LocalArtifactStoreConfig(path=str(home)), LocalArtifactStore, "local"
    )
    stack = Stack(id=UUID(int=2), name="cluster", orchestrator=orchestrator, artifact_store=kept)

    def compile_for(pipeline, configuration=None, **parameters):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(HOME_VARIABLE, str(home))
            # Both would ask a server.
            patch.setattr("zenml.config.compiler.get_zenml_versions", lambda: ("0", "0"))
            patch.setattr("zenml.utils.code_repository_utils.find_active_code_repository", lambda: None)
            pipeline.prepare(**parameters)
            given = yaml.safe_load(configuration.read_text()) if configuration else {}
            return Compiler().compile(pipeline, stack, PipelineRunConfiguration.model_validate(given))

    return compile_for


@pytest.fixture(scope="module")
def snapshot(compiled, infra):
    return compiled(training, infra / "stacks" / "kubernetes_run.yaml")


def as_sent(manifest):
    """What goes over the wire, without the null fields that a server passes over."""
    return _without_nulls(api.ApiClient().sanitize_for_serialization(manifest))


def as_job(document):
    """A job with the two fields that its address says for it."""
    return {"apiVersion": "batch/v1", "kind": "Job", **document}


def _without_nulls(value):
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def render(orchestrator):
    """Renders the job of a step in the way of the pod that starts it."""

    def rendered(step, name):
        settings = orchestrator.get_settings(step)
        pod = build_pod_manifest(
            pod_name=None,
            image_name=IMAGE,
            command=["python", "-m", "zenml.entrypoints.entrypoint"],
            args=["--step_name", name],
            privileged=settings.privileged,
            pod_settings=kube_utils.apply_default_resource_requests(memory="400Mi", pod_settings=settings.pod_settings),
            service_account_name=settings.step_pod_service_account_name or settings.service_account_name,
            env=dict(step.config.environment),
            labels={"step_name": name},
        )
        retry = step.config.retry
        job = build_job_manifest(
            job_name=name.replace("_", "-"),
            pod_template=as_template(pod),
            backoff_limit=retry.max_retries if retry else 0,
        )
        return as_job(as_sent(job))

    return rendered


@pytest.fixture(scope="module")
def jobs(snapshot, render):
    return {name: render(step, name) for name, step in snapshot.step_configurations.items()}


def pod_of(job):
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


@pytest.mark.parametrize("version", VERSIONS)
def test_every_pod_and_every_object_is_what_the_cluster_takes(jobs, manifests, version):
    assert len(jobs) == 14
    for document in (*jobs.values(), *manifests.values()):
        kubernetes_validate.validate(document, version, strict=True)


def test_only_the_steps_that_train_ask_for_a_gpu_and_are_let_onto_its_nodes(jobs):
    for name, job in jobs.items():
        spec, container = pod_of(job)
        asks = container["resources"]["limits"].get(GPU)
        keys = [toleration["key"] for toleration in spec.get("tolerations", [])]
        expected = ("1", [GPU], {"nvidia.com/gpu.present": "true"}) if name in WITH_GPU else (None, [], {})
        assert (asks, keys, spec.get("nodeSelector", {})) == expected, name


def test_the_steps_that_use_the_network_in_other_pipelines_ask_for_a_gpu_too(infra):
    steps = yaml.safe_load((infra / "stacks" / "kubernetes_run.yaml").read_text())["steps"]
    asking = {
        name
        for name, step in steps.items()
        if GPU in step["settings"]["orchestrator"]["pod_settings"]["resources"]["limits"]
    }
    assert asking == WITH_GPU | {"cross_validate", "tune"}
    assert {"tune"} <= set(tuning.entrypoint.__globals__)


def test_every_pod_has_the_state_and_shared_memory_and_may_use_as_much_as_it_is_promised(jobs, manifests):
    claims = {name for kind, name in manifests if kind == "PersistentVolumeClaim"}
    for job in jobs.values():
        spec, container = pod_of(job)
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        assert mounts["/var/lib/quality-gate"]["persistentVolumeClaim"]["claimName"] in claims
        assert mounts["/dev/shm"]["emptyDir"]["medium"] == "Memory"
        requested, limited = (container["resources"][kind]["memory"] for kind in ("requests", "limits"))
        assert gibibytes(mounts["/dev/shm"]["emptyDir"]["sizeLimit"]) < gibibytes(requested) < gibibytes(limited)


def gibibytes(text):
    assert text.endswith("Gi")
    return int(text.removesuffix("Gi"))


def test_the_volume_is_mounted_where_the_image_keeps_its_state_and_several_nodes_may_write_it(jobs, manifests, infra):
    dockerfile = (infra / "docker" / "training.Dockerfile").read_text()
    assert "QUALITY_GATE_HOME=/var/lib/quality-gate" in dockerfile
    assert manifests["PersistentVolumeClaim", "quality-gate-state"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_libraries_are_told_in_a_pod_what_the_home_tells_them_on_a_machine(manifests, infra):
    told = manifests["ConfigMap", "quality-gate-training"]["data"]
    dockerfile = (infra / "docker" / "training.Dockerfile").read_text()
    for name, value in Home(Path("/var/lib/quality-gate")).environment().items():
        # ZenML's own configuration is of each container.
        assert name == "ZENML_CONFIG_PATH" or told.get(name) == value or f" {name}={value}" in dockerfile, name


def test_no_pod_has_rights_and_all_write_as_the_same_group(jobs, manifests, infra):
    workbench = manifests["Deployment", "quality-gate-workbench"]
    dockerfile = (infra / "docker" / "training.Dockerfile").read_text()
    for job in (*jobs.values(), workbench):
        spec, container = pod_of(job)
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert f"USER {context['runAsUser']}:{context['fsGroup']}\n" in dockerfile
        own = container["securityContext"]
        assert (own["allowPrivilegeEscalation"], own["capabilities"]) == (False, {"drop": ["ALL"]})
        assert not own.get("privileged")
    assert (
        manifests["Namespace", "quality-gate"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )


def test_a_step_has_an_account_that_may_do_nothing(jobs, manifests):
    bound = {
        subject["name"] for (kind, _), one in manifests.items() if kind == "RoleBinding" for subject in one["subjects"]
    }
    accounts = {pod_of(job)[0]["serviceAccountName"] for job in jobs.values()}
    assert accounts == {"quality-gate-steps"}
    assert not accounts & bound
    assert manifests["ServiceAccount", "quality-gate-steps"]["automountServiceAccountToken"] is False


def test_no_secret_stands_in_a_pod_and_steps_get_no_key_of_the_server(jobs, described, manifests):
    workbench = manifests["Deployment", "quality-gate-workbench"]
    for job in (*jobs.values(), workbench):
        _, container = pod_of(job)
        named = {name for one in container["envFrom"] for source in one.values() for name in source.values()}
        assert named == {"quality-gate-training", *(["quality-gate-workbench"] if job is workbench else [])}
        assert not [one["name"] for one in container.get("env", []) if "KEY" in one["name"] or "TOKEN" in one["name"]]
    assert not [kind for kind, _ in manifests if kind == "Secret"]
    assert described["orchestrator"]["configuration"]["pass_zenml_token_as_secret"] is True
    for kind in ("artifact_store", "experiment_tracker"):
        for key in ("key", "secret", "tracking_username", "tracking_password"):
            value = described[kind]["configuration"].get(key, "{{}}")
            assert value.startswith("{{")


def test_what_fails_with_its_node_is_tried_again_and_no_other_step(jobs):
    again = {name for name, job in jobs.items() if job["spec"]["backoffLimit"]}
    assert again == WITH_GPU | {"ingest"}


def test_a_batch_needs_no_configuration_of_its_own(compiled, render):
    for name, step in compiled(batch_prediction).step_configurations.items():
        spec, container = pod_of(render(step, name))
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert "/var/lib/quality-gate" in {mount["mountPath"] for mount in container["volumeMounts"]}
        assert GPU not in container["resources"]["limits"]


class ApiServer:
    """Takes whatever is posted, and keeps it by its kind."""

    def __init__(self) -> None:
        self.posted = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.posted[self.path.rpartition("/")[2]] = document
                body = json.dumps(document).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def api_server():
    server = ApiServer()
    yield server
    server.stop()


@pytest.fixture
def submit(orchestrator, api_server, monkeypatch):
    """Submits a compiled pipeline the way ZenML does; who is signed in and which image is built are given."""
    module = "zenml.integrations.kubernetes.orchestrators.kubernetes_orchestrator"
    user = SimpleNamespace(oidc_claims={}, id=UUID(int=3))
    monkeypatch.setattr(f"{module}.Client", lambda: SimpleNamespace(active_user=user))
    monkeypatch.setattr(KubernetesOrchestrator, "get_image", staticmethod(lambda snapshot, step_name=None: IMAGE))
    client = api.ApiClient(api.Configuration(host=api_server.url))
    monkeypatch.setattr(KubernetesOrchestrator, "get_kube_client", lambda self, incluster=None: client)

    def submitted(snapshot, schedule):
        given = SimpleNamespace(
            id=UUID(int=4), project_id=UUID(int=5), schedule=schedule,
            pipeline_configuration=snapshot.pipeline_configuration, step_configurations=snapshot.step_configurations,
        )  # fmt: skip
        environment = {"ZENML_STORE_URL": "https://zenml.example.com", "ZENML_STORE_API_TOKEN": "the-token"}
        orchestrator.submit_pipeline(given, None, environment, {}, None)
        return api_server.posted

    yield submitted
    client.rest_client.pool_manager.clear()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_schedule_becomes_a_cron_job_that_starts_at_the_times_that_were_named(submit, compiled, version):
    posted = submit(
        compiled(scheduled_start, schedule="nightly"), cluster_schedule("nightly", "weekly on sunday at 02:30")
    )
    job = posted["cronjobs"]
    kubernetes_validate.validate(_without_nulls(job), version, strict=True)
    assert job["spec"]["schedule"] == "30 2 * * 0"
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert (job["spec"]["successfulJobsHistoryLimit"], job["spec"]["failedJobsHistoryLimit"]) == (3, 3)
    spec, container = pod_of(job["spec"]["jobTemplate"])
    assert spec["serviceAccountName"] == "quality-gate-training"
    assert container["image"] == IMAGE
    assert GPU not in container["resources"]["limits"]


def test_the_token_of_a_run_is_in_a_secret_and_in_no_manifest(submit, compiled):
    posted = submit(compiled(scheduled_start, schedule="nightly"), cluster_schedule("nightly", "daily"))
    assert "the-token" not in json.dumps(posted["cronjobs"])
    assert set(posted) == {"cronjobs", "secrets"}


def test_a_run_is_a_job_and_begins_at_once(submit, snapshot):
    posted = submit(snapshot, None)
    (kind,) = set(posted) - {"secrets"}
    assert kind == "jobs"
    kubernetes_validate.validate(as_job(_without_nulls(posted["jobs"])), VERSIONS[-1], strict=True)
    assert posted["jobs"]["spec"]["backoffLimit"] == 0
