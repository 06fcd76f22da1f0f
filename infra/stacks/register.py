"""Register the stack that a file describes, and print its id: ``python infra/stacks/register.py FILE``.

Running it again changes only what was changed in the file. The active stack stays active.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from quality_gate.errors import UserError
from quality_gate.home import use_home

# Stands for addresses that nobody but the owner of a cluster knows; it belongs to no one.
PLACEHOLDER = "example.com"


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Register the stack of FILE, or bring it up to date."""
    use_home()
    click.echo(register(described(file)))


def described(file: Path) -> dict[str, Any]:
    """What a file says of a stack.

    Returns:
        ``stack_name``, ``components`` by their type and, where it differs from another one in these alone, the name of
        that stack as ``like``.

    Raises:
        UserError: it describes no stack, or still has an address of an example.
    """
    text = file.read_text(encoding="utf-8")
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{file} is no YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(found, dict) or not {"stack_name", "components"} <= found.keys() <= {
        "stack_name", "components", "like",
    }:  # fmt: skip
        raise UserError(f"{file} describes no stack; expected stack_name and components, as in infra/stacks/.")
    for kind, component in found["components"].items():
        if PLACEHOLDER in str(component["configuration"]):
            raise UserError(f"{file}: {kind} still has an address of {PLACEHOLDER}; write your own there.")
    return found


def register(stack: Mapping[str, Any]) -> str:
    """Register a stack, or change what of it was changed.

    Args:
        stack: as :func:`described` gives it.

    Returns:
        Its id, for ``ZENML_ACTIVE_STACK_ID``.

    Raises:
        UserError: ZenML does not take a component as it is described.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client, components = Client(), {}
    if "like" in stack:
        components = {kind: found[0].id for kind, found in client.get_stack(stack["like"]).components.items()}
    for kind, component in ((StackComponentType(kind), own) for kind, own in stack["components"].items()):
        try:
            components[kind] = _component(client, kind, component)
        # A KeyError: a secret that it names is not there.
        except (ValueError, ImportError, KeyError) as error:
            reason = " ".join(str(error).strip("'").split())
            raise UserError(f"{stack['stack_name']}: ZenML does not take its {kind.value} ({reason}).") from None
    known = client.list_stacks(name=stack["stack_name"]).items
    if not known:
        return str(client.create_stack(stack["stack_name"], components).id)
    if {kind: found[0].id for kind, found in known[0].components.items()} != components:
        client.update_stack(known[0].id, component_updates={kind: [one] for kind, one in components.items()})
    return str(known[0].id)


def _component(client: Any, kind: Any, described: Mapping[str, Any]) -> Any:
    """Create a component, or change its configuration.

    Returns:
        Its id.
    """
    name, configuration = described["name"], described["configuration"]
    known = client.list_stack_components(name=name, type=kind).items
    if not known:
        return client.create_stack_component(name, described["flavor"], kind, configuration).id
    if known[0].configuration != configuration:
        client.update_stack_component(known[0].id, kind, configuration=configuration)
    return known[0].id


if __name__ == "__main__":
    main()
