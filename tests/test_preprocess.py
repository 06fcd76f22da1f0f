import io
import json
import struct
import warnings
import zlib
from contextlib import suppress
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from quality_gate.preprocess import (
    FORMATS,
    MAX_PIXELS,
    VIEWS,
    PreprocessingSpec,
    UnreadableImage,
    decode,
    make_view,
    normalise,
    preprocess,
    reduction,
)

SPEC = PreprocessingSpec(32, ("crop",), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
ORIENTATION, MAKER, X_RESOLUTION = 0x0112, 0x010F, 0x011A

# How a camera that was held so stores an upright picture (EXIF 2.3, tag 274).
STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}

specs = st.builds(
    PreprocessingSpec,
    size=st.integers(8, 48),
    views=st.lists(st.sampled_from(VIEWS), min_size=1, unique=True).map(tuple),
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    std=st.tuples(*[st.floats(0.05, 1)] * 3),
)


def encode(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def pattern(width=6, height=4):
    """A picture no two of whose pixels are equal."""
    values = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return values * np.uint8(3)


def photo_pixels(width, height, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def png(width, height, *chunks):
    """A PNG of 8-bit RGB with these chunks between its header and its end."""
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    written = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (header, *chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


NO_PIXELS = (b"IDAT", zlib.compress(b""))
SOME_PIXELS = (b"IDAT", zlib.compress(bytes(30 * 121))[:20])


def change_exif_entry(photo, tag, offset, data):
    entry = photo.index(struct.pack(">H", tag), photo.index(b"Exif\0\0"))
    return photo[: entry + offset] + data + photo[entry + offset + len(data) :]


JPEG = encode(photo_pixels(40, 30), "JPEG")


@given(spec=specs, width=st.integers(1, 90), height=st.integers(1, 90), kind=st.sampled_from(["JPEG", "PNG", "BMP"]))
@settings(deadline=None, max_examples=50)
def test_every_photo_becomes_a_contiguous_float32_tensor_in_the_range_of_its_spec(spec, width, height, kind):
    tensor = preprocess(encode(photo_pixels(width, height), kind), spec)

    assert tensor.shape == (len(spec.views), 3, spec.size, spec.size)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    for channel, mean, std in zip(tensor.swapaxes(0, 1), spec.mean, spec.std, strict=True):
        assert channel.min() >= -mean / std - 1e-4
        assert channel.max() <= (1 - mean) / std + 1e-4


@given(first=specs, second=specs)
@settings(deadline=None, max_examples=50)
def test_specs_have_one_digest_exactly_when_they_are_equal(first, second):
    assert (first.digest == second.digest) == (first == second)
    assert replace(first).digest == first.digest


@given(spec=specs)
@settings(deadline=None, max_examples=50)
def test_a_spec_survives_json(spec):
    again = PreprocessingSpec.from_json(json.loads(json.dumps(spec.to_json())))

    assert again == spec
    assert again.digest == spec.digest


@pytest.mark.parametrize("field", ["size", "views", "mean", "std"])
def test_every_field_of_a_spec_counts_in_its_digest(field):
    other = {"size": 33, "views": ("squash", "crop"), "mean": (0.4, 0.5, 0.61), "std": (0.2, 0.25, 0.31)}

    assert replace(SPEC, **{field: other[field]}).digest != SPEC.digest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 7),
        ("size", 2049),
        ("views", ("stretch",)),
        ("views", ()),
        ("views", ("crop", "crop")),
        ("mean", (0.5, 0.5)),
        ("std", (0.5,)),
        ("std", (0.5, 0.0, 0.5)),
        ("std", (0.5, -0.1, 0.5)),
    ],
)
def test_a_spec_out_of_range_is_refused_by_the_name_of_the_field(field, value):
    with pytest.raises(ValueError, match=f"preprocessing .*{field}"):
        replace(SPEC, **{field: value})
    with pytest.raises(ValueError, match=f"preprocessing .*{field}"):
        PreprocessingSpec.from_json({**asdict(SPEC), field: value})


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_all_orientations_give_the_same_upright_picture(orientation, kind):
    upright = pattern()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    options = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}[kind]

    decoded = np.asarray(decode(encode(stored, kind, exif=exif, **options))).astype(int)

    assert decoded.shape == upright.shape
    assert np.abs(decoded - upright).max() <= (4 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_leaves_the_picture_as_it_is(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation

    assert (np.asarray(decode(encode(Image.fromarray(pattern()), exif=exif))) == pattern()).all()


def test_a_photo_is_turned_even_where_its_exif_cannot_be_written_again():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[X_RESOLUTION] = 72.0
    whole = encode(photo_pixels(40, 30), "JPEG", exif=exif)
    # A fraction that calls itself a text.
    odd = change_exif_entry(whole, X_RESOLUTION, 2, struct.pack(">H", 2))

    assert decode(odd).size == (30, 40)
    assert (np.asarray(decode(odd)) == np.asarray(decode(whole))).all()


def test_exif_that_is_cut_off_harms_neither_the_photo_nor_the_console():
    exif = Image.Exif()
    exif[MAKER] = "a long name of a maker of cameras"
    whole = encode(photo_pixels(40, 30), "JPEG", exif=exif)
    odd = change_exif_entry(whole, MAKER, 4, struct.pack(">I", 60_000))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert decode(odd).size == (40, 30)
    assert not caught


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (8, 8), (200, 30, 60)), (200, 30, 60)),
        (Image.new("L", (8, 8), 77), (77, 77, 77)),
        (Image.new("1", (8, 8), 1), (255, 255, 255)),
        (Image.new("LA", (8, 8), (100, 255)), (100, 100, 100)),
        (Image.new("LA", (8, 8), (100, 0)), (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (200, 30, 60, 255)), (200, 30, 60)),
        (Image.new("RGBA", (8, 8), (200, 30, 60, 0)), (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.new("RGB", (8, 8), (200, 30, 60)).quantize(4), (200, 30, 60)),
    ],
    ids=["RGB", "L", "1", "LA opaque", "LA clear", "RGBA opaque", "RGBA clear", "RGBA half", "P"],
)
def test_every_mode_becomes_rgb_with_transparency_over_white(image, expected):
    decoded = decode(encode(image))

    assert decoded.mode == "RGB"
    assert decoded.info["mode"] == image.mode
    assert decoded.getpixel((3, 3)) == expected


