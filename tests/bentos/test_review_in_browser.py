"""The review page as people use it: in Chromium, with real keys and clicks, and with two browsers at once."""

import time

import httpx
import pytest

from quality_gate.data.image_facts import audit_bytes
from quality_gate.data.scenes import encode_scene
from quality_gate.monitoring.database import Database
from quality_gate.review.reading import Reviews

GATE = "visual_quality_gate"
KEYS = "ana:0123456789abcdef,ben:fedcba9876543210"

pytestmark = pytest.mark.slow


def photo(seed):
    return encode_scene("tomato", seed, size=160)


@pytest.fixture
def desk(serve):
    """A server at which photos can wait for review."""
    with serve(API_KEYS=KEYS) as server:
        yield Desk(server, f"sqlite:///{server.state / 'predictions' / 'predictions.db'}")


@pytest.fixture
def desk_with_postgres(serve, postgres):
    url = postgres.new_database()
    with serve(API_KEYS=KEYS, DATABASE_URL=url, LOG_MAX_WAIT_SECONDS="0.5") as server:
        yield Desk(server, url)


class Desk:
    """A server, and what is in its database."""

    def __init__(self, server, url):
        self.server = server
        self.photos = server.state / "review_photos"
        self._url = url

    def send(self, *seeds):
        """Send photos that all go to review; their ids, in order."""
        for seed in seeds:
            answer = httpx.post(
                f"{self.server.url}/predict?threshold=1",
                files={"image": (f"belt {seed}.jpg", photo(seed))},
                headers={"x-api-key": "0123456789abcdef"},
            )
            assert answer.json()["decision"] == "review"
        self._wait(lambda: len(self._read(lambda reviews: list(reviews.photos()))) == len(seeds))
        return [audit_bytes(photo(seed)).image_id for seed in seeds]

    def labels(self):
        """By photo, the reviewer and the label of each review that stands."""
        found = self._read(lambda reviews: reviews.by_photo())
        return {sha: [(one.reviewer, one.label) for one in all_of] for sha, all_of in found.items()}

    def expect(self, labels):
        self._wait(lambda: self.labels() == labels)

    def _read(self, read):
        database = Database.open(self._url)
        try:
            return read(Reviews(database, GATE))
        finally:
            database.close()

    def _wait(self, holds):
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, self.labels()
            time.sleep(0.1)


@pytest.fixture
def sit(open_page):
    """Opens the review page in a browser of its own, with the key of a reviewer."""

    def sit(desk, who="ana", **options):
        page = open_page(desk.server, "/review", **options)
        page.get_by_label("API key").fill({"ana": "0123456789abcdef", "ben": "fedcba9876543210"}[who])
        page.keyboard.press("Enter")
        page.get_by_text(f"· {who}").wait_for(timeout=30_000)
        return page

    return sit


def shown(page):
    """What the sender called the photo that is shown."""
    page.locator("#turn").wait_for(timeout=30_000)
    return page.locator("#name").inner_text()


def wait_for_photo(page, seed):
    page.locator("#name", has_text=f"belt {seed}.jpg").wait_for(timeout=30_000)
    wait_until_idle(page)


def wait_until_idle(page):
    """Wait for the page to hear keys: it does not while it asks the service."""
    deadline = time.monotonic() + 30
    while page.evaluate("busy"):
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def said(page, sentence):
    page.locator("#said", has_text=sentence).wait_for(timeout=30_000)


def test_keys_alone_label_leave_skip_and_take_back(desk, sit, wait_until):
    ids = desk.send(1, 2, 3)
    page = sit(desk)
    wait_for_photo(page, 1)
    wait_until(page, "document.getElementById('shown').naturalWidth === 160")
    assert page.locator("#progress").inner_text() == "3 wait · ana"
    assert page.locator("#bars li").count() == 3

    page.keyboard.press("3")
    wait_for_photo(page, 2)
    assert page.locator("#progress").inner_text() == "2 wait, you reviewed 1 · ana"
    page.keyboard.press("u")
    wait_for_photo(page, 3)
    desk.expect({ids[0]: [("ana", "tomato")], ids[1]: [("ana", None)]})

    page.keyboard.press("z")
    wait_for_photo(page, 2)
    desk.expect({ids[0]: [("ana", "tomato")]})
    page.keyboard.press("z")
    wait_for_photo(page, 1)
    desk.expect({})

    page.keyboard.press("s")
    wait_for_photo(page, 2)
    page.keyboard.press("1")
    wait_for_photo(page, 3)
    page.keyboard.press("2")
    wait_for_photo(page, 1)
    page.keyboard.press("1")
    said(page, "Nothing waits for you.")
    desk.expect({ids[0]: [("ana", "onion")], ids[1]: [("ana", "onion")], ids[2]: [("ana", "potato")]})


