"""When two values that steps hand on are the same: by a digest of their content, whichever runs they come from."""

import hashlib
import json
import tempfile
from functools import singledispatch
from pathlib import Path
from typing import Any, ClassVar

from zenml.materializers.base_materializer import BaseMaterializer

from quality_gate.data.snapshot import TABLE_FILE, Snapshot
from quality_gate.models.folder import ModelFolder


class ComparableMaterializer(BaseMaterializer):
    """Tells ZenML, which keys steps by it, the digest of a value's content."""

    SKIP_REGISTRATION: ClassVar[bool] = True

    def compute_content_hash(self, data: Any) -> str | None:
        """SHA-256 of the content."""
        return content_digest(data)


@singledispatch
def content_digest(value: Any) -> str:
    """SHA-256 of the content of a value: of its JSON, or of the files it writes."""
    if hasattr(value, "from_json"):
        return _digest({"json": json.dumps(value.to_json(), sort_keys=True).encode()})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        value.save(folder)
        files = (path for path in folder.rglob("*") if path.is_file())
        return _digest({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


@content_digest.register
def _(value: Snapshot) -> str:
    # The table holds the digest of every photo. Where the photos were read is no part of them.
    beside = json.dumps([value.classes, [(file.path, file.label, file.problem) for file in value.left_out]]).encode()
    return _digest({"table": (value.folder / TABLE_FILE).read_bytes(), "beside": beside})


@content_digest.register
def _(value: ModelFolder) -> str:
    # Not what the model was made from: other code that makes the same model changes nothing for what follows.
    manifest = value.manifest
    made = {name: manifest.digests.get(name, "").encode() for name in ("serving", "reference")}
    return _digest({"name": manifest.name.encode(), "answers": manifest.answers_digest.encode(), **made})


def _digest(parts: dict[str, bytes]) -> str:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
