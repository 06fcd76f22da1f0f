"""The pages show every file that matters, escape its name and need nothing but themselves."""

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pandas as pd
import pytest
from PIL import Image

from quality_gate.data.image_table import build_table
from quality_gate.data.validation import Check, Severity, ValidationResult
from quality_gate.preprocess import UnreadableImage
from quality_gate.reports.data_pages import SHOWN_COPIES, data_page, validation_page

SCRIPT = "<script>alert('1')</script>"
VOID = {"meta", "br", "img", "line", "rect"}


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
    table: pd.DataFrame, thumbnails: dict[str, bytes] | None = None, reasons: dict[str, str] | None = None
) -> str:
    return data_page(
        table, name="line_3", digest="d1ge57", source="photos/line", thumbnails=thumbnails, reasons=reasons
    )


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


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 30, 30)).save(buffer, format="JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda: page_of(table_of(lost("train/ok/c.jpg", "damaged")), {"train/ok/a.jpg": jpeg()}),
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
    page = data_page(table, name=SCRIPT, digest=SCRIPT, source=SCRIPT, thumbnails={f"train/ok/{SCRIPT}1.jpg": jpeg()})
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
    assert "By split" not in words


def test_classes_are_counted_by_split() -> None:
    words = Page(page_of(table_of(row("train/ok/c.jpg"), lost("train/ok/d.jpg", "damaged")))).words
    assert "class photos train test all share" in words
    assert "ok 3 2 5 55.6%" in words
    assert "scratch 2 2 4 44.4%" in words


def test_splits_come_in_the_order_of_training() -> None:
    rows = [row(f"{split}/ok/z.jpg") for split in ("calibration", "validation")]
    assert "class photos train validation calibration test all share" in Page(page_of(table_of(*rows))).words


def test_a_class_of_unreadable_files_is_shown_with_none() -> None:
    words = Page(page_of(table_of(lost("train/dent/a.jpg", "damaged")))).words
    assert "dent 0 0 0 0.0%" in words
    assert "rarest class 0" in words


def test_copies_are_grouped_and_counted() -> None:
    rows = [row(f"train/ok/copy{n}.jpg", image_id="7" * 64) for n in range(3)]
    words = Page(page_of(table_of(*rows))).words
    assert "groups of exact copies 1 2 files too many" in words
    assert "train/ok/copy0.jpg train/ok/copy1.jpg train/ok/copy2.jpg" in words


def test_of_very_many_copies_the_first_are_listed_and_all_counted() -> None:
    rows = [row(f"train/ok/{n:03}{side}.jpg", image_id=f"{n:064}") for n in range(SHOWN_COPIES + 1) for side in "ab"]
    words = Page(page_of(table_of(*rows))).words
    assert f"groups of exact copies {SHOWN_COPIES + 1}" in words
    assert "train/ok/099a.jpg" in words
    assert "train/ok/100a.jpg" not in words


def test_boxes_stand_where_the_quantiles_are() -> None:
    dark = [row(f"train/dark/{n}.jpg", brightness=value) for n, value in enumerate((0.0, 0.1, 0.2, 0.3, 0.4))]
    page = page_of(table_of(*dark))
    box = re.search(
        r'aria-label="median 0\.20">\s*<line x1="([\d.]+)" x2="([\d.]+)".*?<rect x="([\d.]+)" width="([\d.]+)"',
        page,
        re.S,
    )
    assert box is not None
    assert [float(value) for value in box.groups()] == [2.0, 38.0, 10.0, 20.0]


def test_rare_sizes_are_added_up() -> None:
    rows = [row(f"train/ok/size{n}.jpg", width=100 + n) for n in range(8)]
    words = Page(page_of(table_of(*rows))).words
    assert "640 × 480 8 50.0%" in words
    assert "3 others 3 18.8%" in words


def test_samples_are_shown_by_class_under_their_names() -> None:
    page = page_of(table_of(), {"train/ok/a.jpg": jpeg(), "test/scratch/b.jpg": jpeg(), "gone.jpg": b""})
    assert page.count("data:image/jpeg;base64,") == 2
    assert "Samples ok a.jpg scratch b.jpg" in Page(page).words


def test_a_sample_that_is_no_photo_is_an_error() -> None:
    with pytest.raises(UnreadableImage):
        page_of(table_of(), {"train/ok/a.jpg": b"no photo"})


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
