"""The page of the service as a person uses it, in Chromium."""

import base64
import shutil
import time

import pytest

from quality_gate.data.scenes import encode_scene

CHROMIUM = shutil.which("chromium")
PHOTO = encode_scene("tomato", 3, size=240)
KEY = "0123456789abcdef"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]

DROP = """(photo) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" }));
  for (const name of ["dragover", "drop"]) {
    const event = new DragEvent(name, { dataTransfer: files, bubbles: true, cancelable: true });
    document.getElementById("drop").dispatchEvent(event);
  }
}"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, in a container, Chromium has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens the page of a server; at the end nothing may have come from elsewhere, or failed."""
    pages, asked, failed = [], [], []

    def open_page(server, **options):
        page = browser.new_page(**options)
        page.on("request", lambda request: asked.append((server.url, request.url)))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
        # With what it asks of the service: a key pressed before that is sometimes lost.
        page.goto(server.url, wait_until="networkidle")
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [url for home, url in asked if not url.startswith((home, "data:", f"blob:{home}"))] == []
    # A refused request is shown on the page, and in the browser's console too.
    assert [text for text in failed if "Failed to load resource" not in text] == []


def drop(page, photo):
    page.evaluate(DROP, base64.b64encode(photo).decode())


def wait_for_answer(page):
    page.locator("#answer").wait_for(timeout=30_000)
    page.locator("#map-figure").wait_for(timeout=30_000)


def wait_until(page, expression):
    """Wait for an expression to hold; Playwright's own way evaluates text in the page, which its policy forbids."""
    deadline = time.monotonic() + 30
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def width(page):
    return page.evaluate("document.documentElement.scrollWidth")


def test_a_dropped_photo_is_answered_with_its_probabilities_and_map(open_page, server, client):
    expected = client.post("/predict", files={"image": PHOTO}).json()
    page = open_page(server)

    drop(page, PHOTO)
    wait_for_answer(page)

    assert page.locator("#label").inner_text() == expected["label"]
    assert page.locator("#decision").inner_text() == expected["decision"]
    bars = page.locator("#bars li")
    assert bars.count() == 3
    assert bars.first.locator(".name").inner_text() == expected["label"]
    assert float(bars.first.locator("progress").get_attribute("value")) == pytest.approx(expected["confidence"])
    assert bars.first.locator(".share").inner_text() == f"{100 * expected['confidence']:.1f}%"
    wait_until(page, "document.getElementById('map').naturalWidth === 32")
    wait_until(page, "document.getElementById('preview').naturalWidth === 240")
    assert expected["label"] in page.locator("#map").get_attribute("alt")


def test_another_class_can_be_explained(open_page, server):
    page = open_page(server)
    drop(page, PHOTO)
    wait_for_answer(page)
    other = next(name for name in ("onion", "potato") if name != page.locator("#label").inner_text())

    page.locator("#explained").select_option(other)

    wait_until(page, f"document.getElementById('map').alt.endsWith('for {other}')")
    assert page.locator("#map").get_attribute("alt") == f"What in the photo speaks for {other}"
    assert page.locator("#label").inner_text() != other


def test_a_photo_can_be_picked_with_the_keyboard(open_page, server):
    page = open_page(server)
    page.keyboard.press("Tab")
    wait_until(page, "document.activeElement.id === 'photo'")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": PHOTO})

    wait_for_answer(page)


def test_what_is_no_photo_is_said_and_no_answer_is_left_standing(open_page, server):
    page = open_page(server)
    drop(page, PHOTO)
    wait_for_answer(page)

    drop(page, b"<script>alert(1)</script>")

    page.get_by_text("The photo cannot be used: not a photo").wait_for(timeout=30_000)
    assert page.locator("#answer").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_it_fits_and_can_be_read(open_page, server, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(server, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    rules = ["color-contrast", "image-alt", "label", "select-name", "document-title", "html-has-lang", "list"]

    for with_answer in (False, True):
        if with_answer:
            drop(page, PHOTO)
            wait_for_answer(page)
        assert width(page) <= 390
        found = Axe().run(page, options={"runOnly": rules})
        assert found.response["violations"] == [], found.generate_report()


def test_where_a_key_is_needed_the_page_asks_for_it(open_page, serve):
    with serve(API_KEYS=KEY) as server:
        page = open_page(server)
        page.get_by_label("API key").fill(KEY)
        page.get_by_role("button", name="Use the key").click()
        page.get_by_text("visual_quality_gate, version 1").wait_for(timeout=30_000)
        drop(page, PHOTO)

        wait_for_answer(page)
        assert page.locator("#key-form").is_hidden()
