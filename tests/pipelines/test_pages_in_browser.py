"""Every page of a run as a person sees it: in Chromium, framed without scripts as the dashboard frames artifacts."""

import html
import json
import re
import shutil
import socket
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
WIDTH = 1280

pytestmark = [
    pytest.mark.slow,
    pytest.mark.pipeline,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]

# What a frame shows, seen from inside: pictures that are missing, and how far the content reaches.
LOOK = """() => ({
  missing: [...document.images].filter(image => !image.complete || image.naturalWidth === 0).map(image => image.alt),
  pictures: document.images.length,
  width: document.documentElement.scrollWidth,
  text: document.body.innerText.length,
})"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, in a container, Chromium has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(gate, champion, tuned) -> dict[str, Path]:
    folder = gate.home.reports(gate.name) / champion.entries[0].run
    tuning = Path(re.search(r"^report: (.*)$", tuned, re.MULTILINE)[1])
    # Great Expectations' own site is no artifact: it loads its style from the network.
    return {path.stem: path for path in [*sorted(folder.glob("*.html")), tuning]}


def test_the_runs_leave_all_their_pages(pages):
    training = {"data", "validation", "split", "suspects", "evaluation", "samples", "serving"}
    assert set(pages) == training | {"model_card", "data_card", "tuning"}


def test_every_page_is_whole_inside_the_dashboards_frame(browser, pages):
    for name, path in pages.items():
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        style = f"width:{WIDTH}px;height:880px;border:0"
        frame = f'<iframe sandbox="" style="{style}" srcdoc="{html.escape(path.read_text())}"></iframe>'
        page.set_content(f'<body style="margin:0">{frame}</body>')
        inside = page.frames[1]
        inside.wait_for_load_state()

        seen = inside.evaluate(LOOK)

        assert seen["missing"] == [], name
        assert seen["width"] <= WIDTH, f"{name} is {seen['width']} pixels wide"
        assert seen["text"] > 300, name
        assert [url for url in asked if not url.startswith(("data:", "about:"))] == [], name
        page.close()


def test_every_page_fits_a_phone(browser, pages):
    for name, path in pages.items():
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto(path.as_uri())
        assert page.evaluate(LOOK)["width"] <= 390, name
        page.close()


def test_the_text_of_every_page_has_contrast_enough_to_be_read(browser, pages):
    from axe_playwright_python.sync_playwright import Axe

    for name, path in pages.items():
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.goto(path.as_uri())
        found = Axe().run(page, options={"runOnly": ["color-contrast", "image-alt", "document-title", "html-has-lang"]})
        assert found.response["violations"] == [], f"{name}: {found.generate_report()}"
        page.close()


def test_the_dashboard_shows_the_run_with_its_steps_and_a_page(browser, checkout, champion):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, said = checkout.run("zenml", "login", "--local", "--port", str(port), "--ip-address", "127.0.0.1")
    assert code == 0, said
    address = f"http://127.0.0.1:{port}"
    try:
        survey = {"full_name": "Local", "email_opted_in": False, "user_metadata": {"finished_onboarding_survey": True}}
        answer(f"{address}/api/v1/current-user", "PUT", survey)
        runs = answer(f"{address}/api/v1/runs?name={champion.entries[0].run}")
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})

        visit(page, f"{address}/projects/default/runs/{runs['items'][0]['id']}", "ingest")
        # A graph larger than the window is shown from its first step on; the last button but one shows it whole.
        page.get_by_label("DAG controls").locator("button").nth(-2).click()
        for step in ("ingest", "train_transfer", "gate", "package"):
            page.get_by_text(step, exact=True).first.wait_for(timeout=60_000)
        page.get_by_text("evaluation_report", exact=True).first.click()
        details = page.locator("[data-slot=sheet-portal]")
        details.get_by_text("Visualization").first.click()
        details.get_by_text("Load Preview").or_(details.locator("iframe")).first.wait_for(timeout=60_000)
        if details.get_by_text("Load Preview").count():
            details.get_by_text("Load Preview").first.click()
        details.locator("iframe").first.wait_for(timeout=60_000)
        page.frames[-1].get_by_text("Evaluation of visual_quality_gate").first.wait_for(timeout=60_000)
        page.close()
    finally:
        checkout.run("zenml", "logout", "--local")


def visit(page, address: str, sign: str) -> None:
    """Open a page of the dashboard, once more if its server was too busy for it: it does not ask again by itself."""
    from playwright.sync_api import TimeoutError as NotInTime

    try:
        page.goto(address)
        page.get_by_text(sign, exact=True).first.wait_for(timeout=60_000)
    except NotInTime:
        page.goto(address)
        page.get_by_text(sign, exact=True).first.wait_for(timeout=120_000)


def answer(address: str, method: str = "GET", body: object = None) -> dict:
    """The JSON answer of the dashboard's server, which needs a while to come up."""
    for _ in range(60):
        try:
            request = urllib.request.Request(
                address,
                method=method,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except OSError:
            time.sleep(1)
    raise AssertionError(f"{address} does not answer")
