"""What a pipeline checks before it runs."""

import os
import subprocess
import sys


def test_importing_the_pipelines_opens_no_store(tmp_path):
    environment = {**os.environ, "ZENML_CONFIG_PATH": str(tmp_path / "zenml")}
    subprocess.run([sys.executable, "-c", "import pipelines"], env=environment, check=True, capture_output=True)
    assert not (tmp_path / "zenml").exists()
