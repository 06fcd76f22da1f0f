"""Tiny photos on disk, and image tables without any."""

import io
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from quality_gate.data.image_table import build_table

if TYPE_CHECKING:
    import pandas as pd


@pytest.fixture(scope="session")
def encode_photo() -> Callable[..., bytes]:
    """Encodes a small photo whose pixels depend on a number alone."""
    return _encode_photo


@pytest.fixture
def write_photos(tmp_path: Path) -> Callable[..., Path]:
    """Writes different photos to paths below a folder called ``photos``."""

    def write(*paths: str) -> Path:
        root = tmp_path / "photos"
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(_encode_photo(int(sha256(path.encode()).hexdigest()[:8], 16)))
        return root

    return write


@pytest.fixture(scope="session")
def make_table() -> "Callable[..., pd.DataFrame]":
    """Makes an image table of (label, phash) or (label, phash, split), without any photo."""
    return _make_table


def _encode_photo(seed: int, *, size: tuple[int, int] = (24, 16), kind: str = "PNG") -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def _make_table(photos: "Iterable[tuple[str, int] | tuple[str, int, str]]") -> "pd.DataFrame":
    rows = []
    for number, (label, phash, *split) in enumerate(photos):
        rows.append(
            {
                "image_id": sha256(f"photo {number}".encode()).hexdigest(),
                "path": f"{label}/{number:04}.jpg",
                "label": label,
                "split": split[0] if split else "",
                "width": 200,
                "height": 100,
                "mode": "RGB",
                "format": "JPEG",
                "file_size_kb": 10.0,
                "aspect_ratio": 2.0,
                "brightness": 0.5,
                "contrast": 0.2,
                "red_mean": 0.5,
                "green_mean": 0.5,
                "blue_mean": 0.5,
                "sharpness": 100.0,
                "phash": f"{phash:016x}",
                "is_readable": True,
            }
        )
    return build_table(rows)
