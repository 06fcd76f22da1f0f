import http.server
import json
import socketserver
import ssl
import subprocess
import threading

import pytest

from quality_gate.errors import UserError
from quality_gate.schedules.webhook import post_failure


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def webhook(certificate, monkeypatch):
    """A webhook on this machine; gives its URL, what it was sent, and the status it answers with."""
    received, answer = [], {"status": 200}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(answer["status"])
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(socketserver.TCPServer):
        def handle_error(self, *_):
            """A client that breaks off is what one of the tests is about."""

    server = Server(("localhost", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    yield f"https://localhost:{server.server_address[1]}/secret", received, answer
    server.shutdown()
    server.server_close()


def test_the_message_arrives_as_json_with_its_facts(webhook):
    url, received, _ = webhook
    post_failure(url, "it failed", {"exit_code": 1, "schedule": "nightly"})
    assert received == [("/secret", "application/json", {"text": "it failed", "exit_code": 1, "schedule": "nightly"})]


def test_a_webhook_that_refuses_is_told_without_its_address(webhook):
    url, _, answer = webhook
    answer["status"] = 403
    with pytest.raises(UserError, match="did not take the message") as caught:
        post_failure(url, "it failed", {})
    assert "secret" not in caught.value.message


def test_a_certificate_nobody_vouches_for_is_refused(webhook, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(UserError, match="did not take the message"):
        post_failure(webhook[0], "it failed", {})
    assert webhook[1] == []


@pytest.mark.parametrize("url", ["http://localhost:1/secret", "file:///etc/passwd", "hooks.example", "https://[::1"])
def test_nothing_is_sent_but_by_https(url):
    with pytest.raises(UserError, match="is no URL of HTTPS") as caught:
        post_failure(url, "it failed", {})
    assert url not in caught.value.message


@pytest.mark.parametrize("url", ["https://localhost/sec ret", "https://localhost:secret/"])
def test_an_address_that_cannot_be_asked_is_told_without_it(url):
    with pytest.raises(UserError, match="did not take the message") as caught:
        post_failure(url, "it failed", {})
    assert url.rpartition("localhost")[2] not in caught.value.message
