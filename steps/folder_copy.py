"""Folders to and from the artifact store, wherever that is."""

import os

from zenml.io import fileio


def copy_folder(source: str, target: str) -> None:
    """Copy a folder with all its levels; either side may be a remote address that ZenML's stores understand."""
    for directory, _, files in fileio.walk(source):
        relative = os.path.relpath(str(directory), source)
        destination = target if relative == "." else os.path.join(target, relative)  # noqa: PTH118
        fileio.makedirs(destination)
        for file in files:
            fileio.copy(os.path.join(str(directory), str(file)), os.path.join(destination, str(file)), overwrite=True)  # noqa: PTH118
