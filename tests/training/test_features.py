import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from quality_gate.models.zoo import TransferNetwork
from quality_gate.preprocess import PreprocessingSpec, preprocess
from quality_gate.training.features import pooled_features, read_views, trunk_activations

SPEC = PreprocessingSpec(32, "crop", (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photos(encode_png):
    rng = np.random.default_rng(0)
    coarse = [Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)) for _ in range(9)]
    return [encode_png(np.asarray(image.resize((50 + place, 40)))) for place, image in enumerate(coarse)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4), nn.ReLU())
    return TransferNetwork(trunk, nn.Conv2d(6, 5, 3), 5, 3).eval()


@pytest.mark.parametrize("resize", ["crop", "squash", "letterbox"])
@pytest.mark.parametrize("views", [0, 2])
def test_the_first_view_is_bit_for_bit_the_tensor_that_is_served(photos, resize, views):
    spec = PreprocessingSpec(32, resize, SPEC.mean, SPEC.std)

    for photo in photos:
        tensors = read_views(photo, spec, views, seed=3)
        assert (tensors.shape, tensors.dtype) == ((1 + views, 3, 32, 32), np.float32)
        assert tensors[0].tobytes() == preprocess(photo, spec).tobytes()


def test_views_differ_from_each_other_and_depend_on_the_seed_alone(photos):
    first, again, other = (read_views(photos[0], SPEC, 2, seed) for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first[1:] != other[1:]).any(axis=(1, 2, 3)).all()
    assert len({view.tobytes() for view in first}) == 3


def test_activations_are_the_same_whatever_the_number_of_workers(network, photos):
    def activations(workers):
        return trunk_activations(
            network,
            iter(photos),
            lambda place, photo: read_views(photo, SPEC, 1, place),
            CPU,
            workers=workers,
            on_progress=lambda _done: None,
        )

    alone, together = activations(1), activations(4)

    assert torch.equal(alone, together)
    assert alone.dtype == torch.float16


def test_activations_are_those_of_the_trunk_photo_by_photo_in_order(network, photos):
    progress = []

    rows = trunk_activations(
        network,
        photos,
        lambda place, photo: read_views(photo, SPEC, 1, place),
        CPU,
        workers=2,
        on_progress=progress.append,
    )

    assert len(rows) == 2 * len(photos)
    assert progress == list(range(2, 2 * len(photos) + 1, 2))
    for place, photo in enumerate(photos):
        with torch.inference_mode():
            expected = network.trunk(torch.from_numpy(read_views(photo, SPEC, 1, place)))
        torch.testing.assert_close(rows[2 * place : 2 * place + 2].float(), expected, rtol=2e-3, atol=2e-3)


def test_a_photo_that_cannot_be_read_stops_the_work(network, photos):
    with pytest.raises(ValueError, match="empty"):
        trunk_activations(
            network,
            [photos[0], b""],
            lambda _place, photo: read_views(photo, SPEC, 0, 0),
            CPU,
            workers=2,
            on_progress=lambda _done: None,
        )


def test_features_are_those_before_the_head_also_over_many_batches(network):
    activations = torch.randn(150, 6, 8, 8, generator=torch.Generator().manual_seed(0)).half()

    features = pooled_features(network, activations, CPU)

    assert (features.shape, features.dtype) == ((150, 5), np.float32)
    with torch.inference_mode():
        np.testing.assert_allclose(features, network.features(activations.float()).numpy(), atol=1e-5)
