"""ZenML's production stage: a mirror of the ledger's champion."""

from zenml.client import Client
from zenml.enums import ModelStages


def version_name(version: str) -> str:
    """ZenML's name of a model version, by its version in the registry."""
    return f"registry-{version}"


def set_production_stage(name: str, version: str) -> None:
    """Put the champion into ZenML's production stage; the former one is archived.

    Args:
        name: of the gate, which is ZenML's name of the model.
        version: of the champion in the registry.
    """
    Client().update_model_version(name, version_name(version), stage=ModelStages.PRODUCTION, force=True)
