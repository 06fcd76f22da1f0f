"""Register the stack of ``docker.yaml`` beside the local one, and print its id.

Run by ``make``; running it again changes only what was changed in the file. The local stack stays active.
"""

from pathlib import Path
from typing import Any

import yaml

from quality_gate.home import use_home

LOCAL_STACK = "visual_quality_gate"
DESCRIPTION = Path(__file__).with_name("docker.yaml")


def main() -> None:
    """Register the stack, or bring it up to date."""
    use_home()
    print(register(yaml.safe_load(DESCRIPTION.read_text())))


def register(described: dict[str, Any]) -> str:
    """Register a stack that differs from the local one in some components.

    Args:
        described: its name, and its own components by their type.

    Returns:
        Its id, for ``ZENML_ACTIVE_STACK_ID``.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    local = client.get_stack(LOCAL_STACK).components
    components: dict[StackComponentType, str | Any] = {kind: found[0].id for kind, found in local.items()}
    for kind, component in ((StackComponentType(kind), own) for kind, own in described["components"].items()):
        name, configuration = component["name"], component["configuration"]
        known = client.list_stack_components(name=name, type=kind).items
        if not known:
            client.create_stack_component(name, component["flavor"], kind, configuration)
        elif known[0].configuration != configuration:
            client.update_stack_component(name, kind, configuration=configuration)
        components[kind] = name
    stacks = client.list_stacks(name=described["stack_name"]).items
    return str((stacks[0] if stacks else client.create_stack(described["stack_name"], components)).id)


if __name__ == "__main__":
    main()
