import pytest

from quality_gate.errors import UserError
from quality_gate.ledger import Ledger
from quality_gate.prediction.champion import champion_of


def test_the_champion_of_the_ledger_answers(home, make_entry):
    Ledger(home.registry("produce")).append(make_entry(version="3"))
    assert champion_of(home, "produce").version == "3"


@pytest.mark.parametrize(
    ("events", "name", "sentence"),
    [
        ({}, "produce", "produce has no champion yet; train one with: zenml pipeline run training."),
        (
            {"produce": "refused"},
            "produce",
            "produce has no champion yet; train one with: zenml pipeline run training.",
        ),
        (
            {"produce": "promoted", "refunds": "promoted", "new": "refused"},
            "leek",
            "name is 'leek': no gate is called so; gates with a champion are produce, refunds.",
        ),
        ({"a": "promoted", "b": "refused"}, "b", "b has no champion yet; train one with: zenml pipeline run training."),
    ],
)
def test_a_gate_without_a_champion_is_told_in_one_sentence(home, make_entry, events, name, sentence):
    for gate, event in events.items():
        Ledger(home.registry(gate)).append(make_entry(event))
    with pytest.raises(UserError) as caught:
        champion_of(home, name)
    assert caught.value.message == sentence
