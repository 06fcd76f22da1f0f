import json
import math
from dataclasses import fields, replace
from hashlib import sha256

import pytest

from quality_gate.models.manifest import (
    FORMAT_VERSION,
    ModelManifest,
    RoutingCertificate,
    UnknownModelFormat,
    file_digest,
)
from quality_gate.models.watched_class import WatchedClass
from quality_gate.preprocess import PreprocessingSpec

SPEC = PreprocessingSpec(224, ("letterbox",), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CERTIFICATE = RoutingCertificate(0.05, 0.1, 0.7, 0.9, 90, 1, 100, 0.0434)
WATCHED = WatchedClass("onion", 0.9, 0.2, 40, 4)
MANIFEST = ModelManifest(
    name="visual_quality_gate",
    architecture="resnet18",
    classes=("Apfel – süß", "onion"),
    preprocessing=SPEC,
    temperature=1.25,
    routing=CERTIFICATE,
    digests={"data": "d" * 64},
    version="7",
)


def edit(folder, change):
    path = folder / "model.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "manifest",
    [MANIFEST, replace(MANIFEST, routing=None, version=None, digests={}), replace(MANIFEST, watched=WATCHED)],
)
def test_a_manifest_comes_back_as_it_was_saved(manifest, tmp_path):
    manifest.save(tmp_path)

    assert ModelManifest.load(tmp_path) == manifest


def test_the_certificate_may_say_that_nothing_could_be_certified(tmp_path):
    nothing = replace(CERTIFICATE, threshold=None, risk_upper_bound=None, coverage=0.0, accepted=0, wrong=0)
    replace(MANIFEST, routing=nothing).save(tmp_path)

    assert ModelManifest.load(tmp_path).routing == nothing
    assert nothing.decide(1.0) == "review"


@pytest.mark.parametrize(("confidence", "decision"), [(0.6999, "review"), (0.7, "accept"), (1.0, "accept")])
def test_the_threshold_itself_is_accepted(confidence, decision):
    assert CERTIFICATE.decide(confidence) == decision


def test_equal_manifests_are_equal_files(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        MANIFEST.save(tmp_path / name)

    assert (tmp_path / "first/model.json").read_bytes() == (tmp_path / "second/model.json").read_bytes()


def test_a_manifest_of_version_1_is_read_with_its_only_view(tmp_path):
    MANIFEST.save(tmp_path)

    def to_version_1(values):
        views = values["preprocessing"].pop("views")
        values["preprocessing"]["resize"] = views[0]
        values["format_version"] = 1
        del values["precision"], values["watched"], values["members"]

    edit(tmp_path, to_version_1)

    assert ModelManifest.load(tmp_path) == MANIFEST


def test_a_manifest_of_version_2_is_read_with_its_only_precision(tmp_path):
    MANIFEST.save(tmp_path)

    def to_version_2(values):
        values["format_version"] = 2
        del values["precision"], values["watched"], values["members"]

    edit(tmp_path, to_version_2)

    assert ModelManifest.load(tmp_path) == MANIFEST


def test_a_manifest_of_version_3_is_read_without_a_watched_class(tmp_path):
    MANIFEST.save(tmp_path)

    def to_version_3(values):
        values["format_version"] = 3
        del values["watched"], values["members"]

    edit(tmp_path, to_version_3)

    assert ModelManifest.load(tmp_path) == MANIFEST


def test_a_manifest_of_version_4_is_read_as_that_of_a_single_network(tmp_path):
    MANIFEST.save(tmp_path)

    def to_version_4(values):
        values["format_version"] = 4
        del values["members"]

    edit(tmp_path, to_version_4)

    assert ModelManifest.load(tmp_path) == MANIFEST


def test_a_model_that_watches_no_class_keeps_the_digest_that_former_versions_gave_it():
    assert MANIFEST.answers_digest == "d1979161b9af272770f8bde98e316b03b7b6e36e9d1bd974e14670962a5bb061"


@pytest.mark.parametrize(("label", "threshold"), [("leek", 0.2), ("onion", 0.6), ("onion", -0.1), ("onion", math.nan)])
def test_a_watched_class_that_cannot_be_is_refused(label, threshold):
    with pytest.raises(ValueError, match=r"watched class is leek|threshold of onion"):
        replace(MANIFEST, watched=WatchedClass(label, 0.9, threshold, 10, 0))


def test_a_model_that_is_ready_to_be_served_names_another_network_and_stays_the_model_it_was():
    exported = replace(MANIFEST, digests={"weights": "1" * 64, "onnx": "2" * 64})
    digests = {**exported.digests, "serving": "3" * 64, "answers": exported.answers_digest}
    ready = replace(exported, precision="int8", temperature=2.0, digests=digests)

    assert (exported.network_file, exported.network_digest) == ("model.onnx", "2" * 64)
    assert (ready.network_file, ready.network_digest) == ("serving.onnx", "3" * 64)
    assert ready.answers_digest == exported.answers_digest


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, "1", None])
def test_a_manifest_of_an_unknown_version_is_refused_by_file_and_version(version, tmp_path):
    MANIFEST.save(tmp_path)
    edit(tmp_path, lambda values: values.update(format_version=version))

    with pytest.raises(UnknownModelFormat, match=rf"model\.json: format version {version}; this version reads 1 to 5"):
        ModelManifest.load(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format_version": 1,}', b"\xff\xfe\x00", b"[]", b"null", b"3", b'"model"']
)
def test_what_is_no_json_object_is_refused_by_the_name_of_the_file(content, tmp_path):
    (tmp_path / "model.json").write_bytes(content)

    with pytest.raises(UnknownModelFormat, match=r"model\.json: .*model manifest"):
        ModelManifest.load(tmp_path)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(UnknownModelFormat, match=r"model\.json"):
        ModelManifest.load(tmp_path)
    with pytest.raises(UnknownModelFormat, match=r"model\.json"):
        ModelManifest.load(tmp_path / "missing")