def test_clicks_label_and_the_map_comes_and_goes(desk, sit, wait_until):
    ids = desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)
    best = page.locator("#bars .name").first.inner_text()
    page.keyboard.press("m")
    wait_until(page, "document.getElementById('map').naturalWidth === 32")
    assert page.locator("#shown").is_hidden()
    assert page.locator("#map").get_attribute("alt") == f"What in the photo speaks for {best}"
    page.get_by_role("button", name="map").click()
    assert page.locator("#map").is_hidden()
    assert page.locator("#shown").is_visible()

    page.get_by_role("button", name="potato").click()
    wait_for_photo(page, 2)
    page.get_by_role("button", name="unknown").click()
    said(page, "Nothing waits for you.")
    page.get_by_role("button", name="undo").click()
    wait_for_photo(page, 2)
    desk.expect({ids[0]: [("ana", "potato")]})


def test_two_browsers_work_off_the_queue_and_never_see_the_same_photo(desk, sit):
    ids = desk.send(*range(6))
    pages = {"ana": sit(desk, "ana"), "ben": sit(desk, "ben")}
    seen = {"ana": [], "ben": []}
    for _ in range(3):
        for who, page in pages.items():
            seen[who].append(shown(page))
        assert len({names[-1] for names in seen.values()}) == 2
        for who, page in pages.items():
            before = seen[who][-1]
            page.keyboard.press("1")
            page.locator("#name", has_text=before).wait_for(state="hidden", timeout=30_000)
            wait_until_idle(page)
    assert len({*seen["ana"], *seen["ben"]}) == 6
    found = desk.labels()
    assert set(found) == set(ids)
    assert sorted(who for reviews in found.values() for who, _ in reviews) == ["ana"] * 3 + ["ben"] * 3


def test_two_tabs_of_one_person_do_not_see_the_same_photo_and_a_reload_does(desk, sit):
    desk.send(1, 2)
    first, second = sit(desk), sit(desk)
    assert {shown(first), shown(second)} == {"belt 1.jpg", "belt 2.jpg"}
    before = shown(first)
    first.reload(wait_until="networkidle")
    first.get_by_label("API key").fill("0123456789abcdef")
    first.keyboard.press("Enter")
    assert shown(first) == before


def test_what_was_reviewed_before_a_reload_is_counted_and_can_be_taken_back(desk, sit):
    desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)
    page.keyboard.press("1")
    wait_for_photo(page, 2)
    page.reload(wait_until="networkidle")
    page.get_by_label("API key").fill("0123456789abcdef")
    page.keyboard.press("Enter")
    wait_for_photo(page, 2)
    assert page.locator("#progress").inner_text() == "1 waits, you reviewed 1 · ana"
    page.keyboard.press("z")
    wait_for_photo(page, 1)
    assert page.locator("#progress").inner_text() == "2 wait · ana"


def test_a_label_is_kept_while_the_database_is_away_and_sent_when_it_is_back(desk_with_postgres, postgres, sit):
    desk = desk_with_postgres
    ids = desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)
    postgres.stop()
    try:
        page.keyboard.press("3")
        said(page, "The database of the reviews does not answer now")
        said(page, "Your answer is kept in this browser and sent again.")
        assert shown(page) == "belt 1.jpg"
    finally:
        postgres.start()
    wait_for_photo(page, 2)
    desk.expect({ids[0]: [("ana", "tomato")]})


def test_a_label_outlives_a_reload_while_the_database_is_away(desk_with_postgres, postgres, sit):
    desk = desk_with_postgres
    ids = desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)
    postgres.stop()
    try:
        page.keyboard.press("2")
        said(page, "Your answer is kept in this browser and sent again.")
        page.reload()
        page.get_by_label("API key").fill("0123456789abcdef")
        page.keyboard.press("Enter")
        said(page, "The database of the reviews does not answer now")
    finally:
        postgres.start()
    wait_for_photo(page, 2)
    desk.expect({ids[0]: [("ana", "potato")]})


