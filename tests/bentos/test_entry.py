"""Where a Bento starts."""

import subprocess
import sys


def test_a_bento_has_onnx_runtime_report_nothing_wherever_it_is_served():
    # Taken out first: in an environment set up by `make` every Python starts with it.
    code = (
        "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None); import bentos.entry\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["1"]
