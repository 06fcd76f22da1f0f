from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.reports import markdown as module
from quality_gate.reports.markdown import markdown_page, render_markdown


class Parsed(HTMLParser):
    """Tags, text of the table's cells, and all text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.cells, self.text = [], [], ""
        self.in_cell = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag != "td"

    def handle_data(self, text):
        self.text += text
        if self.in_cell:
            self.cells[-1] += text


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("templates")
    (folder / "card.md.j2").write_text(
        "# Card: {{ value }}\n\nOf {{ value }}, {{ 1234|count }} photos.\n\n## First {{ value }}\n\n"
        "| | |\n|---|---:|\n| {{ value }} | {{ value|code }} |\n\n## Second\n\nText.\n"
    )
    return folder


@pytest.fixture
def written(template, monkeypatch):
    monkeypatch.setattr(module, "TEMPLATES", template)
    return lambda value: render_markdown("card.md.j2", value=value)


def test_markdown_becomes_a_page_with_a_card_for_every_section(written):
    html = markdown_page(written("tomatoes"))
    assert "<title>Card: tomatoes</title>" in html
    assert '<p class="lead">Of tomatoes, 1,234 photos.</p>' in html
    assert html.count('<section class="card">') == 2
    assert '<div class="scroll"><table>' in html
    assert html.count("<h2>") == 2


@pytest.mark.parametrize(
    "value",
    ["<script>alert(1)</script>", "a | b", "*new* _old_", "[x](http://y)", "a `b` c", "\\ &amp; ~~z~~", "is_readable"],
)
def test_values_are_shown_as_they_are(template, monkeypatch, value):
    monkeypatch.setattr(module, "TEMPLATES", template)
    parsed = Parsed(markdown_page(render_markdown("card.md.j2", value=value)))
    assert parsed.cells[0].strip() == value
    assert parsed.cells[1].strip() == value.replace("`", "'")
    assert f"First {value}" in parsed.text
    assert not set(parsed.tags) & {"script", "a", "em", "strong", "s"}


@settings(deadline=None, max_examples=40)
@given(value=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20))
def test_no_value_changes_the_build_of_the_page(template, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TEMPLATES", template)
        plain, odd = (Parsed(markdown_page(render_markdown("card.md.j2", value=each))) for each in ("x", value))
    assert odd.tags == plain.tags
    assert odd.cells[0].strip() == value


def test_words_with_underscores_stay_readable_in_markdown(written):
    assert "| is_readable |" in written("is_readable")


def test_lines_of_a_value_become_one(written):
    assert "| a b |" in written("a\n\n# b").replace("# ", "")
