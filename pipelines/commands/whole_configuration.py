"""Has ZenML replace its configuration files instead of emptying them and filling them again.

Every command rewrites them, even one that changes nothing: a second run that starts in that moment would read an empty
file, and end in a stack trace.
"""

from pathlib import Path
from uuid import uuid4


def write_configuration_whole() -> None:
    """Install the writing; ZenML calls it first of all, as one of its ``zenml.init_hooks``."""
    # Not above: ZenML is being imported while this module is, and would import itself anew.
    from zenml.utils import io_utils

    io_utils.write_file_contents_as_string = replace_text


def replace_text(file_path: str, content: str) -> None:
    """Write a file so that whoever reads it finds either its former content or all of the new one.

    Args:
        file_path: the file; its folder exists.
        content: what it will hold.
    """
    path = Path(file_path)
    partial = path.with_name(f"{path.name}.{uuid4().hex}")
    partial.write_text(content)
    partial.replace(path)
