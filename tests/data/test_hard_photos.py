"""A folder of everything that has been called a photo, and what the audit must say of each: never a crash or a hang."""

import io
import os
import socket
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from quality_gate.data.audit import audit
from quality_gate.data.image_table import build_table
from quality_gate.data.sources import discover
from quality_gate.preprocess import UnreadableImage, decode

WIDTH, HEIGHT = 24, 16
ORIENTATION, MAKER = 0x0112, 0x010F
NO_PHOTO = "not a photo in one of the formats JPEG, PNG, WEBP, BMP"
TOO_DEEP = "more than 8 bits a channel"
DAMAGED = "damaged or truncated"
HEADER = "the header cannot be read"


@dataclass(frozen=True)
class Accepted:
    """A photo that must be taken: its upright pixels, and how far decoded ones may be off."""

    pixels: NDArray[np.uint8]
    tolerance: int = 0
    mode: str = "RGB"
    format: str = "PNG"


@dataclass(frozen=True)
class Hard:
    """The bytes of a file, its name, and the verdict: pixels, or how the reason begins."""

    name: str
    data: bytes
    verdict: Accepted | str


def smooth(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A gradient that no turn or mirror maps onto itself, and that JPEG hardly changes."""
    x, y = np.meshgrid(np.linspace(20, 220, width), np.linspace(10, 120, height))
    return np.stack([x, y, 240 - x / 2 - y], axis=-1).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(pixels: NDArray[np.uint8], **options: object) -> bytes:
    return encode(Image.fromarray(pixels), "JPEG", **{"quality": 98, "subsampling": 0} | options)


def png(pixels: NDArray[np.uint8], **options: object) -> bytes:
    return encode(Image.fromarray(pixels), "PNG", **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, depth: int, colour: int, *chunks: bytes) -> bytes:
    """A PNG of any header, also of such as Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def deep_png(channels: int, colour: int) -> bytes:
    rows = b"\0" + struct.pack(">H", 40_000) * channels * 8
    return raw_png(8, 8, 16, colour, chunk(b"IDAT", zlib.compress(rows * 8)))


def over_white(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    share = alpha[..., None] / 255
    return np.round(pixels * share + 255 * (1 - share)).astype(np.uint8)


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


def without_segment(photo: bytes, marker: bytes) -> bytes:
    start = photo.index(marker)
    return photo[:start] + photo[start + 2 + int.from_bytes(photo[start + 2 : start + 4], "big") :]


def upright_and_stored() -> list[Hard]:
    """A picture as a camera stores it that is held in each of the eight ways (EXIF 2.3, tag 274)."""
    upright = smooth()
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }  # fmt: skip
    found = []
    for orientation, pixels in stored.items():
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        data = jpeg(np.ascontiguousarray(pixels), exif=exif)
        found.append(Hard(f"orientation {orientation}.jpg", data, Accepted(upright, 6, format="JPEG")))
    return found


def odd_exif() -> list[Hard]:
    exif = Image.Exif()
    exif[MAKER] = "a long name of a maker of cameras"
    whole, accepted = jpeg(smooth(), exif=exif), Accepted(smooth(), 6, format="JPEG")
    entry = whole.index(struct.pack(">H", MAKER), whole.index(b"Exif\0\0"))
    tiff = whole.index(b"Exif\0\0") + 6
    return [
        Hard("exif cut off.jpg", whole[: entry + 4] + struct.pack(">I", 60_000) + whole[entry + 8 :], accepted),
        Hard("exif of noise.jpg", whole[:tiff] + b"\xa5" * 8 + whole[tiff + 8 :], accepted),
        Hard("exif empty.jpg", jpeg(smooth(), exif=b"Exif\0\0"), accepted),
    ]


def modes() -> list[Hard]:
    pixels, alpha = smooth(), np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    grey = pixels[..., 0]
    greys, black_white = np.stack([grey] * 3, axis=-1), np.where(grey > 99, 255, 0).astype(np.uint8)
    palette = Image.fromarray(pixels).quantize(16)
    colours = np.asarray(palette.convert("RGB"))
    index = np.asarray(palette)
    cmyk = Image.fromarray(pixels).convert("CMYK")
    stored_inverted = encode(cmyk, "JPEG", quality=98)
    as_rgb = np.asarray(cmyk.convert("RGB"))
    with_alpha = Image.fromarray(np.dstack([pixels, alpha]))
    return [
        Hard("palette.png", encode(palette, "PNG"), Accepted(colours, mode="P")),
        Hard("palette with transparency.png", encode(palette, "PNG", transparency=3),
             Accepted(np.where((index == 3)[..., None], 255, colours).astype(np.uint8), mode="P")),
        Hard("grey.png", png(grey), Accepted(greys, mode="L")),
        Hard("grey.jpg", encode(Image.fromarray(grey), "JPEG", quality=98),
             Accepted(greys, 6, mode="L", format="JPEG")),
        Hard("grey with alpha.png", encode(Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]), "PNG"),
             Accepted(over_white(greys, alpha), 1, mode="LA")),
        Hard("alpha.png", encode(with_alpha, "PNG"), Accepted(over_white(pixels, alpha), 1, mode="RGBA")),
        Hard("alpha.webp", encode(with_alpha, "WEBP", lossless=True, exact=True),
             Accepted(over_white(pixels, alpha), 1, mode="RGBA", format="WEBP")),
        Hard("one colour is clear.png", encode(Image.new("RGB", (8, 8), (9, 8, 7)), "PNG", transparency=(9, 8, 7)),
             Accepted(np.full((8, 8, 3), 255, dtype=np.uint8))),
        Hard("1 bit.png", encode(Image.fromarray(black_white).convert("1", dither=Image.Dither.NONE), "PNG"),
             Accepted(np.stack([black_white] * 3, axis=-1), mode="1")),
        Hard("cmyk.jpg", stored_inverted, Accepted(as_rgb, 8, mode="CMYK", format="JPEG")),
        # CMYK without Adobe's marker is taken for Adobe's all the same: nearly all of it is.
        Hard("cmyk without adobe.jpg", without_segment(stored_inverted, b"\xff\xee"),
             Accepted(as_rgb, 8, mode="CMYK", format="JPEG")),
        Hard("16 bits grey.png", deep_png(1, 0), TOO_DEEP),
        Hard("16 bits grey and alpha.png", deep_png(2, 4), TOO_DEEP),
        Hard("16 bits colour.png", deep_png(3, 2), TOO_DEEP),
        Hard("16 bits colour and alpha.png", deep_png(4, 6), TOO_DEEP),
        Hard("16 bits.tif", encode(Image.new("I;16", (8, 8), 40_000), "TIFF"), NO_PHOTO),
    ]  # fmt: skip


