"""The pages show every file that matters, escape its name and need nothing but themselves."""

import io
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from quality_gate.data.image_table import build_table
from quality_gate.data.validation import Check, Severity, ValidationResult
from quality_gate.preprocess import UnreadableImage
from quality_gate.reports.data_pages import (
    LISTED_FILES_OF_A_GROUP,
    LISTED_GROUPS,
    LISTED_LEFT_OUT,
    data_page,
    validation_page,
)

SCRIPT = "<script>alert('1')</script>"
VOID = {"meta", "br", "img", "path", "rect", "circle"}


def row(path: str, /, **values: object) -> dict[str, object]:
    split, label, _ = path.split("/")
    measured = {
        "image_id": path.encode().hex().rjust(64, "0"),
        "width": 640,
        "height": 480,
        "mode": "RGB",
        "format": "JPEG",
        "file_size_kb": 50,
        "aspect_ratio": 4 / 3,
        "brightness": 0.5,
        "contrast": 0.25,
        "red_mean": 0.5,
        "green_mean": 0.5,
        "blue_mean": 0.5,
        "sharpness": 300,
        "is_readable": True,
    }
    return {"path": path, "label": label, "split": split, **measured, **values}


def lost(path: str, problem: str) -> dict[str, object]:
    split, label, _ = path.split("/")
    return {"path": path, "label": label, "split": split, "problem": problem}


def table_of(*rows: dict[str, object]) -> pd.DataFrame:
    usual = [
        row(f"{split}/{label}/{n}.jpg") for split in ("train", "test") for label in ("ok", "scratch") for n in "ab"
    ]
    return build_table([*usual, *rows])


def page_of(
    table: pd.DataFrame,
    photos: Callable[[Sequence[str]], Iterator[bytes]] | None = None,
    reasons: dict[str, str] | None = None,
) -> str:
    return data_page(table, name="line_3", digest="d1ge57", source="photos/line", photos=photos, reasons=reasons)


def check(name: str, severity: Severity, passed: bool, examples: tuple[str, ...] = (), unexpected: int = 0) -> Check:
    return Check(
        name, "label", severity, passed, f"found {name}", f"wanted {name}", unexpected, examples, f"why {name}"
    )


def result_of(*checks: Check) -> ValidationResult:
    return ValidationResult("image_table", 16, (check("fine", "error", True), *checks))


