"""A request on its way through the service."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import Headers, QueryParams

from bentos.limits import Receive, Scope, read_body
from bentos.refusals import Refusal, unusable
from bentos.upload import Upload, read_upload

_MAX_JSON_BYTES = 10_000
# Of a name that is said back; a longer one is no slip of the fingers.
_NAME_CHARACTERS = 100


@dataclass
class Exchange:
    """A request, and what the log says of it.

    Attributes:
        scope: of the ASGI server.
        receive: hands out the body.
        request_id: of the log and the answer.
        endpoint: one of few names; never what the client sent.
        arrived: by ``time.perf_counter``.
        decisions: of its photos: how many were accepted, sent to review, refused.
        key_name: whose API key it came with; None without keys.
    """

    scope: Scope
    receive: Receive
    request_id: str
    endpoint: str = "unknown"
    arrived: float = field(default_factory=time.perf_counter)
    decisions: Counter[str] = field(default_factory=Counter)
    key_name: str | None = None

    def __post_init__(self) -> None:
        self.headers = Headers(raw=self.scope["headers"])
        self.query = QueryParams(self.scope.get("query_string", b""))

    @property
    def seconds(self) -> float:
        """Time since it arrived."""
        return time.perf_counter() - self.arrived

    async def upload(
        self, *, max_bytes: int, photo_field: str, max_photos: int, bare: bool, options: Sequence[str]
    ) -> Upload:
        """The photos it brings; :func:`bentos.upload.read_upload` says what else may be wrong with them.

        Args:
            max_bytes: largest body that is accepted.
            photo_field: the field of the form that holds files.
            max_photos: most files that are accepted, 1 or more.
            bare: whether the body may be a photo itself.
            options: all that may be said besides the photos, in the query or the form.

        Raises:
            Refusal: 422, the query or the form says something else: misspelt, an option would count for nothing, and
                an answer be accepted that was meant to be reviewed.
        """
        body = await read_body(self.scope, self.receive, max_bytes=max_bytes)
        content_type = self.headers.get("content-type", "")
        upload = read_upload(content_type, body, photo_field=photo_field, max_photos=max_photos, bare=bare)
        _refuse_unknown("query", "parameter", self.query, options)
        _refuse_unknown("form", "field", (*upload.texts, *sorted(upload.files)), (photo_field, *options))
        return upload

    async def json(self) -> object:
        """The JSON value it brings.

        Raises:
            Refusal: 415, it is said to be another kind; 413, over 10 kB; 422, it is none.
        """
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # So no page from elsewhere can have a browser send it unasked: of such a type browsers ask first.
            raise Refusal(415, f"The content type is {kind[:100] or 'missing'}; send JSON as application/json.")
        try:
            body = await read_body(self.scope, self.receive, max_bytes=_MAX_JSON_BYTES, advice="send less")
            return json.loads(body)
        except (ValueError, RecursionError):
            raise unusable("The body is not JSON.") from None

    def option(self, name: str, upload: Upload) -> str | None:
        """An option from the query or a text field of the form; None where it is in neither.

        Raises:
            Refusal: 422, it was sent more than once, or as a file.
        """
        if name in upload.files:
            raise unusable(f"{name}: sent as a file; send it as text.")
        values = self.query.getlist(name) + [text for key, text in upload.texts.items() if key == name]
        if len(values) > 1:
            raise unusable(f"{name}: sent {len(values)} times; send it once.")
        return values[0] if values else None


def _refuse_unknown(place: str, kind: str, sent: Iterable[str], known: Sequence[str]) -> None:
    unknown = next((name for name in sent if name not in known), None)
    if unknown is not None:
        raise unusable(f"{place}: there is no {kind} {unknown[:_NAME_CHARACTERS]!r}; expected {', '.join(known)}.")
