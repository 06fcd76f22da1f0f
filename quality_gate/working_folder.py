"""Folders that live no longer than the process that works in them, even if it is killed."""

import atexit
import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import IO

LOCK_FILE = ".lock"


def working_folder(parent: Path) -> Path:
    """A folder on the file system of ``parent``, empty but for a lock, that is removed when the process ends.

    What killed processes left there is removed first: the system takes a lock from a process that ends in any way.

    Args:
        parent: where working folders are, and nothing else.
    """
    parent.mkdir(parents=True, exist_ok=True)
    # One at a time: a folder that has no lock yet would be taken for abandoned.
    with (parent / LOCK_FILE).open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        for folder in parent.iterdir():
            if folder.is_dir() and not _is_in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)
        made = Path(tempfile.mkdtemp(dir=parent))
        lock = (made / LOCK_FILE).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    atexit.register(_remove, made, lock)
    return made


def _is_in_use(folder: Path) -> bool:
    try:
        with (folder / LOCK_FILE).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _remove(folder: Path, lock: IO[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
