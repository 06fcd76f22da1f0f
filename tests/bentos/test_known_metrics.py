import json

import pytest

from bentos.known_metrics import write_known_metrics
from quality_gate.home import locate
from quality_gate.ledger import Ledger
from quality_gate.models.manifest import ModelManifest


@pytest.fixture
def manifest(write_tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path / "state"))
    return ModelManifest.load(write_tiny_model(tmp_path / "model", version="2"))


def test_the_figures_of_the_promotion_are_packed(manifest, make_entry, tmp_path):
    ledger = Ledger(locate().registry("gate"))
    for event, version, onnx, f1 in (
        ("promoted", "1", "other", 0.1), ("promoted", "2", manifest.digests["onnx"], 0.9), ("refused", None, "x", 0.2)
    ):  # fmt: skip
        ledger.append(make_entry(event, version, digests={"onnx": onnx, "report": "r"}, metrics={"macro_f1": f1}))

    write_known_metrics(manifest, "gate", tmp_path)

    assert json.loads((tmp_path / "metrics.json").read_text()) == {"macro_f1": 0.9}


@pytest.mark.parametrize("digest", [None, "of another network"])
def test_a_model_that_was_not_promoted_has_no_figures(manifest, make_entry, tmp_path, digest):
    if digest is not None:
        Ledger(locate().registry("gate")).append(make_entry("promoted", "2", digests={"onnx": digest}))

    write_known_metrics(manifest, "gate", tmp_path)

    assert not (tmp_path / "metrics.json").exists()
