"""The same file under a second name, without its bytes being written again."""

import os
import shutil
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, or a copy where the file system has no links or it is another one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
