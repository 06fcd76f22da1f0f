"""YAML that a person has written: what would count for nothing in silence is refused."""

from pathlib import Path
from typing import Any

import yaml

from quality_gate.errors import UserError


def read_yaml(path: Path) -> Any:
    """What a file holds.

    Args:
        path: a YAML file in UTF-8.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is no UTF-8.
        yaml.YAMLError: it is no YAML.
        UserError: a mapping has a key twice; the message names the lines.
    """
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, _Loader)  # noqa: S506, the loader is a safe one


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
