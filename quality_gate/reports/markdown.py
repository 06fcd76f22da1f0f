"""Cards are written in Markdown, from templates; their HTML is made of the same Markdown, so that the two agree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from quality_gate import __version__
from quality_gate.reports.rendering import TEMPLATES, filters, render

if TYPE_CHECKING:
    from markdown_it.token import Token

# An underscore within a word is no mark-up, and is_readable is easier to read than is\_readable.
_MARK_UP = re.compile(r"[\\`*\[\]<>|&~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def render_markdown(template: str, /, **context: Any) -> str:
    """Fill a Markdown template of the reports.

    Values are escaped: a class called ``*new*`` keeps its asterisks. Templates put them into table cells and
    sentences, never at the start of a line. Besides the filters of figures there is ``code``, for table cells.

    Args:
        template: file name, such as ``model_card.md.j2``.
        **context: the names the template uses.

    Raises:
        jinja2.UndefinedError: the template uses a name that was not given.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        # HTML is escaped where the Markdown is turned into HTML.
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escaped,
    )
    environment.filters |= {**filters(), "code": _code}
    environment.globals["product_version"] = __version__
    return environment.get_template(template).render(**context)


def markdown_page(markdown: str) -> str:
    """Turn Markdown into a page of the reports: its title, its first paragraph, a card a section.

    Args:
        markdown: starts with a heading of level 1 and a paragraph, followed by sections of level 2.

    Returns:
        Static HTML. HTML in the Markdown is shown, not obeyed.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    # Wide tables scroll by themselves on a phone.
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    heading, *sections = _sections(parser.parse(markdown))
    title, lead = (token for token in heading if token.type == "inline")
    return render(
        "card.html.j2",
        title="".join(child.content for child in title.children or ()),
        lead="".join(child.content for child in lead.children or ()),
        sections=[parser.renderer.render(section, parser.options, {}) for section in sections],
    )


def _sections(tokens: Sequence[Token]) -> list[list[Token]]:
    """What stands before the first heading of level 2, then each such heading with what follows it."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h2":
            parts.append([])
        parts[-1].append(token)
    return parts


def _escaped(value: Any) -> str:
    if isinstance(value, Markdown):
        return value
    return _MARK_UP.sub(r"\\\g<0>", " ".join(str(value).split()))


def _code(value: Any) -> Markdown:
    # A backtick would end the code, and a bar the cell.
    text = " ".join(str(value).split()).replace("`", "'").replace("|", r"\|")
    return Markdown(f"`{text}`")
