"""Templates are strict and escape; figures and photos become data URIs, the same each time."""

import base64
import io
import math
from pathlib import Path

import jinja2
import pytest
from matplotlib.figure import Figure
from PIL import Image

from quality_gate.preprocess import UnreadableImage
from quality_gate.reports import rendering
from quality_gate.reports.rendering import photo, picture, plain_text, render


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path)
    return tmp_path / "page.html.j2"


def encoded(uri: str, kind: str) -> bytes:
    prefix = f"data:{kind};base64,"
    assert uri.startswith(prefix)
    return base64.b64decode(uri.removeprefix(prefix), validate=True)


def jpeg(size: tuple[int, int], orientation: int = 1) -> bytes:
    image = Image.new("RGB", size, (200, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", exif=exif)
    return buffer.getvalue()


def test_what_is_filled_in_is_escaped(template: Path) -> None:
    template.write_text("<p title='{{ name }}'>{{ name }}</p>")
    page = render("page.html.j2", name="<script>'\"&")
    assert page == "<p title='&lt;script&gt;&#39;&#34;&amp;'>&lt;script&gt;&#39;&#34;&amp;</p>"


def test_a_name_that_was_not_given_is_an_error(template: Path) -> None:
    template.write_text("{{ misspelt }}")
    with pytest.raises(jinja2.UndefinedError, match="misspelt"):
        render("page.html.j2")


def test_a_template_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        render("nothing.html.j2")


@pytest.mark.parametrize(
    ("expression", "value", "shown"),
    [
        ("value | count", 1571, "1,571"),
        ("value | count", None, "–"),
        ("value | percent", 0.1234, "12.3%"),
        ("value | percent", math.nan, "–"),
        ("value | decimals", 0.12345, "0.123"),
        ("value | decimals(1)", 1234.56, "1,234.6"),
        ("value | decimals", None, "–"),
    ],
)
def test_numbers_are_shown_for_reading(template: Path, expression: str, value: float | None, shown: str) -> None:
    template.write_text(f"{{{{ {expression} }}}}")
    assert render("page.html.j2", value=value) == shown


def test_the_parts_say_a_status_in_words_and_not_by_colour_alone() -> None:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(rendering.TEMPLATES), autoescape=True)
    parts = environment.get_template("parts.html.j2").module
    for status, word in {"pass": "passed", "fail": "failed", "warn": "warning", "none": "not applicable"}.items():
        assert word in parts.badge(status)
    assert "&lt;b&gt;" in parts.badge("pass", "<b>")


def figure(label: str) -> Figure:
    drawn = Figure(figsize=(2, 2))
    axes = drawn.add_subplot()
    axes.bar([label, "tomato"], [1, 2], hatch="//")
    return drawn


def test_the_same_figure_is_the_same_svg() -> None:
    first, second = (encoded(picture(figure("onion")), "image/svg+xml") for _ in range(2))
    assert b"<svg" in first
    assert first == second


def test_a_class_name_in_any_script_can_be_drawn() -> None:
    assert picture(figure("玉ねぎ")) != picture(figure("onion"))


def test_dollar_signs_in_names_are_no_formula() -> None:
    figure_with_names = figure(plain_text(r"1$ \frac 2$"))
    texts = [label.get_text() for label in figure_with_names.axes[0].get_xticklabels()]
    assert texts[0] == r"1\$ \frac 2\$"
    picture(figure_with_names)


def test_a_photo_becomes_a_thumbnail_that_keeps_its_shape() -> None:
    with Image.open(io.BytesIO(encoded(photo(jpeg((400, 200)), 100), "image/jpeg"))) as thumbnail:
        assert thumbnail.size == (100, 50)


def test_a_photo_smaller_than_the_thumbnail_is_not_enlarged() -> None:
    with Image.open(io.BytesIO(encoded(photo(jpeg((40, 20)), 100), "image/jpeg"))) as thumbnail:
        assert thumbnail.size == (40, 20)


def test_a_photo_taken_sideways_stands_upright() -> None:
    with Image.open(io.BytesIO(encoded(photo(jpeg((400, 200), orientation=6), 100), "image/jpeg"))) as thumbnail:
        assert thumbnail.size == (50, 100)


def test_bytes_that_are_no_photo_are_an_error() -> None:
    with pytest.raises(UnreadableImage):
        photo(b"no photo", 100)
