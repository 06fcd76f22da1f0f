"""Where a Bento starts: it answers with the code it was built with.

In an environment where the product is installed, its modules may be loaded before the Bento's own are found, and would
answer in their place: an older model with newer preprocessing.
"""

import os
import sys
from pathlib import Path


def _keep_state_where_the_product_does() -> None:
    """Log answers into the state of the installation that serves the Bento, where there is one, not into the Bento."""
    installed = sys.modules.get("quality_gate.home")
    if installed is not None:
        os.environ.setdefault(installed.HOME_VARIABLE, str(installed.locate().root))


def _forget_copies_outside(root: Path) -> None:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.split(".")[0] == "quality_gate" and not (file and Path(file).resolve().is_relative_to(root)):
            del sys.modules[name]


_keep_state_where_the_product_does()
_forget_copies_outside(Path(__file__).resolve().parent.parent)
# From 1.29 on ONNX Runtime reports what models run to its maker unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from bentos.service import QualityGateService  # noqa: E402

__all__ = ["QualityGateService"]
