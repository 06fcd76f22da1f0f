"""What ``GET /model`` says: the model's own manifest, what was measured of it, and what the service accepts."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bentos.settings import ServiceSettings
from quality_gate.models.manifest import ModelManifest

# Figures on the test photos, as the ledger holds them; written when a promoted model is packed.
METRICS_FILE = "metrics.json"


def describe(folder: Path, manifest: ModelManifest, settings: ServiceSettings, *, explains: bool) -> dict[str, Any]:
    """The description, as plain JSON values.

    Args:
        folder: where the model lies.
        manifest: what it says of itself.
        settings: of the service.
        explains: whether ``/explain`` can answer.
    """
    metrics = folder / METRICS_FILE
    return {
        **asdict(manifest),
        "metrics": json.loads(metrics.read_text()) if metrics.is_file() else None,
        "explains": explains,
        "limits": {
            "max_upload_mb": settings.max_upload_mb,
            "max_pixels": settings.max_pixels,
            "max_batch": settings.max_batch,
            "max_concurrency": settings.max_concurrency,
            "request_timeout_s": settings.request_timeout_s,
            "formats": list(settings.formats),
        },
        "costs": settings.costs.model_dump() if settings.costs else None,
    }
