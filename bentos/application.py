"""The service as an ASGI application: what every request passes, whatever it asks for.

It stands before BentoML's own routes, which answer only the health probes: BentoML's endpoints cost a request about
twice what these do, count metrics by whatever path a client makes up, and answer some mistakes in their own words.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from bentos.authentication import KeyRing
from bentos.endpoints import Endpoint
from bentos.exchange import Exchange
from bentos.limits import App, Message, Receive, Scope, Send, Slots, draining
from bentos.metrics import ServiceMetrics
from bentos.refusals import Refusal
from bentos.request_log import RequestLog, request_id

HEALTH = ("/healthz", "/livez", "/readyz")
_HEALTH_METHODS = ("GET", "HEAD")


class GateApplication:
    """Dispatches requests, holds them to the limits, and writes the log.

    Args:
        endpoints: by path.
        keys: what opens those that are not public.
        metrics: counts requests.
        log: a line a request.
        max_concurrency: requests to POST that are held at once.
        timeout_s: how long one may take, in seconds.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        keys: KeyRing,
        metrics: ServiceMetrics,
        log: RequestLog,
        *,
        max_concurrency: int,
        timeout_s: float,
    ) -> None:
        self._endpoints = endpoints
        self._keys = keys
        self._metrics = metrics
        self._log = log
        self._slots = Slots(max_concurrency)
        self._timeout_s = timeout_s

    def switch(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Answer from now on with other endpoints; requests that have begun end with those they began with."""
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send, health: App) -> None:
        """Answer one request; ``health`` answers the probes."""
        exchange = Exchange(scope, receive, request_id(_header(scope, b"x-request-id")))
        if scope["path"] in HEALTH and scope["method"] in _HEALTH_METHODS:
            await health(scope, receive, _with_headers(send, exchange.request_id))
            return
        response = await self._respond(exchange)
        if response.headers.get("connection") == "close":
            # Whoever still sends would lose the answer.
            send = draining(receive, send)
        await response(scope, receive, _with_headers(send, exchange.request_id))
        self._note(exchange, response.status_code)

    async def _respond(self, exchange: Exchange) -> Response:
        try:
            endpoint = self._find(exchange)
            if endpoint.method == "GET":
                return await endpoint.answer(exchange)
            with self._slots.take():
                return await self._in_time(endpoint, exchange)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.sentence}, refusal.status, dict(refusal.headers))
        except Exception as error:
            self._log.write_failure(exchange.request_id, error)
            sentence = f"The service failed; its log says more under the request id {exchange.request_id}."
            return JSONResponse({"error": sentence}, 500)

    def _find(self, exchange: Exchange) -> Endpoint:
        path, method = exchange.scope["path"], exchange.scope["method"]
        endpoint = self._endpoints.get(path)
        methods = endpoint.methods if endpoint else _HEALTH_METHODS if path in HEALTH else ()
        if endpoint is not None:
            exchange.endpoint = endpoint.name
        if methods and method not in methods:
            allowed = ", ".join(methods)
            raise Refusal(405, f"This address answers only {allowed}.", {"Allow": allowed})
        if endpoint is None:
            raise Refusal(404, "There is nothing at this address; /openapi.json says what there is.")
        if not endpoint.public:
            exchange.key_name = self._keys.check(exchange.headers)
        return endpoint

    async def _in_time(self, endpoint: Endpoint, exchange: Exchange) -> Response:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await endpoint.answer(exchange)
        except TimeoutError:
            sentence = f"The request took longer than {self._timeout_s:g} seconds, its upload included."
            raise Refusal(504, sentence, {"Connection": "close"}) from None

    def _note(self, exchange: Exchange, status: int) -> None:
        seconds = exchange.seconds
        self._metrics.count_request(exchange.endpoint, status, seconds)
        self._log.write(
            request_id=exchange.request_id,
            endpoint=exchange.endpoint,
            status=status,
            ms=round(seconds * 1e3, 2),
            decision=_decision(exchange),
        )


def _decision(exchange: Exchange) -> str | dict[str, int] | None:
    counted = {name: count for name, count in exchange.decisions.items() if count}
    if exchange.endpoint == "predict":
        return next(iter(counted), None)
    return counted or None


def _with_headers(send: Send, request: str) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours: list[Any] = [
                (b"x-request-id", request.encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
            ]
            message = {**message, "headers": [*message["headers"], *ours]}
        await send(message)

    return send_with_headers


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
