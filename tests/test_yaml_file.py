import pytest

from quality_gate.errors import UserError
from quality_gate.yaml_file import read_yaml


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "written.yaml"
        path.write_text(content)
        return path

    return write


@pytest.mark.parametrize(
    ("content", "line", "key", "first"),
    [
        ("parameters:\n  name: one\n  data: {}\n  name: two\n", 4, "name", 2),
        ("parameters:\n  data:\n    seed: 1\n    'seed': 1\n", 4, "seed", 3),
        ("parameters: {}\nsteps: {}\nparameters: {}\n", 3, "parameters", 1),
        ("parameters: {data: {seed: 1, seed: 2}}\n", 1, "seed", 1),
    ],
)
def test_a_key_that_stands_twice_is_told_with_both_lines(file, content, line, key, first):
    path = file(content)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert caught.value.message == (
        f"{path}, line {line}: {key!r} stands in line {first} already, and only one of them would count; take one out."
    )


def test_a_key_may_stand_in_several_mappings_and_overrule_one_that_is_merged(file):
    content = (
        "parameters:\n  one: &one {seed: 1, min: 2}\n  two: &two {<<: *one, seed: 3}\n  three: {<<: *two, seed: 4}\n"
    )
    assert read_yaml(file(content))["parameters"] == {
        "one": {"seed": 1, "min": 2},
        "two": {"seed": 3, "min": 2},
        "three": {"seed": 4, "min": 2},
    }
