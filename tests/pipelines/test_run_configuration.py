import pytest

from pipelines.run_configuration import DEFAULT_CONFIGURATION, read_parameters
from quality_gate.errors import UserError


@pytest.fixture
def file(tmp_path):
    """Writes a run configuration."""

    def write(content):
        path = tmp_path / "my.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


class TestReadParameters:
    def test_it_gives_what_stands_under_parameters(self, file):
        assert read_parameters(file("parameters:\n  data: {source: here}\n")) == {"data": {"source": "here"}}

    @pytest.mark.parametrize("content", ["parameters:\n", "enable_cache: false\n"])
    def test_a_file_may_change_no_parameter(self, file, content):
        assert read_parameters(file(content)) == {}

    def test_the_default_configuration_is_one(self):
        assert "gate" in read_parameters(DEFAULT_CONFIGURATION)

    def test_what_belongs_to_zenml_may_stand_beside_the_parameters(self, file):
        content = "settings: {docker: {requirements: [numpy]}}\nsteps: {ingest: {enable_cache: true}}\nextra: {a: 1}\n"
        assert read_parameters(file(content)) == {}

    def test_a_key_that_stands_twice_is_told(self, file):
        with pytest.raises(UserError, match="line 3: 'name' stands in line 2 already"):
            read_parameters(file("parameters:\n  name: one\n  name: two\n"))

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("data: {source: here}", "my.yaml: data is no key at the top of a run configuration; "),
            ("1: 2", "my.yaml: 1 is no key at the top of a run configuration; "),
            ("parameters: [1]", "my.yaml: parameters is "),
            ("steps: 4", "my.yaml: steps is 4: "),
            (
                "schedule: {cron_expression: 0 2 * * *}",
                "my.yaml: schedule would have the pipeline look at its photos once",
            ),
            ("a: b: c", "/my.yaml is no YAML (mapping values are not allowed here in "),
            ("", "/my.yaml is no run configuration; "),
            (b"\xff\xfe\xff", "/my.yaml cannot be read ("),
        ],
    )
    def test_anything_else_is_answered_with_a_sentence(self, file, content, sentence):
        with pytest.raises(UserError) as caught:
            read_parameters(file(content))
        assert sentence in caught.value.message
        assert "\n" not in caught.value.message

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            read_parameters(tmp_path)
