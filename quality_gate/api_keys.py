"""API keys as they are configured: ``key``, or ``name:key`` for one that says whose it is."""

import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def split_key(text: str) -> tuple[str, str]:
    """The name of a configured key, '' for none, and the key itself, which clients send."""
    name, colon, key = text.partition(":")
    return (name, key) if colon and _NAME.fullmatch(name) else ("", text)