def kinds() -> list[Hard]:
    pixels = smooth()
    image = Image.fromarray(pixels)
    other = Image.fromarray(pixels[::-1, ::2].copy())
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    as_jpeg = Accepted(pixels, 6, format="JPEG")
    return [
        Hard("progressive.jpg", jpeg(pixels, progressive=True), as_jpeg),
        Hard("two pictures.mpo", encode(image, "MPO", quality=98, subsampling=0, save_all=True, append_images=[other]),
             as_jpeg),
        Hard("profile.jpg", jpeg(pixels, icc_profile=icc), as_jpeg),
        Hard("profile of noise.png", png(pixels, icc_profile=b"no profile at all"), Accepted(pixels)),
        Hard("bitmap.bmp", encode(image, "BMP"), Accepted(pixels, format="BMP")),
        Hard("lossless.webp", encode(image, "WEBP", lossless=True), Accepted(pixels, format="WEBP")),
        Hard("one pixel.jpg", jpeg(pixels[:1, :1]), Accepted(pixels[:1, :1], 6, format="JPEG")),
        Hard("tall.png", png(smooth(1, 5000)), Accepted(smooth(1, 5000))),
        Hard("wide.jpg", jpeg(smooth(5000, 1)), Accepted(smooth(5000, 1), 6, format="JPEG")),
        Hard("a PNG by another name.jpg", png(pixels), Accepted(pixels)),
        Hard("no suffix", png(pixels), Accepted(pixels)),
        # What some phones append, in which the bytes that start a scan occur by chance.
        Hard("photo with a film behind it.jpg", jpeg(pixels) + b"\xff\xda" * 3000, as_jpeg),
        Hard("animated.gif", animation("GIF"), NO_PHOTO),
        Hard("animated.webp", animation("WEBP"), "animated (3 frames)"),
        Hard("animated.png", animation("PNG"), "animated (3 frames)"),
        Hard("modern.avif", encode(image, "AVIF"), NO_PHOTO),
        Hard("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", NO_PHOTO),
        Hard("program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", NO_PHOTO),
    ]  # fmt: skip


