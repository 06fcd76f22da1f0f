"""Runs one step inside of a container: ``python -m pipelines.container_step``, with the arguments of ZenML's own."""

import hashlib
import json
import os
import sys

from pipelines.cached_results import only_whole_results
from pipelines.console import helpful_console
from pipelines.integrations import no_integrations
from pipelines.interruption import interruptible
from quality_gate.code_index import CodeIndex, library_versions
from quality_gate.errors import UserError

# Code and libraries that whoever started the pipeline has.
EXPECTED_VARIABLE = "QUALITY_GATE_EXPECTED"
# A user's mistake leaves a container as this exit code, and as a line of its log that begins with this word.
REFUSED = 3
SENTENCE = "visual-quality-gate-refused: "


def expected_here() -> str:
    """Digest of the code of the steps and of the libraries they run on, where this runs."""
    return hashlib.sha256(json.dumps([CodeIndex().digest_of_all(), library_versions()]).encode()).hexdigest()


def main() -> None:
    """Run the step; a user's mistake is handed on as its sentence."""
    from zenml.entrypoints import entrypoint

    try:
        # What a step leaves is keyed by the code and the libraries of whoever started it.
        if os.environ.get(EXPECTED_VARIABLE) != expected_here():
            raise UserError("the image holds other code or libraries than this checkout; build it anew.")
        with helpful_console(), no_integrations(), only_whole_results(), interruptible():
            entrypoint.main()
    except UserError as error:
        print(f"{SENTENCE}{' '.join(error.message.split())}", file=sys.stderr, flush=True)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
