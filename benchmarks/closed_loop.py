"""Requests on connections that stay open, on each the next when the last is answered.

One thread sends and receives for all connections, for the client and the server share the processors: a thread for each
connection takes five times as much of them.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle

from benchmarks.servers import BOUNDARY

_RECEIVED_BYTES = 2**16


@dataclass(frozen=True)
class Load:
    """What came of a while of requests.

    Attributes:
        answers: how many there were.
        rate: answers a second.
        median_ms: of the time of an answer.
        p99_ms: of the time of an answer.
    """

    answers: int
    rate: float
    median_ms: float
    p99_ms: float


class _Connection:
    """A connection, and the request on it that is not answered yet."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._received = b""
        self._sent = 0.0

    def send(self) -> None:
        """Send the next request."""
        self._received, self._sent = b"", time.perf_counter()
        self.socket.sendall(next(self._requests))

    def receive(self) -> float | None:
        """Take what there is of the answer.

        Returns:
            How long the answer took, in seconds; None while it is not whole.

        Raises:
            SystemExit: it is none.
        """
        received = self.socket.recv(_RECEIVED_BYTES)
        self._received += received
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not received or (end and b" 200 " not in head.partition(b"\r\n")[0]):
            raise SystemExit(f"the server refuses a photo: {self._received.decode(errors='replace') or 'it hangs up'}")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return None
        return time.perf_counter() - self._sent


def ask(port: int, bodies: Sequence[bytes], concurrency: int, seconds: float) -> Load:
    """Ask a server for a while, each connection for one photo after the other.

    Args:
        port: on the loopback address.
        bodies: forms, as :func:`benchmarks.servers.form` makes them.
        concurrency: connections, 1 or more.
        seconds: how long new requests are sent.

    Raises:
        SystemExit: an answer is none.
    """
    requests = list(map(_request, bodies))
    times: list[float] = []
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        start = time.perf_counter()
        for number in range(concurrency):
            connection = _Connection(port, cycle([*requests[number:], *requests[:number]]))
            stack.enter_context(connection.socket)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send()
        while selector.get_map():
            for key, _ in selector.select():
                if (took := key.data.receive()) is None:
                    continue
                times.append(took)
                if time.perf_counter() - start < seconds:
                    key.data.send()
                else:
                    selector.unregister(key.fileobj)
        elapsed = time.perf_counter() - start
    found = sorted(times)
    p99 = found[int(0.99 * (len(found) - 1))]
    return Load(len(found), len(found) / elapsed, 1e3 * statistics.median(found), 1e3 * p99)


def _request(body: bytes) -> bytes:
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
