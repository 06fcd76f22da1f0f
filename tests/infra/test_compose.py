"""The compose files: valid, pinned, without a password of their own, and open to this machine alone."""

import re
import subprocess
import sys

import pytest
import yaml

from pipelines.containers import TRAINING_IMAGE

VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[?-])?([^}]*)\}")
# The compose files, each with the example of its variables.
FILES = {"compose.yaml": ".env.example", "team.compose.yaml": ".env.team.example"}
SECRETS = {
    "compose.yaml": {"API_KEYS", "METRICS_KEY", "POSTGRES_PASSWORD", "GRAFANA_ADMIN_PASSWORD"},
    "team.compose.yaml": {
        "ZENML_ADMIN_PASSWORD", "ZENML_DATABASE_PASSWORD", "ZENML_ENCRYPTION_KEY", "ZENML_TOKEN_KEY",
        "MLFLOW_DATABASE_PASSWORD", "OBJECTS_KEY_ID", "OBJECTS_KEY",
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=FILES)
def file(request, infra):
    return infra / request.param


@pytest.fixture(scope="module")
def all_services(file):
    return services_of(file)


@pytest.fixture(scope="module")
def services(infra):
    return services_of(infra / "compose.yaml")


@pytest.fixture(scope="module")
def team(infra):
    return services_of(infra / "team.compose.yaml")


@pytest.fixture(scope="module")
def example(file):
    return variables_of(file.with_name(FILES[file.name]))


def services_of(file):
    return yaml.safe_load(file.read_text())["services"]


def variables_of(file):
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def check(file):
    """What the schema of the Compose specification says of a file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_file_follows_the_specification(file):
    result = check(file)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_misspelt_key_does_not(file, tmp_path):
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(file.read_text().replace("  healthcheck:", "  healthchecks:"))
    assert "healthchecks" in check(wrong).stdout


def test_docker_compose_reads_it(file, infra, tmp_path):
    try:
        version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("docker is not installed")
    if version.returncode != 0:
        pytest.skip("the Docker client has no `compose`")
    environment = tmp_path / "env"
    every = {name: value for example in FILES.values() for name, value in variables_of(infra / example).items()}
    environment.write_text("".join(f"{name}={value or 'a' * 24}\n" for name, value in every.items()))
    command = ["docker", "compose", "--file", str(file), "--env-file", str(environment), "config", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_example_names_every_variable_that_must_be_set(file, example):
    found = VARIABLE.findall(file.read_text())
    assert {name for name, kind, _ in found if kind == ":?"} == set(example)
    assert all(kind for _, kind, _ in found), "a variable that is neither required nor has a default becomes empty"


def test_there_is_no_password_to_forget(file, example, infra):
    assert {name for name in example if not example[name]} == SECRETS[file.name]
    with_default = {name for name, kind, _ in VARIABLE.findall(file.read_text()) if kind == ":-"}
    assert all(name.endswith(("_IMAGE", "_PORT", "_HOSTS")) for name in with_default)
    assert "infra/.env" in (infra.parent / ".gitignore").read_text().splitlines()


def test_ports_are_open_to_this_machine_alone(all_services):
    ports = [port for service in all_services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_database_is_reached_by_the_service_alone(infra, services):
    assert "ports" not in services["database"]
    assert services["database"]["networks"] == ["data"]
    assert {name for name, service in services.items() if "data" in service["networks"]} == {"database", "serving"}
    assert yaml.safe_load((infra / "compose.yaml").read_text())["networks"]["data"] == {"internal": True}


def test_every_service_is_watched_limited_and_started_again(all_services):
    # What is of another file is watched there.
    for service in (one for one in all_services.values() if "extends" not in one):
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_images_of_others_are_pinned_to_a_version(file):
    images = {name: value[1:] for name, _, value in VARIABLE.findall(file.read_text()) if name.endswith("_IMAGE")}
    assert (
        set(images) - {"SERVING_IMAGE", "TRAINING_IMAGE"}
        == {
            "compose.yaml": {"POSTGRES_IMAGE", "PROMETHEUS_IMAGE", "GRAFANA_IMAGE"},
            "team.compose.yaml": {"MYSQL_IMAGE", "OBJECTS_IMAGE"},
        }[file.name]
    )
    assert all(re.search(r":v?\d+\.\d+", images[name]) for name in set(images) - {"SERVING_IMAGE", "TRAINING_IMAGE"})


def test_the_service_gets_only_settings_it_reads(services, settings):
    assert set(services["serving"]["environment"]) <= settings
    assert float(services["serving"]["deploy"]["resources"]["limits"]["cpus"]) == float(
        services["serving"]["environment"]["QUALITY_GATE_THREADS"]
    )


def test_the_service_has_no_rights_and_writes_only_where_it_must(services, infra):
    serving = services["serving"]
    dockerfile = (infra / "docker" / "serving.Dockerfile").read_text()
    assert serving["read_only"] is True
    assert serving["cap_drop"] == ["ALL"]
    assert "user" not in serving, "the image names it"
    (volume,) = serving["volumes"]
    assert f"VOLUME {volume.split(':')[1]}\n" in dockerfile
    assert f"QUALITY_GATE_HOME={volume.split(':')[1]} " in dockerfile
    assert serving["healthcheck"]["test"][-1] in dockerfile


def test_what_is_mounted_from_the_checkout_is_there(services, infra):
    mounted = [volume.split(":")[0] for service in services.values() for volume in service["volumes"]]
    folders = [path for path in mounted if path.startswith("./")]
    assert len(folders) == 3
    assert all((infra / folder).is_dir() for folder in folders)


def test_prometheus_reads_the_service_with_its_key(services, infra):
    config = yaml.safe_load((infra / "prometheus" / "prometheus.yaml").read_text())
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "quality-gate", "rules and dashboard ask for this job"
    assert job["static_configs"] == [{"targets": ["serving:3000"]}]
    assert job["authorization"]["credentials_file"] in " ".join(services["prometheus"]["entrypoint"])
    assert "${METRICS_KEY" in services["serving"]["environment"]["QUALITY_GATE_API_KEYS"]
    assert all((infra / "prometheus" / name).is_file() for name in config["rule_files"])


def test_a_team_shares_what_one_machine_runs_and_copies_none_of_it(infra, services, team):
    assert yaml.safe_load((infra / "team.compose.yaml").read_text())["include"] == ["compose.yaml"]
    assert not set(services) & set(team)
    assert team["mlflow-database"]["extends"] == {"file": "compose.yaml", "service": "database"}


def test_the_servers_of_a_team_have_the_versions_of_its_steps_and_no_rights(infra, team):
    assert variables_of(infra / ".env.team.example")["TRAINING_IMAGE"] == TRAINING_IMAGE
    servers = [service for service in team.values() if "TRAINING_IMAGE" in service.get("image", "")]
    assert len(servers) == 3
    for service in [*servers, team["objects"]]:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert "user" not in servers[0], "the image names it"
    assert "USER 10001" in team["objects"]["build"]["dockerfile_inline"]


def test_databases_of_a_team_are_closed_to_all_but_their_server(infra, team):
    assert {name for name, service in team.items() if "zenml" in service.get("networks", ())} == {
        "zenml", "zenml-database",
    }  # fmt: skip
    assert yaml.safe_load((infra / "team.compose.yaml").read_text())["networks"]["zenml"] == {"internal": True}
    assert not any("ports" in team[name] for name in ("zenml-database", "mlflow-database"))


def test_the_buckets_of_the_object_store_are_those_that_are_asked_for(team):
    made = team["objects"]["build"]["dockerfile_inline"]
    assert team["mlflow"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://mlflow"
    assert "/data/mlflow" in made
    assert "/data/zenml" in made
    assert team["objects"]["command"][-1] == "/data"