@pytest.mark.parametrize("name", [field.name for field in fields(ModelManifest) if field.name != "format_version"])
def test_a_missing_key_is_named_and_never_replaced_by_a_default(name, tmp_path):
    MANIFEST.save(tmp_path)
    edit(tmp_path, lambda values: values.pop(name))

    with pytest.raises(UnknownModelFormat, match=rf"model\.json: not a model manifest; it lacks {name}"):
        ModelManifest.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(colour="red"),
        lambda values: values["preprocessing"].pop("size"),
        lambda values: values["preprocessing"].update(views=["stretch"]),
        lambda values: values["preprocessing"].update(size="large"),
        lambda values: values.update(preprocessing=None),
        lambda values: values["routing"].pop("threshold"),
        lambda values: values["routing"].update(colour="red"),
        lambda values: values.update(classes=None),
        lambda values: values.update(watched={"label": "onion"}),
    ],
    ids=[
        "unknown key",
        "no size",
        "unknown view",
        "size in words",
        "no spec",
        "no threshold",
        "unknown routing",
        "no classes",
        "half a watched class",
    ],
)
def test_a_value_that_cannot_be_is_refused_by_the_name_of_the_file(change, tmp_path):
    MANIFEST.save(tmp_path)
    edit(tmp_path, change)

    with pytest.raises(UnknownModelFormat, match=r"model\.json: not a model manifest \("):
        ModelManifest.load(tmp_path)


def test_a_version_is_given_to_a_copy():
    assert MANIFEST.with_version("8") == replace(MANIFEST, version="8")
    assert MANIFEST.version == "7"


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"photos" * 50_000)

    assert file_digest(tmp_path / "file") == sha256(b"photos" * 50_000).hexdigest()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_makes_no_probabilities_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        replace(MANIFEST, temperature=temperature)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "efficientnet_lite0"},
        {"classes": ("onion", "Apfel – süß")},
        {"preprocessing": replace(SPEC, size=225)},
        {"temperature": 1.2500001},
        {"routing": replace(CERTIFICATE, threshold=0.71)},
        {"routing": None},
        {"watched": WATCHED},
        {"digests": {"weights": "w", "onnx": "p"}},
        {"digests": {"weights": "v", "onnx": "o"}},
    ],
)
def test_whatever_answers_depend_on_shows_in_their_digest(change):
    manifest = replace(MANIFEST, digests={"weights": "w", "onnx": "o"})
    assert replace(manifest, **change).answers_digest != manifest.answers_digest


def test_what_a_model_was_made_from_and_is_called_does_not_show_in_the_digest_of_its_answers(tmp_path):
    manifest = replace(MANIFEST, digests={"weights": "w", "onnx": "o"})
    other = replace(
        manifest, name="other", version=None, digests={**manifest.digests, "data": "e", "code": "c", "settings": "s"}
    )
    other.save(tmp_path)
    assert ModelManifest.load(tmp_path).answers_digest == manifest.answers_digest
