"""Fixtures shared by tests of several packages."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quality_gate.models.manifest import ONNX_FILE, ModelManifest, RoutingCertificate, file_digest
from quality_gate.preprocess import PreprocessingSpec

TINY_CLASSES = ("onion", "potato", "tomato")
TINY_SIZE = 32


@pytest.fixture(scope="session")
def write_tiny_model() -> Callable[..., Path]:
    """Writes a real model folder without training: colours of the four quarters → logits."""
    return _write_tiny_model


def _write_tiny_model(folder: Path, *, version: str | None = "1", seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _write_onnx(folder / ONNX_FILE, seed)
    ModelManifest(
        name="visual_quality_gate",
        architecture="tiny",
        classes=TINY_CLASSES,
        preprocessing=PreprocessingSpec(TINY_SIZE, "crop", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        temperature=1.3,
        routing=RoutingCertificate(
            alpha=0.05,
            delta=0.1,
            threshold=0.6,
            coverage=0.8,
            accepted=80,
            wrong=1,
            photos=100,
            risk_upper_bound=0.0483,
        ),
        digests={"data": "d" * 64, "onnx": file_digest(folder / ONNX_FILE)},
        version=version,
    ).save(folder)
    return folder


def _write_onnx(path: Path, seed: int) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    half = TINY_SIZE // 2
    weights = np.random.default_rng(seed).normal(0, 0.5, (12, len(TINY_CLASSES))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["photos"], ["quarters"], kernel_shape=[half, half], strides=[half, half]),
            helper.make_node("Flatten", ["quarters"], ["features"]),
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("photos", TensorProto.FLOAT, ["n", 3, TINY_SIZE, TINY_SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(TINY_CLASSES)])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
