"""Runs one step inside of a container: ``python -m pipelines.container_step``, with the arguments of ZenML's own."""

import os
import sys

from pipelines.cached_results import only_whole_results
from pipelines.console import helpful_console
from pipelines.container_terms import EXPECTED_VARIABLE, REFUSED, SENTENCE, expected_here
from pipelines.integrations import no_integrations
from pipelines.interruption import interruptible
from pipelines.outages import explained_outages
from quality_gate.errors import UserError


def main() -> None:
    """Run the step; a user's mistake is handed on as its sentence."""
    from zenml.entrypoints import entrypoint

    try:
        # What a step leaves is keyed by the code and the libraries of whoever started it.
        if os.environ.get(EXPECTED_VARIABLE) != expected_here():
            raise UserError(
                "the image holds other code or libraries than this checkout; `make training-image` builds it anew."
            )
        with helpful_console(), no_integrations(), only_whole_results(), interruptible(), explained_outages():
            entrypoint.main()
    except UserError as error:
        print(f"{SENTENCE}{' '.join(error.message.split())}", file=sys.stderr, flush=True)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
