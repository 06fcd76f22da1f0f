"""A divided dataset without photos, and the facts of a model trained on it."""

from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from quality_gate.data.image_table import build_table
from quality_gate.data.split import SplitResult
from quality_gate.settings import SplitSettings

CLASSES = ("onion", "potato", "tomato")
SPLIT_OF = ("train", "train", "validation", "calibration", "test")


@pytest.fixture(scope="session")
def moment():
    return datetime(2026, 3, 4, 10, 11, tzinfo=UTC)


@pytest.fixture(scope="session")
def split():
    """Ten photos of each class, two of them one group, and two files that are left out."""
    rows = [row(label, number) for label in CLASSES for number in range(10)]
    lost = {"path": "onion/lost.jpg", "label": "onion", "problem": "damaged or truncated (at byte 7)"}
    leak = row("onion", 99) | {"split": "", "path": "train/leak.jpg"}
    left_out = pd.DataFrame(
        {
            "path": [lost["path"], leak["path"]],
            "label": ["onion"] * 2,
            "image_id": ["", leak["image_id"]],
            "reason": [lost["problem"], "leak: near-duplicate of the test photo onion/4.jpg"],
        }
    )
    return SplitResult(build_table([*rows, lost, leak]), left_out, SplitSettings(), 42, test_was_given=True)


@pytest.fixture(scope="session")
def snapshot(split):
    counts = {"files": 32, "readable": 31, "unreadable": 1, "photos": 30}
    return SimpleNamespace(digest="9f" * 32, source="market/photos", classes=CLASSES, counts=counts, table=split.table)


def row(label, number):
    return {
        "image_id": sha256(f"{label} {number}".encode()).hexdigest(),
        "path": f"{label}/{number}.jpg",
        "label": label,
        "split": SPLIT_OF[number % 5],
        "group": f"{label} {min(number, 8)}",
        "width": 100 + number,
        "height": 100,
        "mode": "RGB" if number else "L",
        "format": "JPEG",
        "file_size_kb": 10,
        "aspect_ratio": 1,
        "brightness": number / 10,
        "contrast": 0.2,
        "sharpness": 100 * number,
        "is_readable": True,
    }


@pytest.fixture(scope="session")
def answers():
    """Probabilities for the six test photos."""
    return np.random.default_rng(0).dirichlet(np.ones(3), 6)