class Page(HTMLParser):
    """Text by tag, attributes, and whether every element is closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.text.append(" ".join(data.split()))

    @property
    def words(self) -> str:
        return " ".join(self.text)


def jpegs(image_ids: Sequence[str]) -> Iterator[bytes]:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 30, 30)).save(buffer, format="JPEG")
    return (buffer.getvalue() for _ in image_ids)


@pytest.mark.parametrize(
    "make",
    [
        lambda: page_of(
            table_of(
                lost("train/ok/c.jpg", "damaged"),
                *(row(f"train/ok/z{n}.jpg", image_id="7" * 64) for n in range(9)),
                *(row(f"train/ok/y{n}.jpg", brightness=0.1 * (n == 0)) for n in range(9)),
            ),
            jpegs,
        ),
        lambda: validation_page(result_of(check("broken", "error", False, ("a.jpg",), 1)), name="line_3"),
    ],
    ids=["data", "validation"],
)
def test_a_page_is_whole_and_needs_no_script_and_no_other_file(make: Callable[[], str]) -> None:
    page = make()
    parsed = Page(page)
    assert not parsed.tags & {"script", "link", "iframe", "object", "form"}
    assert all(source.startswith("data:image/") for source in parsed.sources)
    assert "url(" not in page
    assert "@import" not in page
    assert "line_3" in parsed.words


def test_names_of_files_classes_and_sources_are_escaped_on_the_data_page() -> None:
    table = table_of(
        row("train/ok/c.jpg", path=f"train/ok/{SCRIPT}1.jpg", image_id="1" * 64),
        row("train/ok/d.jpg", path=f"train/ok/{SCRIPT}2.jpg", image_id="1" * 64, label=SCRIPT),
        row("train/ok/e.jpg", mode=SCRIPT, format=SCRIPT),
        {"path": f"train/ok/{SCRIPT}3.jpg", "label": SCRIPT, "split": "train", "problem": SCRIPT},
    )
    page = data_page(table, name=SCRIPT, digest=SCRIPT, source=SCRIPT, photos=jpegs)
    assert "<script" not in page
    assert Page(page).words.count(SCRIPT) >= 10


def test_names_of_files_and_values_are_escaped_on_the_validation_page() -> None:
    failed = Check(SCRIPT, SCRIPT, "error", False, SCRIPT, SCRIPT, 1, (SCRIPT,), SCRIPT)
    page = validation_page(ValidationResult(SCRIPT, 1, (failed,)), name=SCRIPT)
    assert "<script" not in page
    assert Page(page).words.count(SCRIPT) >= 10


def test_every_file_left_out_stands_there_with_its_reason() -> None:
    files = [lost(f"train/ok/lost{n:03}.jpg", f"reason {n:03}") for n in range(150)]
    words = Page(page_of(table_of(*files))).words
    assert "usable photos 8 of 158 files" in words
    for n in range(150):
        assert f"train/ok/lost{n:03}.jpg ok reason {n:03}" in words


def test_what_the_split_took_out_is_left_out_too() -> None:
    reasons = {"/ok/leak.jpg": "leak: near-duplicate of a test photo"}
    words = Page(page_of(table_of(row("/ok/leak.jpg", split="")), reasons=reasons)).words
    assert "/ok/leak.jpg ok leak: near-duplicate of a test photo" in words


def test_without_a_split_all_photos_are_used() -> None:
    words = Page(page_of(table_of().assign(split=""))).words
    assert "No file: all 8 are used." in words
    assert "left out 0" in words
    assert "Training against test" not in words


def test_classes_are_counted_by_split() -> None:
    words = Page(page_of(table_of(row("train/ok/c.jpg"), lost("train/ok/d.jpg", "damaged")))).words
    assert "class photos train test in use share" in words
    assert "ok 3 2 5 55.6%" in words
    assert "scratch 2 2 4 44.4%" in words


def test_splits_come_in_the_order_of_training() -> None:
    rows = [row(f"{split}/ok/z.jpg") for split in ("calibration", "validation")]
    assert "class photos train validation calibration test in use share" in Page(page_of(table_of(*rows))).words


def test_a_class_of_unreadable_files_is_shown_with_none() -> None:
    words = Page(page_of(table_of(lost("train/dent/a.jpg", "damaged")))).words
    assert "dent 0 0 0 0.0%" in words
    assert "rarest class 0" in words


@pytest.mark.parametrize(
    "only",
    [
        lost("train/ok/a.jpg", "damaged"),
        row("train/ok/a.jpg"),
        row(
            "train/ok/a.jpg",
            width=1,
            height=1,
            aspect_ratio=1,
            file_size_kb=0.01,
            sharpness=0,
            brightness=0,
            contrast=0,
        ),
    ],
    ids=["unreadable", "usual", "black"],
)
def test_a_single_file_has_a_page_too(only: dict[str, object]) -> None:
    words = Page(page_of(build_table([only]), jpegs)).words
    assert "of 1 files" in words
    assert "nan" not in words


def test_copies_are_grouped_and_counted() -> None:
    rows = [row(f"train/ok/copy{n}.jpg", image_id="7" * 64) for n in range(3)]
    words = Page(page_of(table_of(*rows))).words
    assert "groups of exact copies 1 3 files" in words
    assert "2 files repeat another byte for byte." in words
    assert "train/ok/copy0.jpg train/ok/copy1.jpg train/ok/copy2.jpg" in words


def test_of_very_many_copies_the_first_are_listed_and_all_counted() -> None:
    many = [
        row(f"train/ok/{n:03}{side}.jpg", image_id=f"{n:064}") for n in range(1, LISTED_GROUPS + 1) for side in "ab"
    ]
    large = [row(f"train/ok/z{n:03}.jpg", image_id="9" * 64) for n in range(LISTED_FILES_OF_A_GROUP + 3)]
    words = Page(page_of(table_of(*many, *large))).words
    assert f"groups of exact copies {LISTED_GROUPS + 1}" in words
    assert f"train/ok/z{LISTED_FILES_OF_A_GROUP - 1:03}.jpg and 3 more train/ok/001a.jpg" in words
    assert "train/ok/099a.jpg" in words
    assert "train/ok/100a.jpg" not in words


def test_near_duplicates_are_shown_after_the_split_alone() -> None:
    alike = [row(f"{split}/ok/near.jpg", group="7" * 16) for split in ("train", "test")]
    words = Page(page_of(table_of(*alike))).words
    assert "Copies and near-duplicates From training into test 1 group, 2 files" in words
    assert "1 group of near-duplicates reaches from training into test" in words
    before = Page(page_of(table_of(*alike).assign(group=""))).words
    assert "None: no two usable files have the same bytes." in before
    assert "Near-duplicates are looked for by the split" in before


def test_a_photo_unlike_its_class_is_shown_with_the_reason() -> None:
    rows = [row(f"train/ok/{n}.jpg", brightness=0.05 if n == 7 else 0.5) for n in range(20)]
    page = page_of(table_of(*rows), jpegs)
    assert "unlike their class 1 photos" in Page(page).words
    assert "ok darker: 0.05 , class 0.50 (22.5) train/ok/7.jpg" in Page(page).words
    assert 'alt="ok: train/ok/7.jpg"' in page


def test_warnings_are_read_first() -> None:
    words = Page(page_of(table_of(*(row(f"train/ok/{n}.jpg") for n in range(30)), lost("train/ok/x.jpg", "?")))).words
    start = words.index("What stands out")
    order = [words.index(text, start) for text in ("are imbalanced", "is left out", "No photo is far")]
    assert order == sorted(order)


def test_a_list_of_many_files_left_out_ends_and_says_so() -> None:
    files = [lost(f"train/ok/{n:05}.jpg", "damaged") for n in range(LISTED_LEFT_OUT + 1)]
    words = Page(page_of(table_of(*files))).words
    assert "The first 5,000 of 5,001; the table of the split has them all." in words
    assert "04999.jpg" in words
    assert "05000.jpg" not in words


@pytest.mark.slow
def test_fifty_thousand_photos_of_a_hundred_classes_make_less_than_six_megabytes() -> None:
    random = np.random.default_rng(0)
    rows = [
        row(f"{'test' if n % 5 == 0 else 'train'}/class {n % 100:03}/{n:05}.jpg", image_id=f"{n - n % 50 % 3:064}")
        for n in range(50_000)
    ]
    names = ["brightness", "contrast", "sharpness", "width", "height", "file_size_kb"]
    table = table_of(*rows)
    table[names] = random.lognormal(0, 0.6, (len(table), len(names))) * [0.3, 0.1, 300, 900, 700, 200]
    table.loc[table.index % 7 == 0, "is_readable"] = False
    noise = Image.fromarray(random.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, format="PNG")
    page = page_of(table, lambda image_ids: (buffer.getvalue() for _ in image_ids))
    assert len(page.encode()) < 6_000_000


def test_rare_sizes_are_added_up() -> None:
    rows = [row(f"train/ok/size{n}.jpg", width=100 + n) for n in range(8)]
    words = Page(page_of(table_of(*rows))).words
    assert "640 × 480 8 50.0%" in words
    assert "3 others 3 18.8%" in words


def test_samples_are_shown_by_class_under_their_names() -> None:
    page = page_of(table_of(), jpegs)
    assert page.count("data:image/jpeg;base64,") == 8
    assert "Samples ok a.jpg b.jpg a.jpg b.jpg scratch a.jpg" in Page(page).words
    assert 'alt="ok: test/ok/a.jpg"' in page


def test_a_sample_that_is_no_photo_is_an_error() -> None:
    with pytest.raises(UnreadableImage):
        page_of(table_of(), lambda image_ids: (b"no photo" for _ in image_ids))


def test_failed_checks_come_first_with_meaning_and_files() -> None:
    words = Page(
        validation_page(
            result_of(
                check("noted", "info", False),
                check("poor", "warning", False, ("w.jpg",), 1),
                check("broken", "error", False, ("a.jpg", "b.jpg"), 9),
            ),
            name="line_3",
        )
    ).words
    assert "Not fit to train on: 1 of 4 checks failed." in words
    assert words.index("why broken") < words.index("why poor") < words.index("why noted") < words.index("All checks")
    assert "expected wanted broken found found broken a.jpg b.jpg and 7 more" in words


def test_warnings_alone_do_not_say_that_the_run_stopped() -> None:
    words = Page(validation_page(result_of(check("poor", "warning", False, ("w.jpg",), 1)), name="line_3")).words
    assert "Fit to train on, with 1 warning." in words
    assert "stopped here" not in words


def test_a_clean_result_says_so_and_lists_every_check() -> None:
    words = Page(validation_page(result_of(check("good", "warning", True)), name="line_3")).words
    assert "Fit to train on: no errors, no warnings." in words
    assert "wanted good found good" in words
    assert "Passed, with exceptions" not in words


def test_exceptions_within_what_is_tolerated_are_named() -> None:
    page = validation_page(result_of(check("dark", "warning", True, ("night.jpg",), 1)), name="line_3")
    assert "Passed, with exceptions" in Page(page).words
    assert "night.jpg" in Page(page).words
