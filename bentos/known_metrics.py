"""What was measured of a model when it was promoted, packed with it."""

import json
from pathlib import Path

from bentos.model_card import METRICS_FILE
from quality_gate.home import locate
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import ModelManifest


def write_known_metrics(manifest: ModelManifest, name: str, target: Path) -> None:
    """Write the figures that the ledger of the gate ``name`` holds of a model into ``target``; nothing without any.

    Raises:
        UserError: a line of the ledger was changed by hand and cannot be read.
    """
    for entry in reversed(Ledger(locate().registry(name)).entries()):
        same_network = entry.digests.get("onnx") == manifest.digests.get("onnx")
        if entry.event == "promoted" and entry.version == manifest.version and same_network:
            (target / METRICS_FILE).write_text(json.dumps(entry.metrics, indent=2, sort_keys=True) + "\n")
            return
