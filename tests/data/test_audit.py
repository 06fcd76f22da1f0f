import io
import os
import signal
import threading
import time
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image, ImageFilter

from quality_gate.data import audit as audit_module
from quality_gate.data.audit import AuditedFile, audit
from quality_gate.data.image_facts import THUMBNAIL_EDGE, audit_bytes, measure
from quality_gate.data.image_table import build_table
from quality_gate.data.sources import PhotoFile, discover
from quality_gate.data.sources.local import LocalFile
from quality_gate.errors import UserError
from quality_gate.preprocess import UnreadableImage, decode


class Elsewhere:
    """A file that takes a while to read here, and that another process does something else with."""

    name, stamp, remote = "photo.png", "", False

    def __init__(self):
        self.here = os.getpid()

    def read(self):
        if os.getpid() != self.here:
            return self.read_elsewhere()
        time.sleep(0.02)
        return b"no photo"


class Deadly(Elsewhere):
    """It ends the process that reads it, as a lack of memory does."""

    def read_elsewhere(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Changing(Elsewhere):
    def read_elsewhere(self):
        raise UserError("photo.png changed")


class Other(Elsewhere):
    """What another process reads of it is a photo; what is read afterwards is another one."""

    def read_elsewhere(self):
        return encoded(Image.new("RGB", (8, 8)))


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def texture(edge: int) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)


def test_the_facts_of_a_plain_colour_are_those_of_the_colour():
    data = encoded(Image.new("RGB", (40, 20), (255, 0, 51)))
    facts = audit_bytes(data)
    assert (facts.width, facts.height, facts.aspect_ratio) == (40, 20, 2.0)
    assert (facts.mode, facts.format) == ("RGB", "PNG")
    assert facts.image_id == sha256(data).hexdigest()
    assert facts.file_size_kb == len(data) / 1024
    assert (facts.red_mean, facts.green_mean, facts.blue_mean) == (1.0, 0.0, 0.2)
    assert facts.brightness == pytest.approx(0.299 + 0.114 * 0.2, abs=1 / 255)
    assert facts.contrast == 0
    assert facts.sharpness == 0
    assert facts.phash == "0" * 16


def test_contrast_is_greatest_for_half_black_half_white():
    image = Image.new("L", (64, 64))
    image.paste(255, (0, 0, 32, 64))
    assert audit_bytes(encoded(image)).contrast == pytest.approx(0.5)


def test_sharpness_is_the_variance_of_the_laplacian():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30), dtype=np.uint8)
    p = pixels.astype(int)
    laplacian = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * p[1:-1, 1:-1]
    assert audit_bytes(encoded(Image.fromarray(pixels))).sharpness == pytest.approx(laplacian.var())


def test_blur_lowers_sharpness_and_resolution_hardly_changes_it():
    sharp, *others = (audit_bytes(encoded(texture(round(times * THUMBNAIL_EDGE)))) for times in (1, 1.4, 1.99, 4))
    blurred = audit_bytes(encoded(texture(THUMBNAIL_EDGE).filter(ImageFilter.GaussianBlur(2))))
    assert blurred.sharpness < sharp.sharpness / 10
    assert [other.sharpness for other in others] == pytest.approx([sharp.sharpness] * 3, rel=0.35)


def test_sizes_are_those_of_the_upright_photo():
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = audit_bytes(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif))
    assert (facts.width, facts.height) == (20, 40)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (3000, 1)])
def test_the_thinnest_photos_are_measured(size):
    facts = audit_bytes(encoded(Image.new("L", size, 128)))
    assert facts.sharpness == 0
    assert facts.brightness == pytest.approx(128 / 255)


def test_measuring_leaves_the_photo_as_it_was():
    data = encoded(texture(400))
    image = decode(data)
    before = image.tobytes()
    measure(image, data)
    assert image.size == (400, 400)
    assert image.tobytes() == before


