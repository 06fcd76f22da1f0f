"""Registering a stack that a file describes."""

from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner


@pytest.fixture(scope="module")
def register(load_script):
    return load_script("stacks/register.py")


@pytest.fixture
def refused(register, tmp_path, monkeypatch):
    """The sentence with which a description is refused, before ZenML is asked."""
    monkeypatch.setattr(register, "use_home", lambda: None)

    def ask(content):
        file = tmp_path / "stack.yaml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        result = CliRunner().invoke(register.main, [str(file)])
        assert result.exit_code == 1
        assert result.output.startswith(f"Error: {file}")
        return result.output

    return ask


@pytest.mark.parametrize("name", ["docker.yaml", "kubernetes.yaml"])
def test_the_files_of_the_project_describe_stacks(register, infra, name):
    with (infra / "stacks" / name).open() as file:
        described = yaml.safe_load(file)
    assert described.keys() <= {"stack_name", "components", "like"}
    assert all(
        {"name", "flavor", "configuration"} == component.keys() for component in described["components"].values()
    )


def test_an_address_of_the_example_is_not_registered(refused, infra):
    said = refused((infra / "stacks" / "kubernetes.yaml").read_text())
    assert "artifact_store still has an address of example.com; write your own there." in said


@pytest.mark.parametrize(
    "content", ["- a list", "", {"stack_name": "mine"}, {"components": {}, "stack_name": "a", "x": 1}]
)
def test_what_describes_no_stack_is_one_sentence(refused, content):
    assert "describes no stack; expected stack_name and components" in refused(content)


def test_what_is_no_yaml_is_one_sentence(refused):
    assert "is no YAML" in refused("a: [")


class Zenml:
    """A client of a store that holds one stack with one component."""

    def __init__(self, configuration):
        from zenml.enums import StackComponentType

        self.store = SimpleNamespace(id="known", configuration=configuration)
        kept = {
            StackComponentType.ARTIFACT_STORE: [self.store],
            StackComponentType.ORCHESTRATOR: [SimpleNamespace(id="local")],
        }
        self.stack = SimpleNamespace(id="stack", name="mine", components=kept)
        self.updates = []

    def list_stack_components(self, **asked):
        return SimpleNamespace(items=[self.store] if asked["name"] == "bucket" else [])

    def create_stack_component(self, name, flavor, kind, configuration):
        if "bad" in configuration:
            raise ValueError("Invalid configuration keys ['bad']")
        return SimpleNamespace(id=f"new {name}")

    def update_stack_component(self, found, kind, *, configuration):
        self.updates.append((found, configuration))

    def get_stack(self, name):
        return self.stack

    def list_stacks(self, *, name):
        return SimpleNamespace(items=[self.stack] if name == "mine" else [])

    def create_stack(self, name, components):
        self.updates.append((name, dict(components)))
        return SimpleNamespace(id="new stack")

    def update_stack(self, found, *, component_updates):
        self.updates.append((found, component_updates))


@pytest.fixture
def zenml(monkeypatch):
    made = Zenml({"path": "s3://a"})
    monkeypatch.setattr("zenml.client.Client", lambda: made)
    return made


def component(name="bucket", **configuration):
    return {"name": name, "flavor": "s3", "configuration": configuration}


def test_again_it_changes_nothing(register, zenml):
    stack = {"stack_name": "mine", "like": "local", "components": {"artifact_store": component(path="s3://a")}}
    assert register.register(stack) == "stack"
    assert zenml.updates == []


def test_a_changed_address_is_changed_and_nothing_else(register, zenml):
    stack = {"stack_name": "mine", "like": "local", "components": {"artifact_store": component(path="s3://b")}}
    register.register(stack)
    assert zenml.updates == [("known", {"path": "s3://b"})]


def test_a_new_stack_has_the_components_of_the_one_it_is_like_but_for_its_own(register, zenml):
    stack = {
        "stack_name": "other",
        "like": "mine",
        "components": {"artifact_store": component("second", path="s3://b")},
    }
    assert register.register(stack) == "new stack"
    ((name, components),) = zenml.updates
    assert {kind.value: one for kind, one in components.items()} == {
        "artifact_store": "new second",
        "orchestrator": "local",
    }
    assert name == "other"


def test_what_zenml_does_not_take_is_one_sentence(register, zenml):
    stack = {"stack_name": "mine", "components": {"artifact_store": component("second", bad=1)}}
    with pytest.raises(register.UserError, match=r"^mine: ZenML does not take its artifact_store \(Invalid config"):
        register.register(stack)
