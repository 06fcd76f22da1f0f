import re
from pathlib import Path

import pytest

import bentos.page

FOLDER = Path(bentos.page.__file__).parent


@pytest.mark.parametrize("path", ["/", "/review"])
def test_the_policy_lets_nothing_in_from_elsewhere(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]

    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("page", "path", "kind"),
    [
        ("index", "/page.css", "text/css"),
        ("index", "/service.js", "text/javascript"),
        ("index", "/page.js", "text/javascript"),
        ("index", "/icon.svg", "image/svg+xml"),
        ("review", "/page.css", "text/css"),
        ("review", "/review.css", "text/css"),
        ("review", "/service.js", "text/javascript"),
        ("review", "/review.js", "text/javascript"),
    ],
)
def test_what_a_page_names_is_there_with_its_type(client, page, path, kind):
    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["content-type"].startswith(kind)
    assert path[1:] in (FOLDER / f"{page}.html").read_text()


@pytest.mark.parametrize("page", ["index", "review"])
def test_a_page_holds_nothing_inline_that_its_policy_forbids(page):
    text = (FOLDER / f"{page}.html").read_text()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src)", text)
    assert not any("innerHTML" in script.read_text() for script in FOLDER.glob("*.js"))
