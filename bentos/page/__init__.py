"""The pages: at ``/`` drop a photo and see the answer, at ``/review`` say what photos show."""

from pathlib import Path

from starlette.responses import Response

from bentos.endpoints import Endpoint
from bentos.exchange import Exchange

# Nothing from elsewhere is loaded, nothing inline is run, and no other page may frame this one.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/service.js": ("service.js", "text/javascript; charset=utf-8"),
    "/review": ("review.html", "text/html; charset=utf-8"),
    "/review.css": ("review.css", "text/css; charset=utf-8"),
    "/review.js": ("review.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def page_endpoints() -> dict[str, Endpoint]:
    """The files of the pages, by path; they hold nothing of the model and need no key."""
    folder = Path(__file__).resolve().parent
    return {path: _endpoint((folder / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}


def _endpoint(content: bytes, kind: str) -> Endpoint:
    headers = {"Content-Type": kind, "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}

    async def answer(_exchange: Exchange) -> Response:
        return Response(content, headers=headers)

    return Endpoint("page", "GET", answer, public=True)
