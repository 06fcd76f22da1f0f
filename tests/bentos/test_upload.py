import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.refusals import Refusal
from bentos.upload import read_upload

MULTIPART = "multipart/form-data; boundary=b"


def read(body=b"", content_type=MULTIPART, *, max_photos=1, bare=True):
    return read_upload(content_type, body, photo_field="image", max_photos=max_photos, bare=bare)


def part(name, content, filename=None):
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


END = b"--b--\r\n"


def refused(*arguments, **options):
    with pytest.raises(Refusal) as caught:
        read(*arguments, **options)
    sentence = caught.value.sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return caught.value.status, sentence


def test_a_file_is_given_back_with_its_bytes_its_name_and_the_texts_beside_it():
    upload = read(part("threshold", b"0.9") + part("image", b"\xff\xd8\r\n--bytes", "ä.jpg") + END)

    assert [(photo.data, photo.name) for photo in upload.photos] == [(b"\xff\xd8\r\n--bytes", "ä.jpg")]
    assert upload.texts == {"threshold": "0.9"}
    assert upload.files == frozenset()


def test_files_in_other_fields_are_told_by_name():
    upload = read(part("threshold", b"0.9", "a.txt") + part("image", b"x", "a.jpg") + part("more", b"y", "") + END)

    assert upload.files == {"threshold", "more"}
    assert upload.texts == {}


def test_many_files_keep_their_order():
    body = b"".join(part("image", bytes([number]), f"{number}.jpg") for number in range(5)) + END

    assert [photo.data for photo in read(body, max_photos=5).photos] == [bytes([number]) for number in range(5)]
    assert refused(body, max_photos=4) == (
        422,
        "The field 'image' was sent too often; send at most 4 photos a request.",
    )


def test_a_body_with_an_image_type_is_the_photo_where_that_is_asked_for():
    assert read(b"\xff\xd8", "image/jpeg").photos[0].data == b"\xff\xd8"
    assert refused(b"\xff\xd8", "image/jpeg", bare=False)[0] == 415


@pytest.mark.parametrize("content_type", ["", "application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_another_content_type_is_refused_with_what_to_send(content_type):
    status, sentence = refused(b"image=http://127.0.0.1/a.jpg", content_type)

    assert status == 415
    assert "multipart field 'image'" in sentence


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (part("photo", b"x", "a.jpg") + END, MULTIPART, "'image' is missing"),
        (part("image", b"http://127.0.0.1/a.jpg") + END, MULTIPART, "'image' holds text"),
        (part("image", b"x", "a") * 2 + END, MULTIPART, "one photo a request"),
        (part("other", b"x" * 20_000) + END, MULTIPART, "over 10,000 bytes"),
        (part("other", b"x") * 2 + END, MULTIPART, "twice"),
        (b"".join(part(f"f{number}", b"x") for number in range(30)) + END, MULTIPART, "more than 21 parts"),
        (part("other", b"", "") * 30 + END, MULTIPART, "more than 21 parts"),
        (b"no form at all", MULTIPART, "cannot be read"),
        (b"", MULTIPART, "before its last boundary"),
        (part("image", b"x", "a.jpg"), MULTIPART, "before its last boundary"),
        (b"--b\r\n\r\nx\r\n" + END, MULTIPART, "has no name"),
        (b"x", "multipart/form-data", "names no boundary"),
        (b"x", "multipart/form-data; boundary=", "names no boundary"),
    ],
)
def test_what_is_no_uploaded_file_is_refused_in_one_sentence(body, content_type, reason):
    status, sentence = refused(body, content_type)

    assert status == 422
    assert reason in sentence


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "zlib", "no-such"])
def test_a_made_up_charset_harms_nothing(charset):
    body = part("image", b"x", "ÿ.jpg") + part("note", b"\xff\xfe") + END

    assert read(body, f"{MULTIPART}; charset={charset}").photos[0].name == "ÿ.jpg"


@settings(deadline=None, max_examples=100)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda noise: b"--b\r\n" + noise + b"\r\n--b--\r\n"),
        st.binary(max_size=60).map(
            lambda noise: b'--b\r\nContent-Disposition: form-data; name="image"; ' + noise + b"\r\n\r\nx\r\n--b--\r\n"
        ),
    ),
    content_type=st.one_of(
        st.sampled_from([MULTIPART, "multipart/form-data; boundary=", "image/png"]),
        st.text(max_size=40).map(lambda noise: "multipart/form-data; " + noise),
    ),
)
def test_whatever_bytes_come_the_answer_is_photos_or_a_refusal(body, content_type):
    try:
        photos = len(read(body, content_type).photos)
    except Refusal as refusal:
        photos = refusal.status

    assert photos in (1, 415, 422)


@settings(deadline=None, max_examples=50)
@given(
    data=st.binary(max_size=300).filter(lambda data: b"--b" not in data),
    name=st.from_regex(r"[\w .]{0,30}", fullmatch=True),
)
def test_the_bytes_of_a_file_come_through_unchanged(data, name):
    upload = read(part("image", data, name) + END)

    assert (upload.photos[0].data, upload.photos[0].name) == (data, name)
