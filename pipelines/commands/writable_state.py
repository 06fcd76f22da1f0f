"""Has commands of ZenML end in a sentence where the state cannot be written, before they do in a stack trace."""

import os
from pathlib import Path


def require_writable_state() -> None:
    """Look whether the state may be written; ZenML calls it before it writes, as one of its ``zenml.init_hooks``.

    Raises:
        SystemExit: it may not; with the sentence that is shown.
    """
    if "ZENML_CONFIG_PATH" not in os.environ:
        return
    state = Path(os.environ["ZENML_CONFIG_PATH"]).absolute()
    # Not Path.exists: where a folder may not be looked into, that raises.
    there = next(place for place in (state, *state.parents) if os.path.exists(place))  # noqa: PTH110
    if not os.access(there, os.W_OK | os.X_OK):
        raise SystemExit(
            f"Error: {state} is to hold the state of ZenML, and {there} cannot be written; name a folder that may hold "
            "all state in QUALITY_GATE_HOME."
        )
