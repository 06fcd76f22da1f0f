"""Text that others chose, such as names of files and people, in tables that people open in a spreadsheet."""

from __future__ import annotations

# What makes a spreadsheet take text for a formula.
_FORMULA = ("=", "+", "-", "@")


def harmless(text: str) -> str:
    """The text in a form that no spreadsheet takes for a formula; an apostrophe there says that text follows."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def original(text: str) -> str:
    """What :func:`harmless` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text
