"""The cards that go with every promoted model: one of the model, one of its data, each as Markdown and as a page."""

from __future__ import annotations

from pathlib import Path

from quality_gate.reports.data_card import DataCard, data_card_markdown
from quality_gate.reports.markdown import markdown_page
from quality_gate.reports.model_card import ModelCard, model_card_markdown

MODEL_CARD, DATA_CARD = "model_card", "data_card"


def write_cards(model: ModelCard, data: DataCard, folder: Path) -> dict[str, str]:
    """Write ``model_card`` and ``data_card``, each as ``.md`` and ``.html``, into a folder.

    Returns:
        The HTML of each by its name.
    """
    pages = {}
    for name, markdown in ((MODEL_CARD, model_card_markdown(model)), (DATA_CARD, data_card_markdown(data))):
        pages[name] = markdown_page(markdown)
        (folder / f"{name}.md").write_text(markdown, encoding="utf-8")
        (folder / f"{name}.html").write_text(pages[name], encoding="utf-8")
    return pages
