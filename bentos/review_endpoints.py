"""What the review page asks: the next photo, its bytes, and to keep or take back what somebody said of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from bentos.endpoints import Endpoint
from bentos.exchange import Exchange
from bentos.refusals import Refusal, unusable
from bentos.review_backend import ReviewBackend
from quality_gate.errors import UserError
from quality_gate.models.manifest import ModelManifest
from quality_gate.review.verdict import (
    NoClass,
    Review,
    ReviewQueue,
    Turn,
    UnknownPhoto,
    UnknownReview,
    local_reviewer,
)

if TYPE_CHECKING:
    from quality_gate.review.desk import ReviewDesk

UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
SHA256_PATTERN = "^[0-9a-f]{64}$"

_BEST = 3
_MEDIA_TYPES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"RIFF", "image/webp"),
    (b"BM", "image/bmp"),
)

Id = Annotated[str, Field(pattern=UUID_PATTERN)]
T = TypeVar("T")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Asked(_Body):
    """Who asks for a photo: ``desk`` is made by each tab of a browser, and its own."""

    desk: Id


class Said(_Body):
    """What somebody said of a photo; ``id`` is new for each, and stays the same when it is sent again."""

    desk: Id
    id: Id
    photo: Annotated[str, Field(pattern=SHA256_PATTERN)]
    verdict: Literal["label", "unknown", "skip"]
    label: Annotated[str, Field(max_length=255)] | None = None


class TakenBack(_Body):
    """Which review its reviewer takes back."""

    desk: Id
    id: Id


B = TypeVar("B", bound=_Body)


class ReviewEndpoints:
    """The endpoints of the review page.

    Args:
        backend: the desk and the photos.
        manifest: of the model, whose classes may be given.
    """

    def __init__(self, backend: ReviewBackend, manifest: ModelManifest) -> None:
        self._backend = backend
        self._manifest = manifest

    def table(self) -> dict[str, Endpoint]:
        """The endpoints by path."""
        return {
            "/review/next": Endpoint("review_next", "POST", self.next),
            "/review/record": Endpoint("review_record", "POST", self.record),
            "/review/undo": Endpoint("review_undo", "POST", self.undo),
            "/review/photo": Endpoint("review_photo", "GET", self.photo),
        }

    async def next(self, exchange: Exchange) -> Response:
        """``POST /review/next``: a photo that nobody else has."""
        reviewer, asked = _reviewer(exchange), _parse(Asked, await exchange.json())
        desk = UUID(asked.desk)
        turn = await self._at_the_desk(lambda: self._desk().next(reviewer, desk, self._backend.kept()))
        return self._shown(turn, reviewer)

    async def record(self, exchange: Exchange) -> Response:
        """``POST /review/record``: what somebody said of a photo."""
        reviewer, said = _reviewer(exchange), _parse(Said, await exchange.json())
        try:
            review = Review(
                UUID(said.id), datetime.now(UTC), said.photo, reviewer, said.verdict, said.label, source="desk"
            )
        except ValueError as error:
            raise unusable(f"{error}.") from None
        await self._at_the_desk(lambda: self._desk().record(review, UUID(said.desk)))
        return JSONResponse({"id": said.id})

    async def undo(self, exchange: Exchange) -> Response:
        """``POST /review/undo``: take a review back, and see its photo again."""
        reviewer, body = _reviewer(exchange), _parse(TakenBack, await exchange.json())
        review, desk = UUID(body.id), UUID(body.desk)
        turn = await self._at_the_desk(lambda: self._desk().undo(review, reviewer, desk, self._backend.kept()))
        return self._shown(turn, reviewer)

    async def photo(self, exchange: Exchange) -> Response:
        """``GET /review/photo?photo=SHA256``: the photo as it was sent."""
        _reviewer(exchange)
        data = await self._backend.pool.run(self._backend.photos.read, exchange.query.get("photo", ""))
        if data is None:
            raise Refusal(404, "The file of this photo is not here, or not any more: it cannot be reviewed.")
        # Its sender chose the bytes: they are a picture or nothing.
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
        return Response(data, media_type=_media_type(data), headers=headers)

    def count(self) -> ReviewQueue:
        """What waits for review now.

        Raises:
            LogUnavailable: the database does not answer.
            UserError: it cannot be used.
        """
        return self._desk().queue(self._backend.kept())

    def _desk(self) -> "ReviewDesk":
        return self._backend.desk(self._manifest)

    async def _at_the_desk(self, work: Callable[[], T]) -> T:
        # SQLAlchemy is loaded with it, which a start need not wait for.
        from quality_gate.monitoring.database import LogUnavailable

        try:
            return await self._backend.pool.run(work)
        except (NoClass, UnknownPhoto, UnknownReview) as error:
            raise Refusal(422 if isinstance(error, NoClass) else 404, f"{error}.") from None
        except (LogUnavailable, UserError):
            sentence = "The database of the reviews does not answer now; try again in a few seconds."
            raise Refusal(503, sentence, {"Retry-After": "5"}) from None

    def _shown(self, turn: Turn, reviewer: str) -> Response:
        return JSONResponse(
            {
                "reviewer": reviewer,
                "waiting": turn.queue.waiting,
                "missing": turn.queue.missing,
                "classes": list(self._manifest.classes),
                "photo": _photo(turn),
            }
        )


def _photo(turn: Turn) -> dict[str, Any] | None:
    prediction = turn.prediction
    if prediction is None:
        return None
    best = sorted(prediction.probabilities.items(), key=lambda item: -item[1])[:_BEST]
    return {
        "sha256": prediction.image_sha256,
        "name": prediction.image_name,
        "time": prediction.time.isoformat(),
        "model_version": f"{prediction.gate}:{prediction.model_version}",
        "best": [{"label": label, "probability": probability} for label, probability in best],
    }


def _reviewer(exchange: Exchange) -> str:
    """Who reviews: whoever's key it is, or who runs the service, where it has no keys.

    Raises:
        Refusal: 403, without keys only this machine may see and label photos.
    """
    if exchange.key_name is not None:
        return exchange.key_name
    client = exchange.scope.get("client")
    if client is None or not _is_loopback(client[0]) or not _is_asked_for_by_loopback(exchange):
        sentence = (
            "Without API keys photos are reviewed on this machine only, at 127.0.0.1 or localhost; set "
            "QUALITY_GATE_API_KEYS=name:key,…."
        )
        raise Refusal(403, sentence)
    return local_reviewer()


def _is_asked_for_by_loopback(exchange: Exchange) -> bool:
    """Whether the client calls this machine localhost: a page from elsewhere can have its own name lead here."""
    try:
        name = urlsplit(f"//{exchange.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _parse(kind: type[B], values: object) -> B:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if str(part).isidentifier())[:100] or "body"
        raise unusable(f"{place}: {first['msg']}.") from None


def _media_type(data: bytes) -> str:
    return next((kind for start, kind in _MEDIA_TYPES if data.startswith(start)), "application/octet-stream")
