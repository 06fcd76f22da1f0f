import errno
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from quality_gate.errors import UserError
from quality_gate.models.zoo import TransferNetwork
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.training import features as module
from quality_gate.training.embedding import BatchEmbedding
from quality_gate.training.features import FrozenBackbone, Row, read_rows

SPEC = PreprocessingSpec(32, ("crop",), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
ROWS = [Row("crop"), Row("squash_mirrored"), Row("crop", 1), Row("crop", 2)]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoded(encode_png):
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)) for _ in range(9)]
    return [encode_png(np.asarray(image.resize((50 + place, 40)))) for place, image in enumerate(coarse)]


@pytest.fixture
def photos(encoded, photos_in_memory):
    return photos_in_memory(encoded, [0] * len(encoded), ("onion",))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4), nn.ReLU())
    return TransferNetwork([trunk, nn.Conv2d(6, 5, 3)], 1, 5, 3).eval()


def see(network, photos, folder, *, spec=SPEC, rows=ROWS, workers=2, seed=1, activations=True, on_progress=None):
    backbone = FrozenBackbone(network, spec, CPU, folder, workers=workers)
    report = on_progress or (lambda _done, _total: None)
    return backbone.see(photos, rows, seed=seed, on_progress=report, activations=activations)


@pytest.mark.parametrize("view", ["crop", "squash_mirrored", "letterbox"])
def test_a_plain_row_is_bit_for_bit_the_tensor_that_is_served(encoded, view):
    spec = replace(SPEC, views=(view,))

    for photo in encoded:
        rows = read_rows(photo, "ab", [Row("squash"), Row(view)], spec, seed=3)
        assert (rows.shape, rows.dtype) == ((2, 3, 32, 32), np.float32)
        assert rows[1].tobytes() == preprocess(photo, spec).tobytes()


def test_changed_copies_depend_on_photo_seed_and_number_alone(encoded):
    first, again, other_seed = (read_rows(encoded[0], "ab", ROWS, SPEC, seed) for seed in (1, 1, 2))
    other_photo = read_rows(encoded[0], "cd", ROWS, SPEC, 1)

    assert (first == again).all()
    assert (read_rows(encoded[0], "ab", ROWS[3:], SPEC, 1)[0] == first[3]).all()
    for other in (other_seed, other_photo):
        assert (first[:2] == other[:2]).all()
        assert (first[2:] != other[2:]).any(axis=(1, 2, 3)).all()
    assert len({row.tobytes() for row in first}) == len(ROWS)


def test_what_is_seen_are_the_features_and_activations_of_the_network_row_by_row(network, photos, encoded, tmp_path):
    seen = see(network, photos, tmp_path)

    assert (seen.features.dtype, seen.activations.dtype) == (np.float32, torch.float16)
    assert len(seen.features) == len(seen.activations) == len(encoded) * len(ROWS)
    for place, photo in enumerate(encoded):
        rows = torch.from_numpy(read_rows(photo, photos.image_ids[place], ROWS, SPEC, 1))
        these = slice(place * len(ROWS), (place + 1) * len(ROWS))
        with torch.inference_mode():
            activations = network.trunk(rows)
            features = network.features(activations).numpy()
        torch.testing.assert_close(seen.activations[these].float(), activations, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(seen.features[these], features, atol=1e-4)


def test_of_a_photo_only_the_rows_are_computed_that_were_not_seen_before(network, photos, tmp_path, monkeypatch):
    computed = []

    def counted(photo, image_id, rows, spec, seed):
        computed.append(tuple(rows))
        return read_rows(photo, image_id, rows, spec, seed)

    see(network, photos, tmp_path, rows=ROWS[:1])
    monkeypatch.setattr(module, "read_rows", counted)
    reordered = [*ROWS[1:], ROWS[0]]
    found = see(network, photos, tmp_path, rows=reordered)
    assert set(computed) == {tuple(ROWS[1:])}
    fresh = see(network, photos, tmp_path / "fresh", rows=reordered)
    assert found.features.tobytes() == fresh.features.tobytes()
    assert torch.equal(found.activations, fresh.activations)


def test_the_number_of_workers_changes_no_bit(network, photos, tmp_path):
    alone, together = (see(network, photos, tmp_path / str(workers), workers=workers) for workers in (1, 4))

    assert alone.features.tobytes() == together.features.tobytes()
    assert torch.equal(alone.activations, together.activations)


def test_a_photo_that_was_seen_is_not_read_again(network, photos, encoded, photos_in_memory, tmp_path):
    some = photos_in_memory(encoded[:6], [0] * 6, ("onion",))
    before = see(network, some, tmp_path)
    assert len(some.snapshot.asked) == 6

    after = see(network, photos, tmp_path)

    assert photos.snapshot.asked == list(photos.image_ids[6:])
    fresh = see(network, photos, tmp_path / "fresh")
    assert after.features.tobytes() == fresh.features.tobytes()
    assert torch.equal(after.activations, fresh.activations)
    assert after.features[: len(before.features)].tobytes() == before.features.tobytes()


def test_features_alone_are_enough_where_no_activations_are_asked_for(network, photos, tmp_path):
    assert see(network, photos, tmp_path, activations=False).activations is None
    photos.snapshot.asked.clear()

    see(network, photos, tmp_path, activations=False)
    assert photos.snapshot.asked == []
    see(network, photos, tmp_path, activations=True)
    assert photos.snapshot.asked == list(photos.image_ids)


def test_another_seed_changes_the_copies_alone(network, photos, tmp_path):
    first, other = (see(network, photos, tmp_path, seed=seed).features.reshape(-1, 4, 5) for seed in (1, 2))

    assert (first[:, :2] == other[:, :2]).all()
    assert (first[:, 2:] != other[:, 2:]).any()


@pytest.mark.parametrize("change", ["weights", "size", "mean"])
def test_features_of_another_network_or_preprocessing_are_never_taken(network, photos, tmp_path, change):
    see(network, photos, tmp_path)
    photos.snapshot.asked.clear()
    torch.manual_seed(1)
    trunk = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4), nn.ReLU())
    other = TransferNetwork([trunk, nn.Conv2d(6, 5, 3)], 1, 5, 3).eval() if change == "weights" else network
    changed = {"weights": {}, "size": {"size": 36}, "mean": {"mean": (0.4, 0.5, 0.61)}}[change]

    see(other, photos, tmp_path, spec=replace(SPEC, **changed))

    assert photos.snapshot.asked == list(photos.image_ids)