@pytest.mark.parametrize("times", [1, 1.7, 2, 3.3, 4, 9])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_audit_which_decodes_small_and_serving_which_decodes_all_measure_alike(times, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    longest = round(times * THUMBNAIL_EDGE)
    # Light that changes from side to side, as it does in photos: of plain noise the hash is an accident.
    lit = Image.blend(texture(longest), Image.linear_gradient("L").resize((longest, longest)).convert("RGB"), 0.5)
    data = encoded(lit.crop((0, 0, longest, longest * 3 // 4)), "JPEG", quality=90, exif=exif)
    small, whole = audit_bytes(data), measure(decode(data), data)
    assert small[:7] == whole[:7]
    assert small[7:12] == pytest.approx(whole[7:12], abs=0.004)
    assert small.sharpness == pytest.approx(whole.sharpness, rel=0.05)
    assert (int(small.phash, 16) ^ int(whole.phash, 16)).bit_count() <= 2


@pytest.mark.parametrize("size", [(5000, 1), (3, 5000), (2559, 40), (161, 9), (2700, 400)])
def test_narrow_photos_are_measured_alike_however_they_are_decoded(size):
    lit = Image.linear_gradient("L").resize(size).convert("RGB")
    data = encoded(lit, "JPEG", quality=95)
    small, whole = audit_bytes(data), measure(decode(data), data)
    assert small[7:12] == pytest.approx(whole[7:12], abs=0.01)
    assert (small.brightness, *small[9:12]) == pytest.approx([np.asarray(lit).mean() / 255] * 4, abs=0.01)


def test_unusable_bytes_raise_their_reason():
    with pytest.raises(UnreadableImage, match="the file is empty"):
        audit_bytes(b"")


def test_every_file_is_a_row_and_unreadable_ones_keep_their_reason(write_photos, encode_photo):
    root = write_photos("train/a/1.png", "train/b/1.png", "test/a/1.png", "stray.png")
    (root / "train/a/cut.jpg").write_bytes(encode_photo(1, size=(200, 200), kind="JPEG")[:900])
    (root / "train/a/notes.txt").write_text("potatoes of Monday")
    (root / "train/b/empty.jpg").touch()
    table = build_table(one.row for one in audit(discover(root).files, workers=2)).set_index("path")
    reasons = table.loc[~table["is_readable"], "problem"].to_dict()
    assert reasons.pop("train/a/cut.jpg").startswith("damaged or truncated")
    assert reasons == {
        "stray.png": "lies outside any class folder; move it into one",
        "train/a/notes.txt": "not a photo in one of the formats JPEG, PNG, WEBP, BMP",
        "train/b/empty.jpg": "the file is empty",
    }
    assert table.loc["train/a/notes.txt", "image_id"] == ""
    assert np.isnan(table.loc["train/a/notes.txt", "width"])
    assert table.loc["test/a/1.png", ["label", "split", "group", "problem"]].tolist() == ["a", "test", "", ""]


def test_what_comes_of_the_files_does_not_depend_on_the_number_of_threads(write_photos):
    files = discover(write_photos(*(f"{label}/{number}.png" for label in "ab" for number in range(12)))).files
    assert list(audit(files, workers=1)) == list(audit(files, workers=4))


def test_the_bytes_come_with_what_was_found_and_know_whether_they_decided_it(write_photos):
    root = write_photos("a/1.png", "b/1.png")
    (root / "b/notes.txt").write_text("no photo")
    (root / "b/link.png").symlink_to("nowhere")
    audited = {one.file.path: (one.data, one.was_read) for one in audit(discover(root).files)}
    assert audited == {
        "a/1.png": ((root / "a/1.png").read_bytes(), True), "b/1.png": ((root / "b/1.png").read_bytes(), True),
        "b/link.png": (None, False), "b/notes.txt": (b"no photo", True),
    }  # fmt: skip


def test_what_is_known_is_taken_in_its_place_and_not_opened(write_photos):
    root = write_photos("a/1.png", "a/2.png", "b/1.png")
    files = discover(root).files
    first = list(audit(files))
    (root / "a/2.png").unlink()
    known = {first[1].file.path: replace(first[1], data=None)}
    again = list(audit(files, known=known))
    assert [one.row for one in again] == [one.row for one in first]
    assert [one.data is None for one in again] == [False, True, False]


def test_each_file_is_decoded_once(write_photos, monkeypatch):
    decoded = []
    monkeypatch.setattr(audit_module, "audit_bytes", lambda data: (decoded.append(data), audit_bytes(data))[1])
    list(audit(discover(write_photos("a/1.png", "a/2.png", "b/1.png")).files))
    assert len(decoded) == 3


@pytest.mark.parametrize("remote", [False, True])
def test_who_stops_asking_leaves_the_photos_that_are_still_queued(write_photos, monkeypatch, remote):
    files = discover(write_photos(*(f"{label}/{number}.png" for label in "ab" for number in range(250)))).files
    files = [replace(file, origin=replace(file.origin, remote=remote)) for file in files]
    decoded = []
    monkeypatch.setattr(audit_module, "audit_bytes", lambda data: (decoded.append(data), audit_bytes(data))[1])
    threads = threading.active_count()
    audited = audit(files, workers=2)
    next(audited)
    audited.close()
    assert len(decoded) < 500
    assert threading.active_count() == threads


@pytest.mark.parametrize("place", [(LocalFile, "read"), (audit_module, "audit_bytes")])
@pytest.mark.parametrize("remote", [False, True])
def test_an_error_leaves_no_thread_behind(write_photos, monkeypatch, remote, place):
    files = discover(write_photos(*(f"{label}/{number}.png" for label in "ab" for number in range(250)))).files
    files = [replace(file, origin=replace(file.origin, remote=remote)) for file in files]

    def fail(*_):
        raise UserError("the server stopped answering")

    monkeypatch.setattr(*place, fail)
    threads = threading.active_count()
    # The traceback keeps the audit's frames alive, so that only what they closed themselves is closed.
    with pytest.raises(UserError) as caught:
        list(audit(files, workers=2))
    assert caught.tb is not None
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("origin", "sentence"),
    [
        (Deadly(), r"was killed, .* set data\.processes: 1"),
        (Changing(), "^photo.png changed$"),
        (Other(), r"^a/\d+\.png changed while it was being ingested; leave the folder alone and start again\.$"),
    ],
)
def test_what_ends_one_process_of_the_audit_ends_it_in_one_sentence(origin, sentence, monkeypatch):
    monkeypatch.setattr(audit_module, "FILES_OF_A_PROCESS", 1)
    files = [PhotoFile(f"a/{number}.png", "a", "", "", origin) for number in range(1000)]

    with pytest.raises(UserError, match=sentence):
        list(audit(files, processes=2))


@pytest.mark.parametrize("remote", [False, True])
def test_several_processes_find_what_one_finds(write_photos, monkeypatch, remote):
    monkeypatch.setattr(audit_module, "FILES_OF_A_PROCESS", 2)
    monkeypatch.setattr(audit_module, "REMOTE_READERS", 2)
    root = write_photos(*(f"{label}/{number}.png" for label in "ab" for number in range(30)))
    (root / "a/notes.png").write_text("no photo")
    (root / "b/link.png").symlink_to("nowhere")
    files = discover(root).files
    files = [replace(file, origin=file.origin and replace(file.origin, remote=remote)) for file in files]
    alone = list(audit(files, processes=1))
    here = []

    def slowly(data):
        here.append(data)
        time.sleep(0.2)
        return audit_bytes(data)

    monkeypatch.setattr(audit_module, "audit_bytes", slowly)
    assert list(audit(files, processes=2)) == alone
    assert len(here) < 60


@pytest.mark.parametrize(
    ("files", "threads", "remote", "processes"),
    [(1499, 2, False, 1), (1500, 2, False, 2), (100_000, 2, False, 2), (100_000, 64, False, 8), (100_000, 8, True, 1)],
)
def test_as_many_processes_audit_as_it_pays_to_start(files, threads, remote, processes, monkeypatch):
    def note(files, threads, processes=1):
        noted.append(processes)
        return (AuditedFile(file, None, "", None, was_read=False) for file in files)

    noted = []
    monkeypatch.setattr(audit_module, "_read_in_processes", note)
    monkeypatch.setattr(audit_module, "_read_in_threads", note)
    origin = LocalFile("/photos", "a/1.png", "", remote)
    assert len(list(audit([PhotoFile("a/1.png", "a", "", "", origin)] * files, workers=threads))) == files
    assert noted == [processes]


def test_few_files_are_audited_in_this_process(write_photos, monkeypatch):
    monkeypatch.setattr(audit_module, "_read_in_processes", pytest.fail)

    assert len(list(audit(discover(write_photos("a/1.png", "b/1.png")).files, processes=8))) == 2
