import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import StreamRequestHandler, TCPServer

import pytest

from quality_gate.deployment import wait_until_served
from quality_gate.errors import UserError


@pytest.fixture
def server():
    """Says one version after the other, the last for ever; keeps the keys it was sent."""
    versions, keys = [], []

    class Model(BaseHTTPRequestHandler):
        def do_GET(self):
            keys.append(self.headers["X-API-Key"])
            version = versions.pop(0) if len(versions) > 1 else versions[0]
            body = json.dumps({"version": version}).encode()
            self.send_response(200 if self.path == "/model" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Model) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listener.server_port}", versions, keys
        listener.shutdown()
        thread.join()


@pytest.mark.parametrize("end", ["", "/"])
def test_it_is_asked_until_the_expected_version_answers(server, end):
    url, versions, _ = server
    versions += ["1", "1", "2"]

    wait_until_served(url + end, "2", seconds=30)

    assert versions == ["2"]


@pytest.mark.parametrize("configured", ["first-key, second-key", "belt-1:first-key"])
def test_the_first_api_key_is_sent(server, monkeypatch, configured):
    url, versions, keys = server
    versions.append("2")
    monkeypatch.setenv("QUALITY_GATE_API_KEYS", configured)

    wait_until_served(url, "2")

    assert keys == ["first-key"]


def test_another_version_that_stays_is_told(server):
    url, versions, _ = server
    versions.append("1")

    with pytest.raises(UserError, match=r"answers with version 1 after 0 seconds, and version 2 was expected"):
        wait_until_served(url, "2", seconds=0)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("127.0.0.1:3000", "is no address of a server"),
        ("file:///etc/passwd", "is no address of a server"),
        ("http://", "is no address of a server"),
        ("http://[::1", "is no address of a server"),
        ("http://127.0.0.1:many", "is no address of a server"),
        ("http://127.0.0.1:65536", "is no address of a server"),
        ("http://127.0.0.1:0", "is no address of a server"),
        ("http://127.0.0.1:9", "answers with nothing that can be used"),
    ],
)
def test_where_no_server_is_that_is_told(url, sentence):
    with pytest.raises(UserError, match=sentence):
        wait_until_served(url, "2", seconds=0)


@pytest.mark.parametrize(
    "answer", ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.0 200 OK\r\n\r\n[]", "HTTP/1.0 200 OK\r\n\r\n<p>"]
)
def test_a_server_of_another_kind_is_told(answer):
    class Stranger(StreamRequestHandler):
        def handle(self):
            self.rfile.readline()
            self.wfile.write(answer.encode())

    with TCPServer(("127.0.0.1", 0), Stranger) as listener:
        thread = threading.Thread(target=listener.handle_request)
        thread.start()
        with pytest.raises(UserError, match="answers with nothing that can be used"):
            wait_until_served(f"http://127.0.0.1:{listener.server_address[1]}", "2", seconds=0)
        thread.join()
