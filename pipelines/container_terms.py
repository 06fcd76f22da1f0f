"""What a step in a container and whoever started it agree on."""

import hashlib
import json

from quality_gate.code_index import CodeIndex, library_versions

# Code and libraries that whoever started the pipeline has.
EXPECTED_VARIABLE = "QUALITY_GATE_EXPECTED"
# A user's mistake leaves a container as this exit code, and as a line of its log that begins with this word.
REFUSED = 3
SENTENCE = "visual-quality-gate-refused: "


def expected_here() -> str:
    """Digest of the code of the steps and of the libraries they run on, where this runs."""
    return hashlib.sha256(json.dumps([CodeIndex().digest_of_all(), library_versions()]).encode()).hexdigest()
