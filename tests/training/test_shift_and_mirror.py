import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quality_gate.training.shift_and_mirror import mirror_half, shift_and_mirror


def photos(count=64, edge=16, seed=0):
    return torch.rand(count, 3, edge, edge, generator=torch.Generator().manual_seed(seed))


def randomness(seed=1):
    return torch.Generator().manual_seed(seed)


def test_about_half_of_the_photos_are_mirrored_and_the_others_stay():
    given = photos(200)
    mirrored = mirror_half(given, randomness())
    stayed = (mirrored == given).flatten(1).all(dim=1)
    turned = (mirrored == given.flip(3)).flatten(1).all(dim=1)
    assert (stayed ^ turned).all()
    assert 70 < stayed.sum() < 130


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_the_middle_of_each_photo_is_found_again_not_farther_than_an_eighth_of_the_edge(seed):
    given_photos = photos(4, 16, seed)
    shifted = shift_and_mirror(given_photos, randomness(seed))
    for before, after in zip(given_photos, shifted, strict=True):
        middle = after[:, 2:14, 2:14]
        windows = [
            one[:, down : down + 12, right : right + 12]
            for one in (before, before.flip(2))
            for down in range(5)
            for right in range(5)
        ]
        assert any(torch.equal(middle, window) for window in windows)


def test_photos_are_shifted_each_in_its_own_way_and_an_equal_seed_gives_equal_photos():
    same = photos(1).expand(64, -1, -1, -1)
    first = shift_and_mirror(same, randomness(3))
    assert len({one.numpy().tobytes() for one in first}) > 20
    assert torch.equal(first, shift_and_mirror(same, randomness(3)))
    assert not torch.equal(first, shift_and_mirror(same, randomness(4)))


@pytest.mark.parametrize("edge", [8, 32, 33])
def test_the_shape_stays(edge):
    assert shift_and_mirror(photos(5, edge), randomness()).shape == (5, 3, edge, edge)
