import pickle

from click.testing import CliRunner

from quality_gate.cli import main
from quality_gate.errors import UserError


def test_an_error_keeps_its_sentence_when_it_crosses_a_process_boundary():
    copy = pickle.loads(pickle.dumps(UserError("photos/a.jpg is empty; replace it.")))
    assert type(copy) is UserError
    assert copy.message == str(copy) == "photos/a.jpg is empty; replace it."


def test_a_command_ends_with_the_sentence_alone_and_exit_status_1(monkeypatch):
    def fails(*_):
        raise UserError("photos is empty; name another folder.")

    monkeypatch.setattr("quality_gate.cli.locate", fails)
    result = CliRunner().invoke(main, ["status"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: photos is empty; name another folder.\n"
