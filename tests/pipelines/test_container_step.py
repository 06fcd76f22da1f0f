"""A step inside of a container, before ZenML gets hold of it."""

import pytest
from zenml.entrypoints import entrypoint

from pipelines import container_terms
from pipelines.container_step import main
from pipelines.container_terms import EXPECTED_VARIABLE, REFUSED, SENTENCE, expected_here
from quality_gate.errors import UserError


@pytest.fixture
def entered(monkeypatch):
    """How often ZenML was asked to run the step."""
    calls = []
    monkeypatch.setattr(entrypoint, "main", lambda: calls.append("main"))
    return calls


def test_a_step_runs_where_code_and_libraries_are_those_of_whoever_started_it(entered, monkeypatch):
    monkeypatch.setenv(EXPECTED_VARIABLE, expected_here())
    main()
    assert entered == ["main"]


def test_an_image_with_other_libraries_is_refused(entered, monkeypatch, capsys):
    monkeypatch.setenv(EXPECTED_VARIABLE, expected_here())
    monkeypatch.setattr(container_terms, "library_versions", lambda: {"torch": "0.1"})
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == REFUSED
    assert capsys.readouterr().err.startswith(f"{SENTENCE}the image holds other code or libraries")
    assert not entered


def test_a_users_mistake_leaves_the_container_as_one_line(monkeypatch, capsys):
    def fail():
        raise UserError("photos: there\nare none.")

    monkeypatch.setattr(entrypoint, "main", fail)
    monkeypatch.setenv(EXPECTED_VARIABLE, expected_here())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == REFUSED
    assert capsys.readouterr().err == f"{SENTENCE}photos: there are none.\n"
