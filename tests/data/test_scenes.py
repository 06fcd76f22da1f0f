from __future__ import annotations

import hashlib
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import loky
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops

from quality_gate.data.scenes import (
    LABELS,
    SHIFTS,
    Shift,
    contact_sheet,
    named_shift,
    render_scene,
    write_demo_photos,
)
from quality_gate.data.scenes.grounds import NEW_GROUNDS, USUAL_GROUNDS
from quality_gate.errors import UserError

SMALL = 64


def pixels(label: str, seed: int, shift: Shift | None = None, size: int = SMALL) -> NDArray[np.float64]:
    photo = render_scene(label, seed, size=size, shift=shift or Shift())
    return np.asarray(photo, dtype=np.float64)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.jpg")
    }


def fine_detail(picture: NDArray[np.float64]) -> float:
    grey = picture.mean(axis=2)
    return float(np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "photos"
    write_demo_photos(folder, train_per_class=3, test_per_class=1, size=SMALL, workers=1)
    return folder


@pytest.mark.parametrize("label", LABELS)
def test_the_same_arguments_give_the_same_pixels(label: str) -> None:
    assert np.array_equal(pixels(label, 3), pixels(label, 3))


@pytest.mark.parametrize("size", [16, 64, 100])
def test_a_photo_is_a_square_rgb_picture_of_the_size_asked_for(size: int) -> None:
    photo = render_scene("onion", 1, size=size)
    assert (photo.size, photo.mode) == ((size, size), "RGB")


def test_another_seed_or_another_label_gives_another_photo() -> None:
    photos = [pixels(label, seed) for label in LABELS for seed in (1, 2)]
    for first in range(len(photos)):
        for second in range(first):
            assert np.abs(photos[first] - photos[second]).mean() > 5


def test_labels_share_neither_ground_nor_light_under_one_seed() -> None:
    def share_alike(label: str, seed: int) -> float:
        return float((np.abs(pixels(label, seed) - pixels("noise", seed)).max(axis=2) < 8).mean())

    # Where ground and light are shared, what the goods leave free is alike: up to a sixth of the picture.
    assert max(share_alike(label, seed) for label in LABELS[1:] for seed in range(4)) < 0.06


def test_no_scene_paints_light_that_is_not_a_number() -> None:
    with np.errstate(invalid="raise", divide="raise"):
        for label in LABELS:
            for seed in range(12):
                assert pixels(label, seed).std() > 2


def test_every_label_gets_its_folders_and_its_photos(demo: Path) -> None:
    assert {path.name for path in demo.iterdir()} == {"train", "test"}
    assert sorted(digests(demo)) == sorted(
        f"{split}/{label}/{label}_{number:04d}.jpg"
        for split, count in (("train", 3), ("test", 1))
        for label in LABELS
        for number in range(1, count + 1)
    )


def test_the_number_written_is_returned_and_reported(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder, note = tmp_path / "d", lambda *step: seen.append(step)
    written = write_demo_photos(folder, train_per_class=1, test_per_class=1, size=SMALL, workers=1, on_progress=note)
    assert written == 8
    assert seen == [(done, 8) for done in range(1, 9)]


def test_asking_for_more_photos_leaves_the_first_ones_as_they_were(demo: Path, tmp_path: Path) -> None:
    write_demo_photos(tmp_path / "more", train_per_class=4, test_per_class=2, size=SMALL, workers=1)
    assert digests(demo).items() <= digests(tmp_path / "more").items()


def test_several_processes_write_what_one_writes(demo: Path, tmp_path: Path) -> None:
    write_demo_photos(tmp_path / "two", train_per_class=3, test_per_class=1, size=SMALL, workers=2)
    assert digests(tmp_path / "two") == digests(demo)


def test_no_two_photos_are_alike(demo: Path) -> None:
    found = list(digests(demo).values())
    assert len(set(found)) == len(found)


def test_another_seed_writes_other_photos(demo: Path, tmp_path: Path) -> None:
    write_demo_photos(tmp_path / "d", train_per_class=3, test_per_class=1, seed=8, size=SMALL, workers=1)
    assert not set(digests(tmp_path / "d").values()) & set(digests(demo).values())


def test_dark_multiplies_the_brightness_by_its_factor() -> None:
    for label in LABELS:
        plain, dark = pixels(label, 5).mean(), pixels(label, 5, SHIFTS["dark"]).mean()
        assert dark / plain == pytest.approx(0.4, abs=0.03)


def test_warm_raises_red_over_blue_and_cold_lowers_it() -> None:
    def red_over_blue(shift: Shift) -> float:
        picture = pixels("potato", 4, shift)
        return float(picture[..., 0].mean() / picture[..., 2].mean())

    assert red_over_blue(SHIFTS["warm"]) > 1.3 * red_over_blue(Shift())
    assert red_over_blue(Shift(warmth=-0.7)) < red_over_blue(Shift()) / 1.3


def test_blur_takes_the_fine_detail_away_and_keeps_the_brightness() -> None:
    for label in LABELS:
        plain, blurred = pixels(label, 5), pixels(label, 5, SHIFTS["blur"])
        assert fine_detail(blurred) < 0.4 * fine_detail(plain)
        assert blurred.mean() == pytest.approx(plain.mean(), rel=0.03)


def test_new_background_changes_the_ground_and_leaves_the_goods() -> None:
    changed = [np.abs(pixels("tomato", s) - pixels("tomato", s, SHIFTS["new_background"])) for s in range(6)]
    shares = [float((difference.mean(axis=2) > 20).mean()) for difference in changed]
    assert all(0.1 < share < 0.95 for share in shares)


def test_the_grounds_of_new_background_never_occur_otherwise() -> None:
    assert not set(NEW_GROUNDS) & set(USUAL_GROUNDS)


def test_a_shift_is_found_by_its_name() -> None:
    assert set(SHIFTS) == {"dark", "warm", "blur", "new_background"}
    assert named_shift("dark") == Shift(brightness=0.4)
    with pytest.raises(UserError, match="foggy"):
        named_shift("foggy")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_leaves_nothing(tmp_path: Path, workers: int) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo_photos(
            tmp_path / "d", train_per_class=2, test_per_class=1, size=SMALL, workers=workers, on_progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


def test_the_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    before: list[bool] = []
    write_demo_photos(
        folder,
        train_per_class=1,
        test_per_class=0,
        size=SMALL,
        workers=1,
        on_progress=lambda *_: before.append(folder.exists()),
    )
    assert before == [False] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_processes_that_die_are_reported_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead(loky.ProcessPoolExecutor):
        def map(self, *_args: Any, **_options: Any) -> Any:
            raise BrokenProcessPool("gone")

    monkeypatch.setattr(loky, "ProcessPoolExecutor", Dead)
    with pytest.raises(UserError, match="workers=1"):
        write_demo_photos(tmp_path / "d", train_per_class=1, test_per_class=1, size=SMALL, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_a_full_one_is_left_alone(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert write_demo_photos(empty, train_per_class=1, test_per_class=0, size=SMALL, workers=1) == 4
    before = digests(empty)
    with pytest.raises(UserError, match="already holds"):
        write_demo_photos(empty, train_per_class=1, test_per_class=0, size=SMALL, workers=1)
    assert digests(empty) == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        write_demo_photos(tmp_path / "file" / "d", train_per_class=1, test_per_class=0, size=SMALL, workers=1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"label": "carrot", "seed": 1}, "carrot"),
        ({"label": "onion", "seed": -1}, "-1"),
        ({"label": "onion", "seed": 1, "size": -5}, "-5"),
        ({"label": "onion", "seed": 1, "size": 4096}, "4096"),
    ],
)
def test_render_scene_names_the_wrong_value(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        render_scene(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("brightness", 0.0),
        ("brightness", -1.0),
        ("brightness", float("nan")),
        ("brightness", 4.1),
        ("warmth", 1.2),
        ("warmth", -1.2),
        ("blur", -0.5),
        ("blur", 33.0),
    ],
)
def test_a_shift_out_of_range_is_refused(knob: str, value: float) -> None:
    with pytest.raises(UserError, match=f"{knob} is {value}"):
        Shift(**{knob: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"train_per_class": -1},
        {"test_per_class": -2},
        {"train_per_class": 0, "test_per_class": 0},
        {"seed": -7},
        {"size": 0},
        {"workers": 0},
    ],
)
def test_write_demo_photos_refuses_wrong_values_before_it_writes(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong)) + " "):
        write_demo_photos(tmp_path / "d", **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_contact_sheet_has_a_row_a_class(demo: Path) -> None:
    sheet = contact_sheet(demo, columns=3, tile=32)
    wider = contact_sheet(demo, columns=6, tile=32)
    assert sheet.height == wider.height
    assert wider.width > 1.8 * sheet.width
    assert sheet.height > 4 * 32
    white = Image.new("RGB", wider.size, "white")
    box = ImageChops.difference(wider, white).getbbox()
    assert box is not None
    assert box[2] < wider.width * 0.6  # three photos a class: the right half stays empty
    assert box[3] > wider.height - 8  # the last class reaches the bottom


def test_the_contact_sheet_writes_the_class_name_over_different_photos(demo: Path) -> None:
    sheet = np.asarray(contact_sheet(demo, columns=3, tile=64).convert("L"), dtype=float)
    title = 12
    assert sheet[:title, :40].min() < 128
    first, second = sheet[title + 6 : title + 60, 4:62], sheet[title + 6 : title + 60, 70:128]
    assert np.abs(first - second).mean() > 5


def test_the_contact_sheet_takes_a_folder_of_classes_too(demo: Path) -> None:
    assert contact_sheet(demo / "train", tile=32).tobytes() == contact_sheet(demo, tile=32).tobytes()


def test_the_contact_sheet_names_what_is_wrong(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no class folders"):
        contact_sheet(tmp_path)
    with pytest.raises(UserError, match="columns is 0"):
        contact_sheet(demo, columns=0)
    with pytest.raises(UserError, match="tile 3"):
        contact_sheet(demo, tile=3)
