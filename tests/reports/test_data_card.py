import pytest

from quality_gate.reports.data_card import data_card, data_card_markdown


@pytest.fixture
def card(snapshot, split):
    return data_card(snapshot, split, name="market", version="7", run="run 1")


def test_the_facts_are_those_of_the_dataset(card, split):
    assert (card.files, card.readable, card.different, card.copies) == (32, 31, 30, 1)
    assert card.counts["train"] == {"onion": 4, "potato": 4, "tomato": 4}
    assert (card.digest, card.split_digest) == ("9f" * 32, split.digest)
    assert card.formats == (("JPEG, RGB", 27), ("JPEG, L", 3))


def test_groups_are_counted_among_the_photos_in_use(card):
    assert (card.groups, card.shared_groups, card.shared_photos, card.largest_group) == (27, 3, 6, 2)


def test_reasons_are_counted_by_their_kind(card):
    assert dict(card.left_out) == {"damaged or truncated": 1, "leak": 1}
    assert card.left_out_files == 2


def test_spreads_are_of_the_photos_in_use(card):
    brightness = next(spread for spread in card.spreads if spread.name == "brightness")
    assert (brightness.low, brightness.median, brightness.high) == (0.0, pytest.approx(0.45), pytest.approx(0.9))


def test_the_card_has_its_tables(card):
    text = data_card_markdown(card)
    assert text.startswith("# Data card: the photos of market, version 7\n\n30 photos of 3 classes, ")
    assert "| onion | 4 | 2 | 2 | 2 | 10 | 33.3% |" in text
    assert "| all | 12 | 6 | 6 | 6 | 30 | |" in text
    assert "| In use | 30, and 2 left out |" in text
    assert "| leak | 1 |" in text
    assert "| brightness | 0.000 | 0.450 | 0.900 |" in text
    assert f"| `{'9f' * 32}` |" in text
    assert "\n\n\n" not in text


def test_what_was_not_recorded_is_said_not_to_be(card):
    text = data_card_markdown(card)
    assert "not recorded" in text
    assert "labels that look wrong; how many of them are wrong was not measured" in " ".join(text.split())
