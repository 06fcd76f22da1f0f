"""Run configurations: the files that are named with ``--config``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

from quality_gate.errors import UserError
from quality_gate.settings_section import DEFAULTS, describe
from quality_gate.yaml_file import read_yaml

DEFAULT_CONFIGURATION = Path(__file__).resolve().parent.parent / DEFAULTS


def read_parameters(path: Path, *, defaults: str = DEFAULTS) -> Mapping[str, Any]:
    """The mapping under ``parameters:`` in a run configuration; empty where there is none.

    Args:
        path: of the file.
        defaults: a run configuration that has every setting, for messages.

    Raises:
        UserError: the file cannot be read, is no YAML, has a key twice, is no run configuration, or names a schedule.
    """
    try:
        content = read_yaml(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}).") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no YAML ({reason}).") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} is no run configuration; expected a mapping with `parameters:`, as in {defaults}.")
    unknown = [str(key) for key in content if key not in PipelineRunConfiguration.model_fields]
    if unknown:
        raise UserError(
            f"{path.name}: {', '.join(unknown)} is no key at the top of a run configuration; the settings of a run "
            f"stand under `parameters:`, as in {defaults}."
        )
    if "schedule" in content:
        raise UserError(
            f"{path.name}: schedule would have the pipeline look at its photos once, and take every later run from the "
            "cache; take it out, and type: quality-gate schedule install PIPELINE --config FILE --with cluster"
        )
    try:
        return PipelineRunConfiguration.model_validate(content).parameters or {}
    except ValidationError as error:
        raise UserError(f"{path.name}: {describe(error, defaults=defaults)}.") from None