def test_a_palette_with_transparent_colours_lies_over_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([200, 30, 60, 10, 20, 30])
    palette.putpixel((1, 0), 1)

    decoded = decode(encode(palette, transparency=b"\x00\xff"))

    assert (decoded.getpixel((0, 0)), decoded.getpixel((1, 0))) == ((255, 255, 255), (10, 20, 30))


def test_a_cmyk_jpeg_becomes_rgb():
    decoded = decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))

    assert (decoded.mode, decoded.info["mode"]) == ("RGB", "CMYK")
    assert np.abs(np.asarray(decoded, dtype=int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("kind", FORMATS)
def test_the_format_of_the_file_is_kept(kind):
    assert decode(encode(photo_pixels(20, 10), kind)).format == kind


def test_the_second_picture_of_a_jpeg_is_passed_over():
    first, second = photo_pixels(40, 30, seed=1), photo_pixels(20, 15, seed=2)
    data = encode(first, "MPO", save_all=True, append_images=[second])
    assert Image.open(io.BytesIO(data)).n_frames == 2

    decoded = decode(data)

    assert (decoded.format, decoded.size) == ("JPEG", (40, 30))
    assert np.abs(np.asarray(decoded, dtype=int) - np.asarray(first, dtype=int)).mean() < 10


def animation(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\0" * 4096, "not a photo in one of the formats JPEG, PNG, WEBP, BMP"),
        (b"a shopping list", "not a photo"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "not a photo"),
        (encode(Image.new("RGB", (8, 8)), "GIF"), "not a photo"),
        (encode(Image.new("RGB", (8, 8)), "TIFF"), "not a photo"),
        (encode(Image.new("I;16", (8, 8), 40_000)), "more than 8 bits a channel"),
        (animation("WEBP"), r"animated \(3 frames\)"),
        (animation("PNG"), r"animated \(3 frames\)"),
        (JPEG[:100], "header cannot be read .*Truncated"),
        (JPEG[:-40], "damaged or truncated"),
        (encode(photo_pixels(40, 30))[:-60], "damaged or truncated"),
        (png(40, 30, SOME_PIXELS, (b"\xcc\x44\x19\x00", b"")), "broken PNG file"),
        (png(8000, 7000, NO_PIXELS), r"8000×7000 pixels; at most 50,000,000 are accepted"),
        (png(60_000, 60_000, NO_PIXELS), "more than the 50,000,000 pixels that are accepted"),
    ],
    ids=[
        "empty",
        "zeros",
        "text",
        "HTML",
        "GIF",
        "TIFF",
        "16 bits",
        "animated WebP",
        "animated PNG",
        "start of a JPEG",
        "cut JPEG",
        "cut PNG",
        "broken PNG",
        "bomb",
        "monstrous bomb",
    ],
)
def test_what_is_no_usable_photo_is_refused_with_its_reason(data, reason):
    with pytest.raises(UnreadableImage, match=reason):
        decode(data)


def test_the_limit_of_pixels_is_inclusive_and_can_be_set():
    photo = encode(photo_pixels(10, 10))

    assert decode(photo, max_pixels=100).size == (10, 10)
    with pytest.raises(UnreadableImage, match="10×10 pixels; at most 99"):
        decode(photo, max_pixels=99)
    assert MAX_PIXELS == 50_000_000


def test_formats_that_are_not_accepted_are_refused():
    with pytest.raises(UnreadableImage, match=r"formats PNG$"):
        decode(JPEG, formats=("PNG",))


@given(
    data=st.binary(max_size=300), start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM"])
)
@settings(deadline=None, max_examples=50)
def test_random_bytes_never_raise_anything_else(data, start):
    with pytest.raises(UnreadableImage):
        decode(start + data)


@given(
    source=st.sampled_from([JPEG, encode(photo_pixels(40, 30), "WEBP"), encode(photo_pixels(40, 30), "BMP")]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0, 1),
)
@settings(deadline=None, max_examples=50)
def test_a_damaged_photo_is_decoded_or_refused_and_raises_nothing_else(source, changes, kept):
    damaged = bytearray(source)
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    with suppress(UnreadableImage):
        assert decode(bytes(damaged[: max(1, int(kept * len(damaged)))])).mode == "RGB"


@given(
    options=st.sampled_from([{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    kept=st.floats(0, 1),
    edge=st.sampled_from([10, 20, 40]),
)
@settings(deadline=None, max_examples=100)
def test_what_is_wrong_with_a_jpeg_is_found_however_small_it_is_decoded(options, changes, kept, edge):
    damaged = bytearray(encode(photo_pixels(90, 70), "JPEG", **options))
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    data = bytes(damaged[: max(1, int(kept * len(damaged)))])
    assert verdict(data, edge=edge) == verdict(data)


def verdict(data, **options):
    try:
        return decode(data, **options).info
    except UnreadableImage as reason:
        return str(reason)


@pytest.mark.parametrize(
    ("edge", "size"), [(161, (320, 200)), (160, (160, 100)), (81, (160, 100)), (80, (80, 50)), (40, (40, 25))]
)
def test_a_jpeg_is_decoded_as_small_as_its_longest_edge_allows(edge, size):
    data = encode(photo_pixels(320, 200), "JPEG", quality=95)
    decoded = decode(data, edge=edge)
    assert (decoded.size, decoded.info["size"]) == (size, (320, 200))
    whole = decode(data).reduce(reduction((320, 200), edge))
    assert decoded.mode == "YCbCr"
    assert np.abs(np.asarray(decoded.convert("RGB"), dtype=int) - np.asarray(whole)).mean() < 2


@pytest.mark.parametrize("options", [{"keep_rgb": True}, {"exif": b"Exif\0\0"}])
def test_a_jpeg_that_may_hold_red_green_and_blue_is_decoded_small_as_these(options):
    data = encode(photo_pixels(320, 200), "JPEG", quality=95, **options)
    # What says that a JPEG holds luma and chroma; without its NUL the decoder does not believe it.
    data = data.replace(b"JFIF\0", b"JFIF\1")
    decoded = decode(data, edge=80)
    assert (decoded.mode, decoded.size) == ("RGB", (80, 50))
    whole = decode(data).reduce(4)
    assert np.abs(np.asarray(decoded, dtype=int) - np.asarray(whole)).mean() < 2


@pytest.mark.parametrize("orientation", STORED)
def test_the_size_of_a_photo_that_is_decoded_small_is_that_of_the_upright_one(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    decoded = decode(encode(photo_pixels(90, 89), "JPEG", exif=exif), edge=45)
    assert decoded.size == (45, 45)
    assert decoded.info["size"] == ((89, 90) if orientation > 4 else (90, 89))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_other_formats_are_decoded_whole(kind):
    assert decode(encode(photo_pixels(90, 70), kind), edge=10).size == (90, 70)


def framed(width, height, inner, colour="lime"):
    """A red photo with a centred square of another colour."""
    image = Image.new("RGB", (width, height), "red")
    image.paste(colour, ((width - inner) // 2, (height - inner) // 2, (width + inner) // 2, (height + inner) // 2))
    return image


@pytest.mark.parametrize("size", [(256, 256), (400, 256), (256, 400)])
def test_crop_takes_the_centre_square_of_seven_eighths_of_the_shorter_edge(size):
    cropped = np.asarray(make_view(framed(*size, inner=224), "crop", replace(SPEC, size=224)))
    tighter = np.asarray(make_view(framed(*size, inner=216), "crop", replace(SPEC, size=224)))

    assert (cropped == (0, 255, 0)).all()
    assert (tighter[0, 0] == (255, 0, 0)).all()


@pytest.mark.parametrize(("width", "height"), [(200, 100), (100, 200)])
def test_letterbox_keeps_the_aspect_ratio_and_pads_with_the_mean(width, height):
    spec = replace(SPEC, size=64)
    boxed = np.asarray(make_view(Image.new("RGB", (width, height), "white"), "letterbox", spec))
    across = boxed if width > height else boxed.transpose(1, 0, 2)

    assert (across[16:48] == 255).all()
    padding = [round(255 * mean) for mean in spec.mean]
    assert (across[:16] == padding).all()
    assert (across[48:] == padding).all()


def test_the_thinnest_photo_can_be_letterboxed():
    assert make_view(Image.new("RGB", (1, 2000)), "letterbox", SPEC).size == (32, 32)


def test_squash_fills_the_square_with_all_of_the_photo():
    photo = Image.new("RGB", (200, 60), "white")
    photo.paste("red", (0, 0, 25, 60))
    photo.paste("blue", (175, 0, 200, 60))
    squashed = np.asarray(make_view(photo, "squash", replace(SPEC, size=64)))

    assert (squashed[:, :6] == (255, 0, 0)).all()
    assert (squashed[:, 12:52] == 255).all()
    assert (squashed[:, 58:] == (0, 0, 255)).all()


@given(spec=specs, seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_normalising_subtracts_the_mean_and_divides_by_the_deviation_channel_by_channel(spec, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    expected = (pixels / 255 - spec.mean) / spec.std

    tensors = normalise(pixels, spec)

    assert (tensors.shape, tensors.dtype) == ((2, 3, 5, 7), np.float32)
    np.testing.assert_allclose(tensors, np.moveaxis(expected, -1, 1), rtol=1e-5, atol=1e-5)
    assert (normalise(pixels[0], spec) == tensors[0]).all()


@pytest.mark.parametrize("way", ["crop", "squash", "letterbox"])
def test_a_mirrored_view_is_the_view_with_left_and_right_changed(way):
    photo = Image.fromarray(pattern(40, 23))

    view, mirrored = (np.asarray(make_view(photo, name, SPEC)) for name in (way, f"{way}_mirrored"))

    assert (mirrored == view[:, ::-1]).all()
    assert (mirrored != view).any()


def test_preprocessing_is_decoding_making_the_views_and_normalising():
    spec = replace(SPEC, views=("squash", "crop_mirrored"))

    tensors = preprocess(JPEG, spec)

    assert tensors.shape == (2, 3, 32, 32)
    for view, tensor in zip(spec.views, tensors, strict=True):
        assert (tensor == normalise(np.asarray(make_view(decode(JPEG), view, spec)), spec)).all()
    with pytest.raises(UnreadableImage):
        preprocess(JPEG[:100], SPEC)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_decoded_photo_is_a_plain_picture_that_keeps_nothing_of_its_file(kind):
    data = encode(photo_pixels(40, 30), kind)
    decoded = decode(data)
    assert type(decoded) is Image.Image
    assert decoded.info == {"mode": "RGB", "size": (40, 30)}
    assert decoded.tobytes() == Image.open(io.BytesIO(data)).convert("RGB").tobytes()
