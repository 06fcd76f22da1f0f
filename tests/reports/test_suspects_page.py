"""The page names every suspect that matters, says what to do, and escapes what comes from files."""

import csv
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from quality_gate.reports.suspects_page import (
    SHOWN_CONFLICTS,
    SHOWN_HELD_OUT,
    SHOWN_LEARNING,
    SHOWN_TWINS,
    shown_photos,
    suspects_csv,
    suspects_page,
)
from quality_gate.training.suspects import Suspects

CLASSES = ("onion", "potato", "tomato")
SCRIPT = "<script>alert('1')</script>"


def jpeg():
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 30, 30)).save(buffer, format="JPEG")
    return buffer.getvalue()


def found(learning=3, held_out=1, *, classes=CLASSES, conflicts=(), errors=2.5):
    """Suspects labelled with the first class that look like the second."""
    places = [*range(1, learning + 1), *[0] * held_out]
    table = pd.DataFrame(
        {
            "place": places,
            "path": [f"{'train' if place else 'test'}/{classes[0]}/{row:03}.jpg" for row, place in enumerate(places)],
            "label": classes[0],
            "looks_like": classes[1],
            "label_probability": [0.031 + row / 1000 for row in range(len(places))],
            "looks_like_probability": 0.9512,
            "split": ["train" if place else "test" for place in places],
            "twin_labels": [classes[2] if place == 2 else "" for place in places],
        }
    )
    joint = np.diag([40.0, 30, 30])
    joint[0, 1] = errors
    return Suspects(table, joint, classes, (100, 60), 0.934, conflicts)


def page_of(suspects, exclude=0):
    return suspects_page(
        suspects, name="line_3", exclude=exclude, thumbnails=dict.fromkeys(shown_photos(suspects), jpeg())
    )


class Text(HTMLParser):
    """The words of a page, its tags and what it refers to."""

    def __init__(self, page):
        super().__init__()
        self.parts, self.tags, self.sources, self.in_style = [], set(), [], False
        self.feed(page)
        self.words = " ".join(" ".join(self.parts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.in_style = tag == "style"
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        self.in_style = False

    def handle_data(self, data):
        if not self.in_style:
            self.parts.append(data)


def words(*arguments, **options):
    return Text(page_of(*arguments, **options)).words


def test_a_page_needs_no_script_and_no_other_file():
    page = page_of(found())
    parsed = Text(page)
    assert not parsed.tags & {"script", "link", "iframe", "object", "form"}
    assert len(parsed.sources) == 4
    assert all(source.startswith("data:image/jpeg") for source in parsed.sources)
    assert "url(" not in page


def test_each_suspect_has_its_place_label_likeness_probabilities_split_and_path():
    assert "1. onion → potato? onion 0.03 potato 0.95 train train/onion/000.jpg" in words(found())
    assert " onion → potato? onion 0.03 potato 0.95 test test/onion/003.jpg" in words(found())


def test_the_headline_counts_what_is_learnt_from():
    assert "3 of 100 labels in train and validation look wrong." in words(found())
    assert "1 of 100 labels in train and validation looks wrong." in words(found(1))
    assert "No label in train and validation looks wrong; see below what does elsewhere." in words(found(0))
    assert "No label looks wrong." in words(found(0, 0, errors=0))


def test_the_totals_of_each_pair_of_classes_are_in_a_row():
    row = re.search(r"<tr><td[^>]*>onion → potato</td>.*?</tr>", page_of(found()), re.DOTALL)[0]
    assert re.findall(r'number">([^<]*)<', row) == ["2.5", "3", "1"]
    assert "2.5%" in words(found())
    assert "93.4%" in words(found())


def test_what_is_left_out_is_marked_and_counted():
    page = words(found(), exclude=2)
    assert page.count("! left out train") + page.count("! left out ✕") == 2
    assert "left out of this run 2 asked for: 2" in page
    assert "all of them are left out" not in page


def test_asking_for_more_than_there_are_is_said():
    page = words(found(), exclude=500)
    sentence = (
        "data.exclude_suspects is 500, and there are 3 suspects in train and validation: all of them are left out."
    )
    assert sentence in page
    assert "left out of this run 3" in page


def test_the_page_says_how_to_correct_and_how_to_exclude():
    page = words(found())
    assert "suspects.csv beside this page lists all of them" in page
    assert "data.exclude_suspects: 3 in the run configuration" in page
    assert "the certificate and the test must see photos as they come" in page


def test_near_duplicates_that_contradict_each_other_come_before_all_suspects():
    page = words(found(conflicts=((("train/onion/a.jpg", "onion"), ("train/potato/b.jpg", "potato")),)))
    assert page.index("Near-duplicates that contradict each other") < page.index("1. onion → potato?")
    assert "1 group shows the same thing under several labels" in page
    assert "onion train/onion/a.jpg potato train/potato/b.jpg" in page
    assert "✕ twin labelled tomato" in page


def test_a_page_of_many_shows_the_first_and_says_so():
    conflicts = tuple(
        tuple((f"{group:02}/{twin}.jpg", CLASSES[twin % 2]) for twin in range(SHOWN_TWINS + 3 if group == 0 else 2))
        for group in range(SHOWN_CONFLICTS + 5)
    )
    suspects = found(SHOWN_LEARNING + 40, SHOWN_HELD_OUT + 1, conflicts=conflicts)
    assert len(shown_photos(suspects)) == SHOWN_LEARNING + SHOWN_HELD_OUT + 2 * SHOWN_CONFLICTS + SHOWN_TWINS - 2
    page = words(suspects)
    assert "The first 60 of 100, in the order" in page
    assert "The first 24 of 25." in page
    assert "17 groups show the same thing under several labels" in page
    assert "and 3 more" in page
    assert f"{SHOWN_LEARNING}. onion" in page
    assert f"{SHOWN_LEARNING + 1}. onion" not in page


def test_names_of_files_and_classes_are_escaped():
    page = page_of(found(classes=(SCRIPT, "b", f"{SCRIPT}2"), conflicts=(((SCRIPT, SCRIPT), ("b", "b")),)))
    assert "<script" not in page
    assert Text(page).words.count(SCRIPT) >= 5


def test_the_file_beside_the_page_lists_every_suspect():
    rows = list(csv.DictReader(io.StringIO(suspects_csv(found(SHOWN_LEARNING + 10)))))
    assert len(rows) == SHOWN_LEARNING + 11
    assert rows[1] == {
        "place": "2", "path": "train/onion/001.jpg", "label": "onion", "looks_like": "potato",
        "label_probability": "0.032", "looks_like_probability": "0.9512", "split": "train", "twin_labels": "tomato",
    }  # fmt: skip


def test_a_photo_is_shown_once_for_all_its_places():
    suspects = found(conflicts=((("train/onion/000.jpg", "onion"), ("b.jpg", "potato")),))
    assert shown_photos(suspects).count("train/onion/000.jpg") == 1
    assert len(shown_photos(suspects)) == 5


@pytest.mark.parametrize("learning", [0, 1, 5])
def test_a_page_without_suspects_on_one_side_leaves_its_section_out(learning):
    page = words(found(learning, 0))
    assert ("In train and validation" in page) == bool(learning)
    assert "In calibration and test" not in page
