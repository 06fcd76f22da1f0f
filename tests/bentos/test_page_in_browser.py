"""The page of the service as a person uses it, in Chromium."""

import base64

import pytest

from quality_gate.data.scenes import encode_scene

PHOTO = encode_scene("tomato", 3, size=240)
KEY = "0123456789abcdef"

pytestmark = pytest.mark.slow

DROP = """(photo) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" }));
  for (const name of ["dragover", "drop"]) {
    const event = new DragEvent(name, { dataTransfer: files, bubbles: true, cancelable: true });
    document.getElementById("drop").dispatchEvent(event);
  }
}"""


def drop(page, photo):
    page.evaluate(DROP, base64.b64encode(photo).decode())


def wait_for_answer(page):
    page.locator("#answer").wait_for(timeout=30_000)
    page.locator("#map-figure").wait_for(timeout=30_000)


def width(page):
    return page.evaluate("document.documentElement.scrollWidth")


def test_a_dropped_photo_is_answered_with_its_probabilities_and_map(open_page, server, client, wait_until):
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


def test_another_class_can_be_explained(open_page, server, wait_until):
    page = open_page(server)
    drop(page, PHOTO)
    wait_for_answer(page)
    other = next(name for name in ("onion", "potato") if name != page.locator("#label").inner_text())

    page.locator("#explained").select_option(other)

    wait_until(page, f"document.getElementById('map').alt.endsWith('for {other}')")
    assert page.locator("#map").get_attribute("alt") == f"What in the photo speaks for {other}"
    assert page.locator("#label").inner_text() != other


def test_a_photo_can_be_picked_with_the_keyboard(open_page, server, wait_until):
    page = open_page(server)
    # The first is the link to the other page.
    page.keyboard.press("Tab")
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