def test_a_label_that_waits_for_the_database_can_be_taken_back(desk_with_postgres, postgres, sit):
    desk = desk_with_postgres
    ids = desk.send(1)
    page = sit(desk)
    wait_for_photo(page, 1)
    postgres.stop()
    try:
        page.keyboard.press("2")
        said(page, "Your answer is kept in this browser and sent again.")
        page.keyboard.press("z")
    finally:
        postgres.start()
    said(page, "Taken back.")
    wait_for_photo(page, 1)
    page.keyboard.press("1")
    said(page, "Nothing waits for you.")
    desk.expect({ids[0]: [("ana", "onion")]})


def test_an_answer_that_got_lost_on_its_way_back_is_kept_once(desk, sit):
    ids = desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)

    def lose(route):
        route.fetch()
        route.abort()
        page.unroute("**/review/record")

    page.route("**/review/record", lose)
    page.keyboard.press("1")
    said(page, "The service cannot be reached.")
    wait_for_photo(page, 2)
    page.keyboard.press("z")
    wait_for_photo(page, 1)
    desk.expect({})
    page.keyboard.press("1")
    desk.expect({ids[0]: [("ana", "onion")]})


def test_a_photo_whose_file_was_deleted_is_told_and_never_shown_as_a_broken_picture(desk, sit):
    ids = desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)
    for image_id in ids:
        (desk.photos / image_id[:2] / image_id).unlink()
    page.keyboard.press("1")
    said(page, "Nothing waits for you. The files of 1 are not here, or not any more: they cannot be reviewed.")
    assert page.locator("#shown").is_hidden()
    page.keyboard.press("z")
    said(
        page,
        "Taken back; somebody else has that photo now, or its file is gone. Nothing waits for you. The files of 2 ",
    )
    assert desk.labels() == {}
    assert page.locator("#shown").is_hidden()


def test_a_label_that_is_no_class_any_more_is_told_and_the_next_photo_comes(desk, sit):
    desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)
    page.evaluate("turn.classes = ['carrot']")
    page.keyboard.press("1")
    said(page, "'carrot' is no class of visual_quality_gate; its classes are onion, potato, tomato.")
    wait_until_idle(page)
    assert shown(page) == "belt 1.jpg"
    assert desk.labels() == {}


def test_a_key_that_is_held_down_answers_one_photo(desk, sit):
    desk.send(1, 2)
    page = sit(desk)
    wait_for_photo(page, 1)
    page.keyboard.down("1")
    wait_for_photo(page, 2)
    for _ in range(3):
        page.keyboard.down("1")
    page.keyboard.up("1")
    wait_until_idle(page)
    assert shown(page) == "belt 2.jpg"
    assert len(desk.labels()) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_it_fits_can_be_read_and_touched(desk, sit, scheme):
    from axe_playwright_python.sync_playwright import Axe

    desk.send(1)
    page = sit(desk, viewport={"width": 390, "height": 800}, color_scheme=scheme, has_touch=True)
    rules = ["color-contrast", "image-alt", "label", "button-name", "document-title", "html-has-lang", "list"]
    wait_for_photo(page, 1)
    for verdict in (None, "unknown"):
        if verdict:
            page.get_by_role("button", name=verdict).tap()
            said(page, "Nothing waits for you.")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        found = Axe().run(page, options={"runOnly": rules})
        assert found.response["violations"] == [], found.generate_report()


def test_beyond_nine_classes_one_is_searched_for(desk, sit):
    """Of a model with many classes the page is told by a service that answers for it."""
    desk.send(1)
    page = sit(desk)
    names = [f"class {number}" for number in range(1, 31)] + ["Äpfel"]
    page.evaluate("(names) => { turn.classes = names; showClasses(names); }", names)
    assert page.locator("#classes button").count() == 9
    sent = []
    page.on("request", lambda request: sent.append(request.post_data_json) if "record" in request.url else None)
    page.keyboard.press("/")
    page.keyboard.type("äpf")
    assert page.locator("#found button").all_inner_texts() == ["Äpfel"]
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("31")
    assert page.locator("#found button").count() == 0
    page.keyboard.press("Backspace")
    assert page.locator("#found button").count() == 4
    page.keyboard.press("Enter")
    said(page, "'class 3' is no class")
    assert [one["label"] for one in sent] == ["class 3"]
