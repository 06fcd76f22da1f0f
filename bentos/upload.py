"""The photos of a request: files of a multipart form, or the body itself. Nothing is ever fetched from an address."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from bentos.refusals import Refusal, unusable

_MAX_TEXT_BYTES = 10_000
_MAX_TEXTS = 20


@dataclass(frozen=True)
class Photo:
    """A photo as it was sent.

    Attributes:
        data: the encoded bytes.
        name: what the client calls it; '' if it does not say.
    """

    data: bytes
    name: str


@dataclass(frozen=True)
class Upload:
    """What a request holds.

    Attributes:
        photos: in the order they were sent.
        texts: the other fields of the form.
        files: names of the other fields that hold files, whose bytes nobody asked for.
    """

    photos: tuple[Photo, ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()


def read_upload(content_type: str, body: bytes, *, photo_field: str, max_photos: int, bare: bool) -> Upload:
    """Read the photos of a request.

    Args:
        content_type: the header, '' without one.
        body: the whole body.
        photo_field: the field of the form that holds files.
        max_photos: most files that are accepted, 1 or more.
        bare: whether the body may be a photo itself, with an image type.

    Raises:
        Refusal: 415, the type is another; 422, the form cannot be read or does not hold 1 to ``max_photos`` files.
    """
    kind = content_type.partition(";")[0].strip().lower()
    how = f"send the photo as a file in the multipart field '{photo_field}', as curl -F {photo_field}=@photo.jpg does"
    if bare and kind.startswith("image/"):
        return Upload((Photo(body, ""),))
    if kind != "multipart/form-data":
        also = ", or as the body with an image type" if bare else ""
        raise Refusal(415, f"The content type is {kind[:100] or 'missing'}; {how}{also}.")
    form = _Form(photo_field, max_photos, how)
    form.read(content_type, body)
    if not form.photos:
        raise unusable(f"The field '{photo_field}' is missing; {how}.")
    return Upload(tuple(form.photos), form.texts, frozenset(form.files))


class _Form:
    """Collects the parts of a form; the methods named ``on_…`` are called by the parser."""

    def __init__(self, photo_field: str, max_photos: int, how: str) -> None:
        self.photos: list[Photo] = []
        self.texts: dict[str, str] = {}
        self.files: set[str] = set()
        self._photo_field = photo_field
        self._max_photos = max_photos
        self._how = how
        self._header, self._value = b"", b""
        self._disposition = b""
        self._data: list[bytes] = []
        self._name, self._file_name = "", ""
        self._is_file = self._complete = False
        self._parts = 0

    def read(self, content_type: str, body: bytes) -> None:
        try:
            # Header fields come as Latin-1 from the server.
            boundary = parse_options_header(content_type.encode("latin-1", "replace"))[1].get(b"boundary")
            if not boundary:
                raise unusable(f"The form cannot be read (its content type names no boundary); {self._how}.")
            names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
            events = (*names, "headers_finished", "end")
            parser = MultipartParser(boundary, {f"on_{name}": getattr(self, f"on_{name}") for name in events})
            parser.write(body)
            parser.finalize()
        except (FormParserError, ValueError) as error:
            raise unusable(f"The form cannot be read ({_first_line(error)}); {self._how}.") from None
        if not self._complete:
            raise unusable(f"The form cannot be read (it ends before its last boundary); {self._how}.")

    def on_part_begin(self) -> None:
        # A part costs more than its bytes tell: twenty megabytes of empty ones would stop the worker for seconds.
        self._parts += 1
        if self._parts > self._max_photos + _MAX_TEXTS:
            raise unusable(f"The form has more than {self._max_photos + _MAX_TEXTS} parts; {self._how}.")
        self._disposition, self._data = b"", []

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise unusable(f"The form cannot be read (a part has no name); {self._how}.")
        self._name = options[b"name"].decode("utf-8", "replace")
        self._is_file = b"filename" in options
        self._file_name = options.get(b"filename", b"").decode("utf-8", "replace")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file or sum(map(len, self._data)) + end - start <= _MAX_TEXT_BYTES:
            self._data.append(data[start:end])
        else:
            raise unusable(f"A field of the form holds a text of over {_MAX_TEXT_BYTES:,} bytes; {self._how}.")

    def on_part_end(self) -> None:
        if self._name == self._photo_field:
            if not self._is_file:
                raise unusable(f"The field '{self._name}' holds text, and addresses are not fetched; {self._how}.")
            if len(self.photos) == self._max_photos:
                limit = "one photo" if self._max_photos == 1 else f"at most {self._max_photos} photos"
                raise unusable(f"The field '{self._name}' was sent too often; send {limit} a request.")
            self.photos.append(Photo(b"".join(self._data), self._file_name))
        elif self._is_file:
            self.files.add(self._name)
        else:
            if self._name in self.texts:
                raise unusable("A field of the form was sent twice; send it once.")
            self.texts[self._name] = b"".join(self._data).decode("utf-8", "replace")

    def on_end(self) -> None:
        self._complete = True


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
