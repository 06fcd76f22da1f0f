import subprocess
import sys

import pytest
from whole_configuration import replace_text

# What every command of ZenML does when it starts, again and again in four processes at once.
COMMANDS_AT_ONCE = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

from zenml.client import ClientConfiguration


def start(_):
    configuration = ClientConfiguration(config_file=sys.argv[1])
    configuration.active_stack_id = uuid4()
    assert configuration.active_stack_id is not None


start(0)
with ProcessPoolExecutor(4, mp_context=get_context("fork")) as processes:
    assert len(list(processes.map(start, range(800)))) == 800
"""


def test_commands_of_zenml_that_start_at_once_read_a_whole_configuration(tmp_path):
    said = subprocess.run(
        [sys.executable, "-c", COMMANDS_AT_ONCE, tmp_path / "config.yaml"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def test_a_configuration_that_cannot_be_written_stays_as_it_was(tmp_path):
    file = tmp_path / "config.yaml"
    replace_text(str(file), "active_stack_id: one\n")
    with pytest.raises(UnicodeEncodeError):
        replace_text(str(file), "active_stack_id: \ud800\n")
    assert file.read_text() == "active_stack_id: one\n"