def test_equal_photos_are_seen_once_and_given_to_each_place(network, encoded, photos_in_memory, tmp_path):
    twice = photos_in_memory([encoded[0], encoded[1], encoded[0]], [0, 0, 0], ("onion",))

    seen = see(network, twice, tmp_path)

    assert len(twice.snapshot.asked) == 2
    assert (seen.features[:4] == seen.features[8:]).all()
    assert (seen.features[:4] != seen.features[4:8]).any()


def test_progress_counts_rows_to_the_end_also_of_those_that_are_known(network, photos, tmp_path):
    for _ in range(2):
        told = []
        see(network, photos, tmp_path, on_progress=lambda *numbers, told=told: told.append(numbers))
        assert told == [(4 * (place + 1), 36) for place in range(9)]


def test_a_photo_that_cannot_be_read_stops_the_work(network, encoded, photos_in_memory, tmp_path):
    damaged = photos_in_memory([encoded[0], b""], [0, 0], ("onion",))

    with pytest.raises(ValueError, match="empty"):
        see(network, damaged, tmp_path)


def test_a_damaged_backbone_file_is_exported_again(network, photos, tmp_path):
    seen = see(network, photos, tmp_path)
    (exported,) = tmp_path.glob("*.onnx")
    exported.write_bytes(b"no network")
    (tmp_path / exported.with_suffix(".sqlite").name).unlink()

    assert (see(network, photos, tmp_path).features == seen.features).all()


def test_what_is_seen_can_lie_in_files_and_then_memory_does_not_grow_with_the_photos(
    network, photos_in_memory, encode_png, tmp_path
):
    def peak(count):
        noise = np.random.default_rng(count)
        encoded = [encode_png(noise.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(count)]
        photos = photos_in_memory(encoded, [0] * count, ("onion",))
        backbone = FrozenBackbone(network, SPEC, CPU, tmp_path / "kept", workers=1)
        tracemalloc.start()
        try:
            seen = backbone.see(
                photos, ROWS, seed=1, on_progress=lambda _done, _total: None, activations=True, folder=tmp_path
            )
            return tracemalloc.get_traced_memory()[1], seen, photos
        finally:
            tracemalloc.stop()

    peak(10)
    few, _, _ = peak(60)
    many, seen, photos = peak(240)

    bytes_a_photo = (seen.features.nbytes + seen.activations.nbytes) / 240
    # The photos' names in lists and mappings, and no array of theirs.
    assert (many - few) / 180 < bytes_a_photo / 2
    in_memory = see(network, photos, tmp_path / "other")
    assert (seen.features == in_memory.features).all()
    assert torch.equal(seen.activations, in_memory.activations)
    assert len(list(tmp_path.glob("*.tensor"))) == 6


def test_a_disk_without_room_for_what_is_seen_is_one_sentence(network, photos, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    backbone = FrozenBackbone(network, SPEC, CPU, tmp_path, workers=1)
    with pytest.raises(UserError, match="the disk is full"):
        backbone.see(photos, ROWS, seed=1, on_progress=lambda _done, _total: None, folder=tmp_path)


def test_batches_of_a_gpu_hold_what_the_processor_sees_photo_by_photo(network, photos, encoded, tmp_path, monkeypatch):
    expected = see(network, photos, tmp_path / "processor")
    monkeypatch.setattr("quality_gate.data.batches.BATCH_PHOTOS", 4)
    monkeypatch.setattr(module, "CpuEmbedding", lambda network, _size, _path: BatchEmbedding(network, CPU))

    found = see(network, photos, tmp_path / "gpu")

    torch.testing.assert_close(found.activations, expected.activations, rtol=5e-3, atol=5e-3)
    np.testing.assert_allclose(found.features, expected.features, atol=5e-3)
