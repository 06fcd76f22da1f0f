"""A cached result counts only while its files are there."""

from collections.abc import Iterator
from contextlib import contextmanager

from zenml.artifact_stores import BaseArtifactStore
from zenml.client import Client
from zenml.models import ArtifactVersionResponse, StepRunResponse
from zenml.orchestrators import cache_utils


@contextmanager
def only_whole_results() -> Iterator[None]:
    """Let a step run again when what it left in the artifact store is gone or cut off, which ZenML does not look at."""
    find = cache_utils.get_cached_step_run

    def find_whole(cache_key: str) -> StepRunResponse | None:
        found = find(cache_key)
        return found if found is not None and _is_whole(found) else None

    cache_utils.get_cached_step_run = find_whole
    try:
        yield
    finally:
        cache_utils.get_cached_step_run = find


def _is_whole(step_run: StepRunResponse) -> bool:
    store = Client().active_stack.artifact_store
    kept = [artifact for artifacts in step_run.outputs.values() for artifact in artifacts]
    return all(
        store.exists(artifact.uri) and _bytes(store, artifact.uri) >= _bytes_at_first(artifact) for artifact in kept
    )


def _bytes(store: BaseArtifactStore, uri: str) -> int:
    if store.isdir(uri):
        return sum(_bytes(store, f"{uri}/{name}") for name in store.listdir(uri))
    return store.size(uri) or 0


def _bytes_at_first(artifact: ArtifactVersionResponse) -> int:
    size = artifact.run_metadata.get("storage_size", 0)
    return size if isinstance(size, int) else 0