def damage() -> list[Hard]:
    """Files that are cut, changed, or no photos at all."""
    photo = jpeg(smooth(200, 100))
    picture = png(smooth())
    pixels = picture.index(b"IDAT") + 20
    return [
        Hard("cut.jpg", photo[: len(photo) // 2], DAMAGED),
        Hard("cut by a byte.jpg", photo[:-40], DAMAGED),
        Hard("start.jpg", photo[:100], HEADER),
        Hard("cut.png", picture[: len(picture) // 2], DAMAGED),
        Hard("changed.png", picture[:pixels] + b"\0\0\0\0" + picture[pixels + 4 :], DAMAGED),
        Hard("empty.jpg", b"", "the file is empty"),
        Hard("zeros.jpg", bytes(4096), NO_PHOTO),
        Hard("text.jpg", b"potatoes of Monday", NO_PHOTO),
        Hard("error page.jpg", b"<!DOCTYPE html><html><body>404 Not Found</body></html>", NO_PHOTO),
        Hard("text inflated.png", raw_png(8, 8, 8, 2, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**21)))), HEADER),
    ]


def bombs() -> list[Hard]:
    """Small files that would take gigabytes, or hours."""
    nothing = chunk(b"IDAT", zlib.compress(b""))
    frame = jpeg(smooth())
    size = frame.index(b"\xff\xc0") + 5
    slow = jpeg(smooth(400, 400), progressive=True)
    last, end = slow.rindex(b"\xff\xda"), slow.rindex(b"\xff\xd9")
    return [
        Hard("bomb.png", raw_png(100_000, 100_000, 8, 2, nothing), "more than the 50,000,000 pixels"),
        Hard("large.png", raw_png(8000, 7000, 8, 2, nothing), "8000×7000 pixels; at most 50,000,000"),
        Hard("largest.jpg", frame[:size] + b"\xff\xff\xff\xff" + frame[size + 4 :], "more than the 50,000,000 pixels"),
        Hard("large.jpg", frame[:size] + struct.pack(">HH", 9000, 9000) + frame[size + 4 :], "9000×9000 pixels"),
        Hard("scans.jpg", slow[:end] + slow[last:end] * 200 + slow[end:], "more than 100 scans"),
    ]


CORPUS = [*upright_and_stored(), *odd_exif(), *modes(), *kinds(), *damage(), *bombs()]


@pytest.mark.parametrize("photo", CORPUS, ids=lambda photo: photo.name)
def test_every_photo_is_decoded_to_its_pixels_or_refused_with_its_reason(photo):
    if isinstance(photo.verdict, str):
        with pytest.raises(UnreadableImage) as caught:
            decode(photo.data)
        assert str(caught.value).startswith(photo.verdict)
    else:
        decoded = decode(photo.data)
        pixels = np.asarray(decoded).astype(int)
        assert (decoded.mode, decoded.info["mode"], decoded.format) == ("RGB", photo.verdict.mode, photo.verdict.format)
        assert pixels.shape == photo.verdict.pixels.shape
        assert np.abs(pixels - photo.verdict.pixels).max() <= photo.verdict.tolerance


@pytest.mark.parametrize("photo", CORPUS, ids=lambda photo: photo.name)
def test_a_photo_that_is_decoded_small_has_the_verdict_of_a_whole_one(photo):
    if isinstance(photo.verdict, str):
        with pytest.raises(UnreadableImage) as caught:
            decode(photo.data, edge=3)
        assert str(caught.value).startswith(photo.verdict)
    else:
        decoded = decode(photo.data, edge=3)
        height, width = photo.verdict.pixels.shape[:2]
        assert decoded.format == photo.verdict.format
        assert decoded.mode in ("RGB", "YCbCr")
        assert decoded.info == {"mode": photo.verdict.mode, "size": (width, height)}
        reduced = photo.verdict.format == "JPEG" and min(width, height) > 1
        assert (max(decoded.size) < max(width, height)) == reduced


def test_the_audit_gives_every_file_of_the_corpus_its_verdict(tmp_path):
    for label in ("easy", "hard"):
        (tmp_path / label).mkdir()
    (tmp_path / "easy" / "1.png").write_bytes(png(smooth()))
    for photo in CORPUS:
        (tmp_path / "hard" / photo.name).write_bytes(photo.data)

    table = build_table(one.row for one in audit(discover(tmp_path).files, workers=4)).set_index("path")

    assert len(table) == 1 + len(CORPUS)
    for photo in CORPUS:
        row = table.loc[f"hard/{photo.name}"]
        if isinstance(photo.verdict, str):
            assert row["problem"].startswith(photo.verdict)
            assert not row["is_readable"]
        else:
            assert (row["problem"], row["is_readable"]) == ("", True)
            assert (row["height"], row["width"]) == photo.verdict.pixels.shape[:2]
            measured = row[["brightness", "contrast", "red_mean", "sharpness"]].astype(float)
            assert np.isfinite(measured).all()


def test_threads_that_decode_at_once_let_no_warning_of_pillow_escape():
    warns = next(photo.data for photo in CORPUS if photo.name == "exif cut off.jpg")
    interval = sys.getswitchinterval()
    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("always")
        sys.setswitchinterval(1e-6)
        try:
            list(pool.map(decode, [warns] * 400))
        finally:
            sys.setswitchinterval(interval)
    assert not caught


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with a photo each."""
    for label in ("a", "b"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.png").write_bytes(png(smooth()))
    return tmp_path / "photos"


def problems(folder: Path) -> dict[str, str]:
    return {one.file.path: one.problem for one in audit(discover(folder).files, workers=2)}


@pytest.mark.parametrize("name", ["Äpfel и 土豆 🥔.png", f"{'n' * 246}.png", 'a "name"\nof two lines.png', "-rf *.png"])
def test_photos_of_odd_names_are_read(folder, name):
    (folder / "a" / name).write_bytes(png(smooth()))
    assert problems(folder)[f"a/{name}"] == ""


def test_links_are_read_only_where_they_stay_in_the_folder(folder, tmp_path):
    (tmp_path / "outside.png").write_bytes(png(smooth()))
    (folder / "a" / "inside.png").symlink_to(folder / "b" / "1.png")
    (folder / "a" / "out.png").symlink_to(tmp_path / "outside.png")
    (folder / "a" / "loop.png").symlink_to(folder / "a" / "loop.png")
    (folder / "a" / "up").symlink_to(folder)
    assert problems(folder) == {
        "a/1.png": "",
        "a/inside.png": "",
        "a/loop.png": "a link to nothing",
        "a/out.png": "a link out of the source folder, which is not followed; copy the photo here",
        "a/up": "a link to a folder, which is not followed; copy the photos here",
        "b/1.png": "",
    }


def test_what_is_no_regular_file_is_never_opened(folder, monkeypatch):
    os.mkfifo(folder / "a" / "pipe.jpg")
    os.mkfifo(folder / "pipe.jpg")
    monkeypatch.chdir(folder / "a")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        (folder / "a" / "device.jpg").symlink_to("/dev/zero")
        assert problems(folder) == {
            "a/1.png": "",
            "a/device.jpg": "a link out of the source folder, which is not followed; copy the photo here",
            "a/pipe.jpg": "not a regular file",
            "a/socket.jpg": "not a regular file",
            "b/1.png": "",
            "pipe.jpg": "lies outside any class folder; move it into one",
        }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device files")
def test_a_device_file_is_never_opened(folder):
    try:
        os.mknod(folder / "a" / "device.jpg", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("device files cannot be made here")
    assert problems(folder)["a/device.jpg"] == "not a regular file"


def test_a_folder_that_is_called_like_a_photo_is_a_folder(folder):
    (folder / "a" / "empty.jpg").mkdir()
    (folder / "a" / "album.jpg").mkdir()
    (folder / "a" / "album.jpg" / "2.png").write_bytes(png(smooth()))
    assert problems(folder) == {"a/1.png": "", "a/album.jpg/2.png": "", "b/1.png": ""}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_photo_that_may_not_be_read_is_listed(folder):
    (folder / "a" / "1.png").chmod(0)
    assert problems(folder)["a/1.png"] == "cannot be read (Permission denied)"


def test_a_film_is_not_read_into_memory(folder):
    with (folder / "a" / "film.jpg").open("wb") as film:
        film.truncate(2**40)
    assert problems(folder)["a/film.jpg"] == "1,048,576 MB; at most 256 are accepted"
