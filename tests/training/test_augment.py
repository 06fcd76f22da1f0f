import numpy as np
import pytest
from PIL import Image

from quality_gate.training.augment import augment

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((48, 32))


def test_equal_randomness_gives_equal_photos_and_other_randomness_others():
    first, again, other = (np.asarray(augment(PHOTO, np.random.default_rng(seed))) for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("seed", range(10))
def test_a_copy_keeps_size_and_mode_changes_pixels_and_leaves_the_photo_as_it_is(seed):
    before = PHOTO.tobytes()

    changed = augment(PHOTO, np.random.default_rng(seed))

    assert (changed.size, changed.mode) == (PHOTO.size, "RGB")
    assert changed.tobytes() != before
    assert PHOTO.tobytes() == before


def test_copies_of_one_photo_differ_from_each_other():
    rng = np.random.default_rng(0)

    assert len({augment(PHOTO, rng).tobytes() for _ in range(20)}) == 20


def test_about_half_of_the_copies_are_mirrored():
    halves = Image.new("RGB", (40, 40), "black")
    halves.paste("white", (20, 0, 40, 40))
    rng = np.random.default_rng(0)

    copies = [np.asarray(augment(halves, rng))[10:30].mean(axis=(0, 2)) for _ in range(200)]

    mirrored = sum(columns[:15].mean() > columns[25:].mean() for columns in copies)
    assert 70 <= mirrored <= 130


def test_the_light_changes_by_at_most_a_fifth_and_grey_stays_grey():
    grey = Image.new("RGB", (40, 40), (120, 120, 120))
    rng = np.random.default_rng(0)

    centres = np.array([np.asarray(augment(grey, rng))[20, 20] for _ in range(200)], dtype=float)

    # Contrast moves the colours towards or away from the mean, into which the black corners of the tilt count.
    assert centres.min() >= 120 * 0.8 * 0.9
    assert centres.max() <= 120 * 1.2 * 1.1
    assert centres.min() < 105
    assert centres.max() > 135
    assert np.ptp(centres, axis=1).max() <= 1


def test_copies_are_tilted_by_up_to_15_degrees_either_way():
    bar = Image.new("RGB", (81, 81), "black")
    bar.paste("white", (10, 38, 71, 43))
    rng = np.random.default_rng(0)

    tilts = []
    for _ in range(200):
        rows, columns = np.nonzero(np.asarray(augment(bar, rng)).mean(axis=2) > 60)
        tilts.append(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0])))

    assert -16 < min(tilts) < -13
    assert 13 < max(tilts) < 16
