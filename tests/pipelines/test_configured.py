"""What a pipeline checks before it runs, and what of ZenML's log reaches the user."""

import logging
import os
import subprocess
import sys

import pytest
from zenml.logger import ZenMLConsoleHandler

from pipelines.configured import DEFAULT_CONFIGURATION, _helpful_console, read_parameters
from quality_gate.errors import UserError


@pytest.fixture
def file(tmp_path):
    """Writes a run configuration."""

    def write(content):
        path = tmp_path / "my.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


class TestReadParameters:
    def test_it_gives_what_stands_under_parameters(self, file):
        assert read_parameters(file("parameters:\n  data: {source: here}\n")) == {"data": {"source": "here"}}

    @pytest.mark.parametrize("content", ["parameters:\n", "enable_cache: false\n"])
    def test_a_file_may_change_no_parameter(self, file, content):
        assert read_parameters(file(content)) == {}

    def test_the_default_configuration_is_one(self):
        assert "gate" in read_parameters(DEFAULT_CONFIGURATION)

    def test_what_belongs_to_zenml_may_stand_beside_the_parameters(self, file):
        content = "settings: {docker: {requirements: [numpy]}}\nsteps: {ingest: {enable_cache: true}}\nextra: {a: 1}\n"
        assert read_parameters(file(content)) == {}

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("data: {source: here}", "my.yaml: data is no key at the top of a run configuration; "),
            ("1: 2", "my.yaml: 1 is no key at the top of a run configuration; "),
            ("parameters: [1]", "my.yaml: parameters is "),
            ("steps: 4", "my.yaml: steps is 4: "),
            ("a: b: c", "/my.yaml is no YAML (mapping values are not allowed here in "),
            ("", "/my.yaml is no run configuration; "),
            (b"\xff\xfe\xff", "/my.yaml cannot be read ("),
        ],
    )
    def test_anything_else_is_answered_with_a_sentence(self, file, content, sentence):
        with pytest.raises(UserError) as caught:
            read_parameters(file(content))
        assert sentence in caught.value.message
        assert "\n" not in caught.value.message

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            read_parameters(tmp_path)


@pytest.fixture
def shown():
    """Lines that ZenML's console shows, of a console added for the test."""

    class Screen:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    screen, former = Screen(), logging.getLogger().level
    console = ZenMLConsoleHandler(screen)
    logging.getLogger().addHandler(console)
    yield screen
    logging.getLogger().removeHandler(console)
    logging.getLogger().setLevel(former)


def log_failure(error):
    logger = logging.getLogger("zenml.test")
    logger.error("Failed to run step `%s`: %s", "gate", error)
    try:
        raise error
    except Exception:
        logger.exception("Step %s failed.", "gate")


class TestConsole:
    def test_a_users_mistake_has_no_trace_and_is_said_once(self, shown):
        with _helpful_console():
            log_failure(UserError("the folder is empty"))
        assert "Step gate failed." in shown.text
        assert "Traceback" not in shown.text
        assert "the folder is empty" not in shown.text  # the command line says it at the end

    def test_any_other_error_keeps_its_trace(self, shown):
        with _helpful_console():
            log_failure(ZeroDivisionError("a defect"))
        assert "Traceback" in shown.text
        assert "ZeroDivisionError: a defect" in shown.text

    def test_advertisements_are_left_out(self, shown):
        with _helpful_console():
            logging.getLogger("zenml.test").warning("Models can be viewed in the dashboard using ZenML Pro. Sign up")
            logging.getLogger("aiobotocore.credentials").warning("Found credentials in environment variables.")
            logging.getLogger("zenml.test").warning("Step has started.")
        assert "Pro" not in shown.text
        assert "credentials" not in shown.text
        assert "Step has started." in shown.text

    def test_afterwards_everything_is_shown(self, shown):
        with _helpful_console():
            pass
        log_failure(UserError("the folder is empty"))
        assert "Traceback" in shown.text


def test_importing_the_pipelines_opens_no_store(tmp_path):
    environment = {**os.environ, "ZENML_CONFIG_PATH": str(tmp_path / "zenml")}
    subprocess.run([sys.executable, "-c", "import pipelines"], env=environment, check=True, capture_output=True)
    assert not (tmp_path / "zenml").exists()
