import re
from pathlib import Path

import pytest

import bentos.page

FOLDER = Path(bentos.page.__file__).parent


def test_the_policy_lets_nothing_in_from_elsewhere(client):
    headers = client.get("/").headers
    policy = headers["content-security-policy"]

    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind"), [("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")]
)
def test_what_the_page_names_is_there_with_its_type(client, path, kind):
    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert path[1:] in (FOLDER / "index.html").read_text()


def test_the_page_holds_nothing_inline_that_its_policy_forbids():
    page = (FOLDER / "index.html").read_text()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src)", page)
    assert "innerHTML" not in (FOLDER / "page.js").read_text()
