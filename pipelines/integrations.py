"""ZenML's integrations, which are imported where nothing is to be done with them."""

from collections.abc import Iterator
from contextlib import contextmanager

from zenml.integrations.registry import integration_registry


@contextmanager
def no_integrations() -> Iterator[None]:
    """Keep ZenML from importing torch, scikit-learn and BentoML before it knows whether any step has to run.

    It would learn from them how to keep their values, and no step hands on any.
    """
    activate = integration_registry.activate_integrations
    integration_registry.activate_integrations = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        integration_registry.activate_integrations = activate  # type: ignore[method-assign]
