import pytest

from quality_gate.reports import cards as module
from quality_gate.reports.cards import write_cards


@pytest.fixture
def written(monkeypatch, tmp_path):
    for name in ("model", "data"):
        text = f"# The {name}\n\nIn a line.\n\n## Section\n\nText of the {name}.\n"
        monkeypatch.setattr(module, f"{name}_card_markdown", lambda card, text=text: text)
    return write_cards(None, None, tmp_path)


def test_each_card_is_written_as_markdown_and_as_a_page_of_the_same_text(written, tmp_path):
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "data_card.html",
        "data_card.md",
        "model_card.html",
        "model_card.md",
    ]
    for name in ("model", "data"):
        assert f"Text of the {name}." in (tmp_path / f"{name}_card.md").read_text()
        page = (tmp_path / f"{name}_card.html").read_text()
        assert f"<p>Text of the {name}.</p>" in page
        assert written[f"{name}_card"] == page
