"""Run configurations: the files that are named with ``--config``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

from quality_gate.errors import UserError
from quality_gate.settings_section import DEFAULTS, describe

DEFAULT_CONFIGURATION = Path(__file__).resolve().parent.parent / DEFAULTS


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: YAML forbids it, and the last value would count in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Not once mappings are made of nodes: by then a key may also have come with `<<`, and be overruled on purpose.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            # Others are lists and mappings, which the loader takes for no keys anyway.
            if isinstance(key, yaml.ScalarNode):
                mark, same = key.start_mark, (key.tag, key.value)
                if same in first:
                    raise UserError(
                        f"{mark.name}, line {mark.line + 1}: {key.value!r} stands in line {first[same]} already, and "
                        "only one of them would count; take one out."
                    )
                first[same] = mark.line + 1
        return node


def read_parameters(path: Path, *, defaults: str = DEFAULTS) -> Mapping[str, Any]:
    """The mapping under ``parameters:`` in a run configuration; empty where there is none.

    Args:
        path: of the file.
        defaults: a run configuration that has every setting, for messages.

    Raises:
        UserError: the file cannot be read, is no YAML, has a key twice, is no run configuration, or names a schedule.
    """
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.load(file, _Loader)  # noqa: S506, the loader is a safe one
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
