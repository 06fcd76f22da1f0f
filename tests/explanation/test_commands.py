import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from quality_gate.cli import main
from quality_gate.models.checkpoint import save_weights
from quality_gate.models.manifest import ModelManifest
from quality_gate.models.zoo import architecture, assemble


@pytest.fixture(scope="module")
def model(write_tiny_model, tmp_path_factory):
    """A model folder: a tiny network answers, and one of timm with random weights is explained."""
    import torch

    folder = write_tiny_model(tmp_path_factory.mktemp("model"))
    torch.manual_seed(0)
    arch = architecture("timm:test_resnet")
    save_weights(assemble(arch.build(), arch, 3), folder)
    replace(ModelManifest.load(folder), architecture=arch.name).save(folder)
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a <b>.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Calls the command; its errors end in an exit status, and nothing in a stack trace."""
    monkeypatch.setenv("QUALITY_GATE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = CliRunner().invoke(main, ["explain", *(str(argument) for argument in arguments)])
        assert isinstance(result.exception, SystemExit | None)
        return result

    return call


class Pictures(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.alts, self.sources, self.tags = [], [], set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.alts.append(dict(attrs)["alt"])
            self.sources.append(dict(attrs)["src"])


def test_a_page_shows_the_photo_its_answer_and_a_map_of_each_method(run, model, photo, tmp_path):
    methods = ["--method", "class_activation", "--method", "saliency"]
    result = run("--model", model, *methods, "--output", tmp_path / "new" / "page.html", photo)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"What led to the answers is in {tmp_path / 'new' / 'page.html'}.\n"
    html = (tmp_path / "new" / "page.html").read_text()
    shown = Pictures(html)
    label = re.search(r"Answer <strong>(\w+)</strong>", html)[1]
    assert shown.alts == [
        f"{photo} as the network saw it",
        f"{photo}: Class activation for {label}",
        f"{photo}: Saliency for {label}",
    ]
    assert len(set(shown.sources)) == 3
    assert all(source.startswith("data:image/jpeg") for source in shown.sources)
    assert not shown.tags & {"b", "script", "link"}
    assert "Simonyan" in html
    assert "Sundararajan" not in html


def test_a_folder_gets_the_page_and_a_picture_of_each_map(run, model, photo, tmp_path):
    result = run("--model", model, "--method", "grad_cam", "--label", "potato", "--output", "maps", photo, photo)
    assert result.exit_code == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["001_a <b>_grad_cam.png", "002_a <b>_grad_cam.png", "index.html"]
    with Image.open(tmp_path / "maps" / names[0]) as picture:
        assert picture.size == (32, 32)
    assert "Grad-CAM for potato" in (tmp_path / "maps" / "index.html").read_text()


def test_without_an_output_the_page_lies_where_one_calls(run, model, photo, tmp_path):
    assert run("--model", model, photo).exit_code == 0
    assert (tmp_path / "explanation.html").is_file()


def test_grad_cam_that_takes_the_place_of_exact_maps_is_announced(run, model, photo, monkeypatch):
    monkeypatch.setattr("quality_gate.explanation.explainer.fitting_method", lambda network, wanted: "grad_cam")
    result = run("--model", model, photo)
    assert result.exit_code == 0
    assert "Grad-CAM is shown instead." in result.stderr


class TestMistakes:
    @pytest.fixture
    def sentence(self, run, model, photo, tmp_path):
        """What a call with one thing wrong is answered with."""

        def answered(*arguments, model=model, photo=photo):
            result = run("--model", model, *arguments, photo)
            assert result.exit_code == 1
            assert result.stdout == ""
            assert result.stderr.startswith("Error: ")
            assert result.stderr.count("\n") == 1
            return result.stderr.removeprefix("Error: ").rstrip("\n")

        return answered

    def test_a_photo_that_is_not_there(self, sentence, tmp_path):
        path = tmp_path / "none.jpg"
        assert sentence(photo=path) == f"{path}: the photo cannot be read (No such file or directory)."

    def test_a_folder_for_a_photo(self, sentence, tmp_path):
        assert sentence(photo=tmp_path) == f"{tmp_path}: the photo cannot be read (Is a directory)."

    def test_a_file_that_is_no_photo(self, sentence, tmp_path):
        path = tmp_path / "notes.jpg"
        path.write_text("notes")
        assert sentence(photo=path) == f"{path}: not a photo in one of the formats JPEG, PNG, WEBP, BMP."

    def test_a_label_of_another_model(self, sentence):
        assert sentence("--label", "leek") == "--label is 'leek'; the classes of this model are onion, potato, tomato."

    def test_a_model_without_weights(self, sentence, write_tiny_model, tmp_path):
        folder = write_tiny_model(tmp_path / "tiny")
        assert sentence(model=folder).startswith(f"{folder}: has no weights.safetensors, from which maps are made")

    def test_a_model_whose_network_cannot_be_read(self, sentence, write_tiny_model, tmp_path):
        folder = write_tiny_model(tmp_path / "tiny")
        (folder / "model.onnx").write_text("")
        assert sentence(model=folder).startswith(f"{folder / 'model.onnx'}: ONNX Runtime cannot load it")

    def test_weights_that_do_not_fit(self, sentence, model, tmp_path, write_tiny_model):
        folder = write_tiny_model(tmp_path / "tiny")
        replace(ModelManifest.load(folder), architecture="resnet18").save(folder)
        (folder / "weights.safetensors").write_bytes((model / "weights.safetensors").read_bytes())
        assert "not the weights of resnet18" in sentence("--method", "saliency", model=folder)

    def test_a_gate_that_is_not_there(self, sentence):
        assert sentence(model="apples").startswith("apples has no champion yet")

    def test_a_folder_without_a_model(self, sentence, tmp_path):
        expected = f"--model is {str(tmp_path)!r}: neither a gate nor a folder with model.json."
        assert sentence(model=tmp_path) == expected

    @pytest.mark.parametrize("output", ["a <b>.png", "a <b>.png/page.html"])
    def test_an_output_below_or_in_place_of_another_file(self, sentence, photo, output):
        expected = (
            f"--output: {photo.name} cannot be written (File exists); name a page that ends in .html, or a folder."
        )
        assert sentence("--output", output) == expected

    def test_an_output_that_is_a_folder_with_the_name_of_a_page(self, run, model, photo, tmp_path):
        (tmp_path / "page.html").mkdir()
        result = run("--model", model, "--output", "page.html", photo)
        assert result.exit_code == 1
        assert "Error: --output: page.html cannot be written (Is a directory)" in result.stderr

    def test_an_unknown_method_and_no_photo_are_answered_with_the_usage(self, run, model, photo):
        unknown = run("--model", model, "--method", "lime", photo)
        nothing = run("--model", model)
        assert (unknown.exit_code, nothing.exit_code) == (2, 2)
        assert "'lime' is not one of 'class_activation', 'grad_cam'" in unknown.stderr
        assert "Missing argument 'PHOTO...'" in nothing.stderr
