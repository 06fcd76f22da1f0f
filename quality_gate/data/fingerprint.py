"""Has a source changed since it was read? Its listing answers, without opening a photo."""

import hashlib
import json
import uuid

from quality_gate.data.sources import discover
from quality_gate.data_settings import DEMO, DataSettings
from quality_gate.errors import UserError


def source_fingerprint(settings: DataSettings) -> str:
    """Digest of the state of a source: another one when anything in it may have changed.

    What is listed counts as the listing has it: each file with its class, part and stamp. The demo photos are what
    their code makes, and a step's code counts anyway. A source that cannot be listed, or in which a file has no stamp
    that vouches for its bytes, is another one each time: it is read anew, which also says what is wrong with it.
    """
    if settings.sources == (DEMO,) and settings.reviewed is None:
        return DEMO
    unlike = uuid.uuid4().hex
    if DEMO in settings.sources:
        return unlike
    try:
        source = discover(settings.sources, settings)
    except UserError:
        return unlike
    if not all(file.origin is None or file.origin.stamp for file in source.files):
        return unlike
    digest = hashlib.sha256()
    for file in (*source.files, *source.left_out):
        origin = (file.origin.name, file.origin.stamp) if file.origin else None
        digest.update(json.dumps((file.path, file.label, file.split, file.problem, origin)).encode() + b"\n")
    return digest.hexdigest()
