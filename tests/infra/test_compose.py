"""The compose file: valid, pinned, without a password of its own, and open to this machine alone."""

import re
import subprocess
import sys

import pytest
import yaml

VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[?-])?([^}]*)\}")
SECRETS = {"API_KEYS", "METRICS_KEY", "POSTGRES_PASSWORD", "GRAFANA_ADMIN_PASSWORD"}


@pytest.fixture(scope="module")
def file(infra):
    return infra / "compose.yaml"


@pytest.fixture(scope="module")
def services(file):
    return yaml.safe_load(file.read_text())["services"]


@pytest.fixture(scope="module")
def example(infra):
    lines = (infra / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def check(file):
    """What the schema of the Compose specification says of a file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_file_follows_the_specification(file):
    result = check(file)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_misspelt_key_does_not(file, tmp_path):
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(file.read_text().replace("read_only: true", "readonly: true"))
    assert "readonly" in check(wrong).stdout


def test_docker_compose_reads_it(file, example, tmp_path):
    try:
        version = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("docker is not installed")
    if version.returncode != 0:
        pytest.skip("the Docker client has no `compose`")
    environment = tmp_path / "env"
    environment.write_text("".join(f"{name}={value or 'a' * 24}\n" for name, value in example.items()))
    command = ["docker", "compose", "--file", str(file), "--env-file", str(environment), "config", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_example_names_every_variable_that_must_be_set(file, example):
    found = VARIABLE.findall(file.read_text())
    assert {name for name, kind, _ in found if kind == ":?"} == set(example)
    assert all(kind for _, kind, _ in found), "a variable that is neither required nor has a default becomes empty"


def test_there_is_no_password_to_forget(file, example, infra):
    assert {name for name in example if not example[name]} == SECRETS
    with_default = {name for name, kind, _ in VARIABLE.findall(file.read_text()) if kind == ":-"}
    assert all(name.endswith(("_IMAGE", "_PORT")) for name in with_default)
    assert "infra/.env" in (infra.parent / ".gitignore").read_text().splitlines()


def test_ports_are_open_to_this_machine_alone(services):
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_database_is_reached_by_the_service_alone(file, services):
    assert "ports" not in services["database"]
    assert services["database"]["networks"] == ["data"]
    assert {name for name, service in services.items() if "data" in service["networks"]} == {"database", "serving"}
    assert yaml.safe_load(file.read_text())["networks"]["data"] == {"internal": True}


@pytest.mark.parametrize("name", ["serving", "database", "prometheus", "grafana"])
def test_every_service_is_watched_limited_and_started_again(services, name):
    service = services[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["database", "prometheus", "grafana"])
def test_images_of_others_are_pinned_to_a_version(services, name):
    ((_, _, image),) = VARIABLE.findall(services[name]["image"])
    assert re.search(r":v?\d+\.\d+", image)


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
